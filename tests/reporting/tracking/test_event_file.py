"""Scalars and texts in an event file, written without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from candid.reporting.tracking import write_scalars, write_text
from tests.reporting.tracking.made import read_events

WRITE_EVERYTHING = """
import sys
from pathlib import Path

import numpy as np

from candid.data.images.preview import to_jpeg
from candid.reporting.tracking import *

where = Path(sys.argv[1])
write_scalars(where, [(0, {"a": 1.0})])
write_text(where, "settings", {})
write_images(where, "mistakes", [("a", to_jpeg(np.zeros((2, 2, 3), np.uint8)))])
print(*sys.modules)
"""


def test_scalars_are_written_step_by_step_to_one_file(tmp_path: Path) -> None:
    write_scalars(tmp_path, [(0, {"loss": 2.0}), (1, {"loss": 1.0})])
    [file] = tmp_path.iterdir()
    file.rename(tmp_path / "events.out.tfevents.1000000000.candid")  # an older file
    write_scalars(tmp_path, [(2, {"loss": 0.5})])
    steps = read_events(tmp_path)["loss"]
    assert {step: value.simple_value for step, value in steps.items()} == {0: 2.0, 1: 1.0, 2: 0.5}


@pytest.mark.parametrize("odd", ["```\n# title", "\udcff", "日本"])
def test_settings_are_fenced(odd: str, tmp_path: Path) -> None:
    write_text(tmp_path, "settings", {"name": odd})
    [text] = read_events(tmp_path)["settings"][0].tensor.string_val
    first, *_, last = text.decode().splitlines()
    assert first == last == ("````" if "```" in odd else "```")


def test_writing_needs_no_tensorflow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_EVERYTHING, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"tensorflow", "sklearn", "scipy", "matplotlib"} & set(done.stdout.split())
    assert len(read_events(tmp_path)) == 3
