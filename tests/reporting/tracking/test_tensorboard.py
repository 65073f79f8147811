"""A real TensorBoard reads the event files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import cv2
import numpy as np
import pytest

from candid.data.images.preview import to_jpeg
from candid.reporting.tracking import write_figures, write_images, write_pr_curves, write_text
from tests.reporting.tracking.made import make_evaluation, make_predictions, read_events

CLASSES = ("a\\b", '日本 "<i>\udcff')
LONGEST_S = 120
OPENER = build_opener(ProxyHandler({}))


@contextmanager
def tensorboard(folder: Path, scratch: Path) -> Iterator[str]:
    """Start TensorBoard on a free port, with TensorFlow hidden, and yield its address."""
    (scratch / "tensorflow.py").write_text("raise ImportError")
    command = Path(sys.executable).parent / "tensorboard"
    with subprocess.Popen(
        [command, "--logdir", folder, "--host", "127.0.0.1", "--port", "0"],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(scratch)},
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                    yield f"{found[0]}data/plugin/"
                    return
            pytest.fail("".join(lines))
        finally:
            process.terminate()


def fetch(address: str) -> bytes:
    with OPENER.open(address, timeout=LONGEST_S) as answer:
        return bytes(answer.read())


def get(address: str, **query: str) -> Any:
    return json.loads(fetch(f"{address}?{urlencode(query)}"))


def get_when_read(address: str) -> Any:
    """Poll until TensorBoard, which reads files in the background, has loaded them."""
    deadline = time.monotonic() + LONGEST_S
    while not (answer := get(address)):
        assert time.monotonic() < deadline, f"{address} has nothing"
        time.sleep(0.2)
    return answer["run"]


def test_tensorboard_shows_figures_curves_pictures_and_settings(tmp_path: Path) -> None:
    run = tmp_path / "logs" / "run"
    evaluation, predictions = make_evaluation(CLASSES), make_predictions()
    picture = np.full((20, 30, 3), (250, 10, 20), np.uint8)
    write_figures(run, evaluation)
    write_pr_curves(run, predictions, CLASSES)
    write_text(run, "settings", {"name": CLASSES[1]})
    write_images(run, "mistakes", [(f"{name} was wrong", to_jpeg(picture)) for name in CLASSES])
    written = read_events(run)
    (tmp_path / "scratch").mkdir()
    with tensorboard(run.parent, tmp_path / "scratch") as address:
        # Pictures are last in the file, so everything else is loaded with them.
        images = get_when_read(f"{address}images/tags")
        figures = get(f"{address}scalars/tags")["run"]
        text = get(f"{address}text/tags")["run"]
        curves = get(f"{address}pr_curves/tags")["run"]
        [tag] = curves
        [curve] = get(f"{address}pr_curves/pr_curves", run="run", tag=tag)["run"]
        accuracy = get(f"{address}scalars/scalars", run="run", tag="test/accuracy")
        files = []
        for image in sorted(images):
            [found] = get(f"{address}images/images", run="run", tag=image, sample="0")
            file = fetch(f"{address}images/individualImage?{found['query']}")
            files.append(np.frombuffer(file, np.uint8))

    assert {*figures, *curves, *images, *text} == set(written)
    assert accuracy[0][1:] == [0, pytest.approx(evaluation.test.accuracy.value)]
    num_real = int((predictions.truth == 1).sum())
    assert curve["true_positives"][0] == num_real
    assert curve["false_negatives"][0] == 0
    assert curve["recall"][0] == 1
    assert curve["precision"][0] == pytest.approx(num_real / 200)
    assert len(files) == 2
    for file in files:
        shown = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
        np.testing.assert_allclose(shown, picture.astype(float), atol=3)
