"""The forms that scripts rely on, from a run whose class names are as awkward as can be."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.core.text import escape_markdown
from candid.runs.class_names import join_classes
from candid.runs.classifier import load
from candid.training import Run, TrainOptions, train

CLASSES = ("=1+1", "a|b", "unknown")
HEAD = "path,label,probability,reason,answer,verdict,possible,familiarity"
NOTE = (
    "class names that are easily misread in answers: '=1+1' is a formula to a spreadsheet, 'a|b' "
    "has a character that CSV escapes (| or \\) and 'unknown' is the name of a verdict too. Rename "
    "these folders, or let scripts read verdict and label instead of the answer."
)

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three colours, with noise that makes some of them hard to tell."""
    folder = tmp_path_factory.mktemp("awkward") / "data"
    random = np.random.default_rng(7)
    for place, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(14):
            coarse = random.integers(0, 120, (5, 5, 3), dtype=np.uint8)
            coarse[..., place] += np.uint8(100)
            photo = cv2.resize(coarse, (90, 70), interpolation=cv2.INTER_CUBIC)
            (folder / name / f"{number}.png").write_bytes(cv2.imencode(".png", photo)[1].tobytes())
    return folder


@pytest.fixture(scope="module")
def awkward(data: Path, own_cache: Path) -> Run:
    del own_cache
    options = TrainOptions(backbone="efficientnet-lite0")
    return train(data, run=data.parent / "run", options=options)


def test_training_notes_the_names_in_one_line(awkward: Run) -> None:
    assert awkward.notes.count(NOTE) == 1
    assert escape_markdown(NOTE) in (awkward.folder / "MODEL_CARD.md").read_text("utf-8")


def test_the_audit_warns_of_the_names(candid: Command, data: Path) -> None:
    done = candid("audit", data, "--json")
    (check,) = [one for one in json.loads(done.stdout)["checks"] if one["code"] == "misread-names"]
    assert (check["severity"], check["status"]) == ("warning", "found")
    assert check["summary"] == "3 classes have names that are easily misread in answers"


def test_csv_tells_classes_from_verdicts_and_lists(
    candid: Command, awkward: Run, data: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    (tmp_path / "noise.png").write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    arguments = (data, tmp_path / "noise.png", "absent.png", "--run", awkward.folder)
    # At this coverage, no class of most photos can be ruled out.
    options = ("--coverage", "0.999", "--csv", "--probabilities")
    text = candid("predict", *arguments, *options).stdout
    assert text.splitlines()[0] == f"{HEAD},p:=1+1,p:a|b,p:unknown"
    *rows, noisy, absent = csv.DictReader(io.StringIO(text))
    assert {row["label"] for row in rows} == set(CLASSES)
    for row in rows:
        assert row["probability"] == row[f"p:{row['label']}"]
        assert row["verdict"] in ("sure", "uncertain", "unknown")
    assert join_classes(CLASSES) == r"=1+1|a\|b|unknown"
    assert join_classes(CLASSES) in {row["possible"] for row in rows}
    assert (noisy["verdict"], noisy["answer"]) == ("unknown", "unknown")
    assert (absent["verdict"], absent["label"]) == ("unreadable", "")


def test_with_three_classes_nothing_is_the_positive_one(
    candid: Command, awkward: Run, data: Path
) -> None:
    done = candid("predict", data, "--run", awkward.folder, "--json")
    for item in json.loads(done.stdout):
        assert item["probability"] == item["probabilities"][item["label"]]
        assert item["positive_probability"] is None


def test_the_predictions_of_a_run_tell_a_class_from_two(awkward: Run) -> None:
    with (awkward.folder / "predictions.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    of_one = {row["possible"] for row in rows if row["label"] == "a|b"}
    assert r"a\|b" in of_one
    assert "a|b" not in of_one


def test_no_verdict_where_the_model_can_not_abstain(awkward: Run, data: Path) -> None:
    classifier = load(awkward.folder)
    classifier.abstention = None
    good, bad = classifier.predict([data / "a|b" / "0.png", b""])
    assert (good.verdict, good.answer, good.possible) == (None, good.label, ())
    assert (bad.verdict, bad.answer) == ("unreadable", "unreadable")
