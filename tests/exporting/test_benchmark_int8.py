"""The benchmark of int8 exports predicts all photos and prints all figures."""

import json
import re
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from candid.exporting import FORMATS
from candid.exporting.format import LoadedExport
from candid.exporting.onnx import load_onnx
from candid.runs.artifact import SPLIT
from candid.splits.split import read_csv
from tests.scripts import load_script

FIGURE = r"[01]\.\d+ +\(-?[01]\.\d+ to [01]\.\d+, n = \d+\)"


@pytest.fixture
def benchmark(monkeypatch):
    """Run it with arguments, calibrated with the fewest photos."""
    monkeypatch.setattr("candid.exporting.int8.calibration.MAX_PHOTOS", 8)
    module = load_script("benchmarks/int8.py")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["int8.py", *map(str, arguments)])
        module.main()

    return run


def test_missing_photos_are_an_error_in_one_line(benchmark, copied_run, tmp_path):
    file = copied_run / "candid.json"
    manifest = json.loads(file.read_text("utf-8"))
    manifest["data"]["folder"] = str(tmp_path / "gone")
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        benchmark(copied_run)
    printed = str(ended.value.code)
    assert printed.startswith(f"{copied_run}: ")
    assert re.search(r"0 of \d+ are unchanged .*Bring the photos back", printed)
    assert "\n" not in printed


def test_every_photo_is_predicted_and_every_figure_printed(benchmark, trained, capsys):
    benchmark(trained.folder, "--rounds", 3, "--workers", 1)
    printed = capsys.readouterr().out
    rows = read_csv(trained.folder / SPLIT).rows
    assert {row.part for row in rows} > {"train", "val", "test"}
    found = r"labels agree on (\d+) of (\d+) photos \(\d+\.\d+%\); the run lists (\d+)"
    num_same, num_predicted, num_listed = map(int, re.search(found, printed).groups())
    readable = [row for row in rows if row.content]
    assert any(row.part == "" for row in readable)
    assert num_same <= num_predicted == len(readable) < num_listed == len(rows)
    num_tested = sum(row.part == "test" for row in rows)
    for name in ("accuracy", "called unknown"):
        assert re.search(rf"{name}, test part: {FIGURE}; in eight bits {FIGURE}", printed)
    assert printed.count(f"n = {num_tested})") == 5
    sizes = re.search(r"ONNX: (\d+\.\d) MB to (\d+\.\d) MB", printed)
    assert float(sizes[2]) < float(sizes[1]) / 2
    assert re.search(r"ms an image: ratio \d", printed)
    assert re.search(r"\d and \d+\.\d images a second, one a call: ratio \d", printed)


def test_a_speed_that_was_not_measured_is_noted(benchmark, trained, monkeypatch, capsys):
    runtimes = iter(["Chromium 1", "ONNX Runtime 1"])

    @contextmanager
    def open_export(folder):
        yield LoadedExport(load_onnx(folder), next(runtimes), notes=("a browser was here",))

    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], open=open_export))
    benchmark(trained.folder, "--rounds", 3, "--workers", 1)
    printed = capsys.readouterr().out
    assert "images a second" not in printed
    assert "note: a browser was here" in printed
    assert "note: the speed was not measured: the run was in ONNX Runtime 1" in printed
