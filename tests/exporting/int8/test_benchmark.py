"""The benchmark of exports in eight bits: all photos are asked about, and all figures are told."""

import json
import re
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from candid.exporting import FORMATS
from candid.exporting.format import Opened
from candid.exporting.onnx import load_onnx
from candid.runs.artifact import SPLIT
from candid.splits.split import read_csv
from tests.scripts import load_script

FIGURE = r"[01]\.\d+ +\(-?[01]\.\d+ to [01]\.\d+, n = \d+\)"


@pytest.fixture
def benchmark(monkeypatch):
    """Runs it with these arguments, calibrated with as few photos as may be."""
    monkeypatch.setattr("candid.exporting.int8.calibration.MOST_PHOTOS", 8)
    module = load_script("benchmarks/int8.py")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["int8.py", *map(str, arguments)])
        module.main()

    return run


def test_photos_that_are_gone_are_a_line_that_says_so(benchmark, copied_run, tmp_path):
    file = copied_run / "candid.json"
    manifest = json.loads(file.read_text("utf-8"))
    manifest["data"]["folder"] = str(tmp_path / "gone")
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        benchmark(copied_run)
    told = str(ended.value.code)
    assert told.startswith(f"{copied_run}: ")
    assert re.search(r"0 of \d+ are as they were .*Bring the photos back", told)
    assert "\n" not in told


def test_every_photo_is_asked_about_and_every_figure_told(benchmark, trained, capsys):
    benchmark(trained.folder, "--rounds", 3, "--workers", 1)
    told = capsys.readouterr().out
    rows = read_csv(trained.folder / SPLIT).rows
    assert {row.part for row in rows} > {"train", "val", "test"}
    found = r"labels agree on (\d+) of (\d+) photos \(\d+\.\d+%\); the run lists (\d+)"
    num_same, num_asked, num_listed = map(int, re.search(found, told).groups())
    readable = [row for row in rows if row.content]
    assert any(row.part == "" for row in readable)
    assert num_same <= num_asked == len(readable) < num_listed == len(rows)
    num_tested = sum(row.part == "test" for row in rows)
    for name in ("accuracy", "called unknown"):
        assert re.search(rf"{name}, test part: {FIGURE}; in eight bits {FIGURE}", told)
    assert told.count(f"n = {num_tested})") == 5
    sizes = re.search(r"ONNX: (\d+\.\d) MB to (\d+\.\d) MB", told)
    assert float(sizes[2]) < float(sizes[1]) / 2
    assert re.search(r"ms an image: ratio \d", told)
    assert re.search(r"\d and \d+\.\d images a second, one a call: ratio \d", told)


def test_what_is_not_timed_is_told(benchmark, trained, monkeypatch, capsys):
    runtimes = iter(["Chromium 1", "ONNX Runtime 1"])

    @contextmanager
    def opened(folder):
        yield Opened(load_onnx(folder), next(runtimes), notes=("a browser was here",))

    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], open=opened))
    benchmark(trained.folder, "--rounds", 3, "--workers", 1)
    told = capsys.readouterr().out
    assert "images a second" not in told
    assert "note: a browser was here" in told
    assert "note: its speed was not measured: the run was in ONNX Runtime 1" in told
