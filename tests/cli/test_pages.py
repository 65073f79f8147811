"""Options of how files are read, the notes on further pages, and blank pictures."""

from __future__ import annotations

import csv
import io
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from candid import load
from candid.cli.main import app
from candid.cli.predicting import note_pages
from candid.data.images import Reading
from candid.training import Run


def ramp() -> np.ndarray:
    return np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """An ImageJ stack that begins black."""
    file = tmp_path / "stack.tif"
    tifffile.imwrite(file, np.stack([np.zeros_like(ramp()), ramp(), ramp()[:, ::-1]]), imagej=True)
    return file


def predict(run: Run, *arguments: object) -> tuple[list[dict[str, str]], str, int]:
    asked = ["predict", *map(str, arguments), "--run", str(run.folder), "--csv"]
    done = CliRunner().invoke(app, asked)
    return list(csv.DictReader(io.StringIO(done.stdout))), done.stderr, done.exit_code


def test_predict_says_how_many_other_pages_there_are(trained: Run, stack: Path) -> None:
    _, said, _ = predict(trained, stack)
    assert f"{stack} has 3 pages; this answers for page 1, see --page" in said


def test_another_page_has_another_answer(trained: Run, stack: Path) -> None:
    [first], _, _ = predict(trained, stack)
    [second], said, _ = predict(trained, stack, "--page", 2)
    assert first["reason"] == "blank: every pixel is black"
    assert (first["verdict"], first["answer"], second["verdict"] == "unknown") == (
        "unknown",
        "unknown",
        second["answer"] == "unknown",
    )
    assert second["reason"] == ""
    assert first["probability"] != second["probability"]
    assert "answers for page 2" in said


def test_a_page_that_is_not_there_has_a_reason(trained: Run, stack: Path) -> None:
    [row], _, code = predict(trained, stack, "--page", 4)
    assert row["reason"] == "it has 3 page(s), not a page 4"
    assert code == 1


def test_many_files_of_pages_are_one_note(stack: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tif"
    other.write_bytes(stack.read_bytes())
    [note] = note_pages([str(stack), str(other), "gone.tif"], b"", Reading())
    assert note.startswith(f"2 files have several pages, such as {stack} (3); these answer for")


def test_other_photos_have_no_note(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), ramp())
    assert list(note_pages([str(tmp_path / "photo.png"), "-"], b"", Reading())) == []


@pytest.mark.parametrize(("level", "colour"), [(0, "black"), (255, "white"), (9, "#090909")])
def test_a_blank_picture_is_said_to_be_blank(trained: Run, level: int, colour: str) -> None:
    data = cv2.imencode(".png", np.full((40, 40), level, np.uint8))[1].tobytes()
    prediction = load(trained.folder).predict(data)
    assert prediction.reason == f"blank: every pixel is {colour}"
    assert prediction.label is not None
    assert (prediction.verdict, prediction.answer) == ("unknown", "unknown")


def test_a_range_lets_a_run_of_ordinary_photos_read_deep_ones(trained: Run, tmp_path: Path) -> None:
    file = tmp_path / "signed.tif"
    tifffile.imwrite(file, ramp().astype(np.int16) - 100)
    [row], _, code = predict(trained, file)
    assert code == 1
    assert "signed 16-bit samples from -100 to 155" in row["reason"]
    [row], _, code = predict(trained, file, "--range=-100,155")
    assert (row["reason"], code) == ("", 0)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--range=a,b", "--range is numbers separated by commas, such as 0,4095. Received: a,b"),
        ("--range=9,1", "the lower one first"),
        ("--bands=1,2", "bands must be three numbers"),
        ("--bands=x", "--bands is numbers separated by commas, such as 4,3,2"),
        ("--page=0", "page must be at least 1"),
        ("--max-megapixels=0", "max_pixels must be at least 1"),
    ],
)
@pytest.mark.parametrize("command", ["train", "audit", "predict"])
def test_a_wrong_option_is_refused_in_a_line(
    trained: Run, stack: Path, command: str, option: str, reason: str
) -> None:
    run = ["--run", str(trained.folder)] if command == "predict" else []
    done = CliRunner().invoke(app, [command, str(stack), option, *run])
    assert reason in str(done.exception or done.output)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_among_the_photos_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    asked: tuple[object, ...] = ([str(tmp_path / "pipe.jpg")], b"", Reading())
    thread = threading.Thread(target=lambda: list(note_pages(*asked)), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
