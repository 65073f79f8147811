"""The parity benchmark with nothing to compare, and with NaN."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from candid.data.source import DataSource
from candid.exporting.format import LoadedExport
from candid.exporting.onnx import ONNX
from candid.exporting.samples import Batch, Photos
from candid.exporting.web import WEB
from candid.models.decision_rule import DecisionRule
from candid.models.outputs import Outputs
from tests.scripts import load_script

CLASSIFIER = SimpleNamespace(rule=DecisionRule(), classes=("happy", "sad"))
SOURCE = SimpleNamespace(name="faces", classifier=CLASSIFIER, data=DataSource("data"))


@pytest.fixture
def benchmark():
    return load_script("benchmarks/parity.py")


def batch(second):
    probabilities = np.float32([[1 - second, second]])
    pixels = np.zeros((1, 1, 1, 3), np.uint8)
    return Batch(pixels, Outputs(probabilities, np.zeros((1, 1), np.float32), None))


def form(*answers):
    """A format that returns these probabilities of the second class, one after the other."""
    left = iter(answers)

    def run(_):
        second = next(left)
        return {"probabilities": np.float32([[1 - second, second]])}

    return replace(ONNX, write=lambda *_: None, load=lambda _: run)


def test_a_run_without_photos_is_an_error_in_one_line(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["parity.py", str(tmp_path), "--to", "onnx"])
    monkeypatch.setattr(benchmark, "open_source", lambda _: SOURCE)
    monkeypatch.setattr(benchmark, "read_csv", lambda _: None)
    monkeypatch.setattr(benchmark, "find_photos", lambda *_: Photos((), ("they are gone",)))
    with pytest.raises(SystemExit) as ended:
        benchmark.main()
    assert ended.value.code == f"{tmp_path}: there is no photo to compare on: they are gone."


def test_a_folder_that_is_no_run_is_an_error_in_one_line(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["parity.py", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        benchmark.main()
    assert str(ended.value.code).startswith(f"{tmp_path}: ")


def test_photos_that_all_can_not_be_read_are_an_error_in_one_line(benchmark, tmp_path):
    compared = benchmark.BatchComparison(tmp_path / "export", form(), SOURCE)
    with pytest.raises(SystemExit, match="faces: none of its photos could be read"):
        compared.to_row("faces")


def test_photos_that_the_browser_can_not_read_are_an_error_in_one_line(benchmark, tmp_path):
    loaded = LoadedExport(None, "a browser", predict_photo=lambda _: {})
    web = replace(WEB, write=lambda *_: None, open=lambda _: nullcontext(loaded))
    with pytest.raises(SystemExit, match="faces: the browser read none of 1 photo"):
        benchmark.ask_browser(tmp_path / "export", web, SOURCE, [tmp_path / "gone.png"])


def test_the_largest_difference_is_printed_and_nan_is_kept(benchmark, tmp_path):
    compared = benchmark.BatchComparison(tmp_path / "near", form(0.2, 0.25), SOURCE)
    for _ in range(2):
        compared.ask(batch(0.2))
    assert "| 2 | 2 (100.00%) | 5.0e-02 |" in compared.to_row("faces")
    compared = benchmark.BatchComparison(tmp_path / "odd", form(0.2, np.nan), SOURCE)
    for _ in range(2):
        compared.ask(batch(0.2))
    assert "| nan |" in compared.to_row("faces")
