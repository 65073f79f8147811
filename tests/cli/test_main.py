"""The installed command: options, exit codes, stdout and stderr, start-up."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from candid.cli.demo import SampleSet, draw_sample
from candid.data.decisions import Decision, to_csv
from candid.evaluation.verify import differences
from candid.splits.split import read_csv
from candid.training import Run
from tests.conftest import JSON_KEYS
from tests.manifests import SCHEMA
from tests.reporting.pages.parsed import Page

Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]
StateOf = Callable[[Path], dict[str, tuple[str, int]]]

COMMAND = Path(sys.executable).parent / "candid"
FIGURES = ("accuracy", "precision", "recall", "binary_accuracy", "kfold_accuracy", "f1", "log_loss")
BACKBONE = ("--backbone", "efficientnet-lite0")


@pytest.fixture(scope="module")
def photo(faces: SampleSet) -> Path:
    return sorted(faces.folder.glob("sad/face-*"))[0]


@pytest.fixture(scope="module")
def broken(faces: SampleSet) -> Path:
    return faces.folder / "happy" / "IMG_2041.jpg"


def rows(done: Done) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(done.stdout)))


def fails_with(done: Done, code: int, *words: str) -> None:
    """A known error: one line on stderr, nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    line = done.stderr.splitlines()[-1]
    assert line.startswith("candid: ")
    for word in words:
        assert word in line


def decide(file: Path, faces: SampleSet, decided: dict[str, str]) -> None:
    """Write decisions about some files."""
    contents = {path: (faces.folder / path).read_bytes() for path in decided}
    rows = [
        Decision(path, hashlib.sha256(contents[path]).hexdigest(), "found", "", decision)
        for path, decision in decided.items()
    ]
    file.write_text(to_csv(rows))


class TestTrain:
    def test_writes_exactly_the_folder_that_is_named(
        self, candid: Command, work: Path, faces: SampleSet, state_of: StateOf
    ) -> None:
        before = state_of(faces.folder)
        done = candid(
            "train",
            faces.folder,
            "--run",
            "new/run",
            "--recipe",
            "transfer",
            "--seed",
            3,
            *BACKBONE,
        )
        assert done.returncode == 0, done.stderr
        assert [path.name for path in work.iterdir()] == ["new"]
        assert [path.name for path in (work / "new").iterdir()] == ["run"]
        manifest = json.loads((work / "new" / "run" / "candid.json").read_text())
        assert manifest["settings"]["seed"] == 3
        assert manifest["recipe"] == "transfer"
        assert state_of(faces.folder) == before

    def test_prints_figures_on_stdout_and_progress_on_stderr(
        self, candid: Command, faces: SampleSet
    ) -> None:
        done = candid("train", faces.folder, "--run", "run", *BACKBONE)
        lines = done.stdout.splitlines()
        assert re.match(r"Accuracy [01]\.\d{3} \(.* to .*, n = \d+\), by grouped cross-", lines[0])
        assert len(lines) == 5
        assert "Report: run/report.html" in lines
        assert "candid predict PHOTO --run run" in done.stdout
        assert "Finding the photos" in done.stderr
        assert "note: happy/IMG_2041.jpg is left out: truncated" in done.stderr
        assert "note: the same picture is in two classes" in done.stderr
        assert "note:" not in done.stdout
        again = candid("train", faces.folder, "--run", "run", "--overwrite", "--details", *BACKBONE)
        assert again.stdout.splitlines()[:5] == lines
        assert "Test part: " in again.stdout
        assert "true, then predicted" in again.stdout

    def test_refuses_a_run_that_is_there_and_replaces_it_when_told(
        self, candid: Command, work: Path, faces: SampleSet, trained: Run
    ) -> None:
        shutil.copytree(trained.folder, work / "run")
        (work / "run" / "tensorboard" / "old").write_text("")
        train = ("train", faces.folder, "--run", "run", *BACKBONE)
        fails_with(candid(*train), 2, "exists already", "--overwrite")
        assert (work / "run" / "tensorboard" / "old").exists()
        assert candid(*train, "--overwrite").returncode == 0
        assert not (work / "run" / "tensorboard" / "old").exists()

    @pytest.mark.parametrize("option", [("--epochs", 20), ("--leak-tax",), ("--augment",)])
    def test_refuses_what_only_the_other_recipe_has_a_use_for(
        self, candid: Command, work: Path, faces: SampleSet, option: tuple[object, ...]
    ) -> None:
        fails_with(candid("train", faces.folder, *option), 2, f"{option[0]}: for --recipe cnn")
        assert list(work.iterdir()) == []

    def test_keeps_the_parts_of_an_earlier_split(
        self, candid: Command, work: Path, faces: SampleSet, trained: Run
    ) -> None:
        split = trained.folder / "split.csv"
        done = candid(
            "train", faces.folder, "--run", "run", "--seed", 9, "--split", split, *BACKBONE
        )
        assert done.returncode == 0, done.stderr
        assert read_csv(work / "run" / "split.csv").rows == read_csv(split).rows

    def test_honours_the_decisions_of_a_person(
        self, candid: Command, work: Path, faces: SampleSet
    ) -> None:
        decide(work / "mine.csv", faces, {"sad/IMG_2044.jpg": "happy", "sad/scan-0001.png": "drop"})
        done = candid("train", faces.folder, "--run", "run", "--decisions", "mine.csv", *BACKBONE)
        assert done.returncode == 0, done.stderr
        assert "note: mine.csv: 1 photo dropped, 1 relabelled" in done.stderr.splitlines()
        assert (work / "run" / "decisions.csv").read_bytes() == (work / "mine.csv").read_bytes()
        (work / "mine.csv").unlink()
        figures = json.loads(candid("evaluate", "run", "--json").stdout)
        written = json.loads((work / "run" / "metrics.json").read_text())
        assert list(differences(written, figures)) == []

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--decisions", "absent.csv"), "absent.csv can't be read: No such file"),
            (("--threshold", "7"), "from 0 to 1"),
            (("--backbone", "resnet"), "there is no backbone 'resnet'"),
            (("--split", "absent.csv"), "absent.csv"),
            (("--group-by", "("), "no regular expression"),
        ],
    )
    def test_says_in_a_line_what_is_wrong_with_an_option(
        self, candid: Command, work: Path, faces: SampleSet, options: tuple[str, str], words: str
    ) -> None:
        rest = () if "--backbone" in options else BACKBONE
        done = candid("train", faces.folder, "--run", "run", *rest, *options)
        fails_with(done, 2, words)
        assert list(work.iterdir()) == []

    def test_says_in_a_line_that_a_folder_is_none_of_classes(
        self, candid: Command, work: Path, photo: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").mkdir()
        fails_with(candid("train", tmp_path / "empty", "--run", "r"), 2, "one per class")
        fails_with(candid("train", "absent", "--run", "r"), 2, "absent", "does not exist")
        fails_with(candid("train", photo, "--run", "r"), 2, "is a file")
        assert list(work.iterdir()) == []

    def test_does_not_import_tensorflow_or_scikit_learn(
        self, faces: SampleSet, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        loaded = modules_after("train", faces.folder, "--run", run, *BACKBONE)
        assert "tensorboard" in loaded
        assert not {"tensorflow", "keras", "sklearn", "scipy", "matplotlib"} & loaded

    def test_writes_a_run_of_the_tutorials_network_too(
        self, candid: Command, work: Path, faces: SampleSet, photo: Path
    ) -> None:
        train = ("train", faces.folder, "--run", "run", "--recipe", "cnn", "--epochs", 1)
        done = candid(*train, *BACKBONE)
        assert done.returncode == 0, done.stderr
        assert "epoch 1 of 1" in done.stderr
        manifest = json.loads((work / "run" / "candid.json").read_text())
        assert manifest["recipe"] == "cnn"
        jsonschema.validate(manifest, SCHEMA)
        assert {"model.onnx", "model.keras"} <= manifest["files"].keys()
        figures = json.loads(candid("evaluate", "run", "--json").stdout)
        written = json.loads((work / "run" / "metrics.json").read_text())
        assert list(differences(written, figures)) == []
        assert figures["binary_accuracy"]["n"] == figures["accuracy"]["n"] > 0
        assert figures["kfold_accuracy"] is None
        assert rows(candid("predict", photo, "--run", "run"))[0]["label"] in ("happy", "sad")

    def test_interrupted_leaves_nothing_of_a_run(
        self, work: Path, faces: SampleSet, tmp_path: Path
    ) -> None:
        code, errors = stopped(signal.SIGINT, faces.folder, work, tmp_path / "cache")
        assert code == 130
        assert "interrupted" in errors
        assert "Traceback" not in errors
        assert list((work / "runs").iterdir()) == []

    def test_killed_leaves_no_run_that_loads(
        self, candid: Command, work: Path, faces: SampleSet, tmp_path: Path, photo: Path
    ) -> None:
        code, _ = stopped(signal.SIGKILL, faces.folder, work, tmp_path / "cache")
        assert code == -signal.SIGKILL
        fails_with(candid("predict", photo, "--run", "runs/one"), 2, "there is no run at")
        fails_with(candid("predict", photo), 2, "there is no run at runs/latest")
        again = candid("train", faces.folder, "--run", "runs/one", *BACKBONE)
        assert again.returncode == 0, again.stderr
        assert candid("predict", photo).returncode == 0


# Trains, and says when it is about to write the run; then it waits to be stopped.
SLOW_TRAINING = """
import signal, sys, time
import candid.training.training

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

def slow(partial, *rest):
    (partial / "model.onnx").write_bytes(b"half")
    print("WRITING", file=sys.stderr, flush=True)
    time.sleep(60)

candid.training.training.write_files = slow
from candid.cli.main import main
main()
"""


def stopped(how: signal.Signals, data: Path, work: Path, cache: Path) -> tuple[int, str]:
    """Train, send a signal while the run is being written; return the exit code and stderr."""
    command = [sys.executable, "-c", SLOW_TRAINING, "train", str(data), "--run", "runs/one"]
    with subprocess.Popen(
        [*command, *BACKBONE],
        cwd=work,
        env=os.environ | {"CANDID_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line == "WRITING\n":
                break
        process.send_signal(how)
        errors = process.stderr.read()
    return process.returncode, errors


class TestSplit:
    def test_writes_path_class_part_and_group(
        self, candid: Command, work: Path, faces: SampleSet, state_of: StateOf
    ) -> None:
        before = state_of(faces.folder)
        done = candid("split", faces.folder, "--csv", "split.csv", "--to", "out", "--materialize")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith('tree = "out"\n\nKeras: ')
        assert "passes over" not in done.stdout
        text = (work / "split.csv").read_text(encoding="utf-8")
        assert text.startswith("path,class,part,group\n")
        table = list(csv.DictReader(io.StringIO(text)))
        assert {row["part"] for row in table} == {"train", "val", "test", ""}
        for row in table:
            assert (faces.folder / row["path"]).is_file()
            assert row["path"].split("/")[0] == row["class"]
        written = {path.suffix for path in (work / "out").glob("*/*/*")}
        assert written == {".jpg", ".png"}
        assert state_of(faces.folder) == before

    def test_leaves_the_part_empty_of_what_is_in_none(
        self, candid: Command, faces: SampleSet
    ) -> None:
        done = candid("split", faces.folder, "--csv", "-")
        parts = {row["path"]: row["part"] for row in rows(done)}
        in_none = [
            str(path)
            for defect in faces.defects
            if defect.kind in ("both_classes", "truncated", "text_as_image")
            for path in (defect.path, defect.original)
            if path is not None
        ]
        assert [path for path, part in parts.items() if not part] == sorted(
            in_none, key=list(parts).index
        )
        assert not {"happy/.DS_Store", "happy/notes.txt"} & parts.keys()

    def test_says_the_counts_on_stderr(self, candid: Command, faces: SampleSet) -> None:
        done = candid("split", faces.folder)
        assert done.stdout.startswith("path,class,part,group\n")
        assert "different pictures; " in done.stderr.splitlines()[-1]

    def test_keeps_the_groups_of_the_user_whole(self, candid: Command, faces: SampleSet) -> None:
        done = candid("split", faces.folder, "--group-by", r"face-00(\d)")
        parts: dict[str, set[str]] = {}
        for row in rows(done):
            name = Path(row["path"]).name
            if name.startswith("face-00") and row["part"]:
                parts.setdefault(name[7], set()).add(row["part"])
        assert len(parts) == 7
        assert all(len(its) == 1 for its in parts.values())

    def test_honours_the_decisions_of_a_person(
        self, candid: Command, work: Path, faces: SampleSet, state_of: StateOf
    ) -> None:
        before = state_of(faces.folder)
        moved = "sad/IMG_2044.jpg"
        decide(work / "mine.csv", faces, {moved: "happy", "sad/scan-0001.png": "drop"})
        arguments = ("split", faces.folder, "--decisions", "mine.csv", "--csv", "-", "--to", "out")
        done = candid(*arguments)
        assert done.returncode == 0, done.stderr
        assert "note: mine.csv: 1 photo dropped, 1 relabelled" in done.stderr.splitlines()
        table = {row["path"]: row for row in rows(done)}
        assert table["sad/scan-0001.png"]["part"] == ""
        assert table[moved]["class"] == "happy"
        assert "\nKeras: " in done.stderr
        [link] = (work / "out").glob(f"*/*/{Path(moved).name}")
        assert link.parent.name == "happy"
        assert not list((work / "out").glob("*/*/scan-0001.png"))
        assert state_of(faces.folder) == before

    def test_says_in_a_line_what_is_wrong_with_a_decision(
        self, candid: Command, work: Path, faces: SampleSet
    ) -> None:
        decide(work / "mine.csv", faces, {"sad/IMG_2044.jpg": "hapy"})
        done = candid("split", faces.folder, "--decisions", "mine.csv")
        reason = "'hapy' about sad/IMG_2044.jpg is not a class"
        fails_with(done, 2, reason, "keep, drop", "happy, sad")

    def test_refuses_a_folder_with_files_before_any_work(
        self, candid: Command, work: Path, faces: SampleSet
    ) -> None:
        (work / "full").mkdir()
        (work / "full" / "dear.txt").write_text("dear")
        done = candid("split", faces.folder, "--to", "full")
        fails_with(done, 2, "full exists already and is not empty")
        assert "Finding the photos" not in done.stderr

    def test_materializes_only_a_tree(self, candid: Command, faces: SampleSet) -> None:
        done = candid("split", faces.folder, "--materialize")
        fails_with(done, 2, "--materialize", "add --to FOLDER")

    def test_says_in_a_line_that_the_file_can_not_be_written(
        self, candid: Command, faces: SampleSet
    ) -> None:
        done = candid("split", faces.folder, "--csv", "absent/split.csv")
        fails_with(done, 2, "absent/split.csv can't be written")


class TestEvaluate:
    def figures(self, done: Done) -> dict[str, Any]:
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert set(FIGURES) <= found.keys()
        for name in FIGURES:
            figure = found[name]
            assert figure is None or list(figure) == ["value", "low", "high", "n"]
        return found

    def test_prints_the_figures_as_json(self, candid: Command, trained: Run) -> None:
        found = self.figures(candid("evaluate", trained.folder, "--json"))
        written = json.loads((trained.folder / "metrics.json").read_text())
        assert list(differences(written, found)) == []
        for name in FIGURES:
            figure = found[name]
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"]
            assert isinstance(figure["n"], int)

    def test_prints_null_for_a_figure_that_does_not_apply(
        self, candid: Command, trained: Run, sample: SampleSet
    ) -> None:
        found = self.figures(candid("evaluate", trained.folder, sample.folder, "--json"))
        assert found["kfold_accuracy"] is None
        assert found["binary_accuracy"]["n"] == found["accuracy"]["n"]

    def test_another_folder_has_a_verdict_and_a_report_beside_the_run(
        self, candid: Command, work: Path, copied_run: Path, tmp_path: Path, state_of: StateOf
    ) -> None:
        other = draw_sample(tmp_path / "other", seed=9, num_images=12).folder
        before = state_of(other)
        done = candid("evaluate", copied_run, other)
        assert done.returncode == 0, done.stderr
        first, verdict, worst, following, report = done.stdout.splitlines()[:5]
        assert first.endswith(f"n = 19), on {other}")
        assert "points (" in verdict
        assert worst.startswith(("Worst class: ", "No class "))
        assert f"candid audit {other}" in following
        assert "Binary accuracy" in done.stdout
        assert "note: " in done.stderr
        assert "note: " not in done.stdout
        page = copied_run.parent / "copied-on-other-1.html"
        assert report == f"Report: {page}"
        words = Page(page.read_text(encoding="utf-8")).words
        assert "19 photos" in words
        assert "Always the largest class" in words
        for text in ("test part", "Test part", "Learning curve", "ross-validation", "metrics.json"):
            assert text not in words
        assert state_of(other) == before
        again = ("evaluate", copied_run, other, "--report")
        fails_with(candid(*again, page), 2, "exists already; choose another --report")
        fails_with(candid(*again, other / "r.html"), 2, "is inside the data folder")
        fails_with(candid("evaluate", copied_run, "--report", "x.html"), 2, "for another folder")
        assert list(work.iterdir()) == []

    def test_of_no_run_is_a_known_error(self, candid: Command, sample: SampleSet) -> None:
        fails_with(candid("evaluate", "absent"), 2, "there is no run at absent")
        fails_with(candid("evaluate", sample.folder), 2, "is not a run: it has no candid.json")

    def test_of_a_damaged_run_is_a_known_error(self, candid: Command, copied_run: Path) -> None:
        with (copied_run / "model.onnx").open("r+b") as file:
            file.seek(5000)
            file.write(b"\0\0\0\0\1\2\3\4")
        fails_with(candid("evaluate", copied_run, "--json"), 2, "not as it was written")


class TestPredict:
    def test_prints_a_row_for_every_file_that_was_given(
        self, candid: Command, trained: Run, photo: Path, broken: Path
    ) -> None:
        done = candid("predict", photo, broken, "absent.jpg", "--run", trained.folder, "--csv")
        assert done.returncode == 1
        head = "path,label,probability,reason,answer,verdict,possible,familiarity"
        assert done.stdout.splitlines()[0] == head
        good, bad, absent = rows(done)
        assert good["path"] == str(photo)
        assert good["label"] in ("happy", "sad")
        assert float(good["probability"]) > 0.5
        assert good["verdict"] in ("sure", "uncertain", "unknown")
        assert good["reason"] == ""
        assert (bad["path"], bad["label"], bad["probability"]) == (str(broken), "", "")
        assert [row["verdict"] for row in (bad, absent)] == ["unreadable", "unreadable"]
        assert bad["reason"].startswith("truncated")
        assert (absent["path"], absent["label"]) == ("absent.jpg", "")
        assert absent["reason"] == "no such file"

    def test_ends_with_0_where_all_could_be_read(
        self, candid: Command, trained: Run, photo: Path
    ) -> None:
        done = candid("predict", photo, "--run", trained.folder, "--csv")
        assert done.returncode == 0
        assert done.stderr == ""

    def test_prints_csv_by_itself_where_there_is_no_terminal(
        self, candid: Command, trained: Run, photo: Path
    ) -> None:
        plain = candid("predict", photo, "--run", trained.folder)
        assert plain.stdout == candid("predict", photo, "--run", trained.folder, "--csv").stdout

    def test_prints_json_that_parses(
        self, candid: Command, trained: Run, photo: Path, broken: Path
    ) -> None:
        done = candid("predict", photo, broken, "--run", trained.folder, "--json")
        assert done.returncode == 1
        good, bad = json.loads(done.stdout)
        assert list(good) == list(bad) == JSON_KEYS
        assert good["probability"] == good["probabilities"][good["label"]]
        assert good["positive_probability"] == good["probabilities"]["sad"]
        assert (bad["label"], bad["probability"], bad["verdict"]) == (None, None, "unreadable")

    @pytest.mark.parametrize("option", [("--threshold", "0"), ("--cost", "sad→happy=1e9")])
    def test_the_probability_is_the_labels_whatever_the_rule(
        self, candid: Command, trained: Run, faces: SampleSet, option: tuple[str, str]
    ) -> None:
        photos = sorted(faces.folder.glob("happy/face-*"))[:3]
        done = candid("predict", *photos, "--run", trained.folder, "--probabilities", *option)
        for row in rows(done):
            assert row["label"] == "sad"
            assert row["probability"] == row["p:sad"]
            assert float(row["probability"]) < 0.5
        with_json = candid("predict", *photos, "--run", trained.folder, "--json", *option)
        for item in json.loads(with_json.stdout):
            assert item["probability"] == item["positive_probability"] < 0.5

    def test_takes_a_folder_a_pattern_and_standard_input_together(
        self, candid: Command, work: Path, trained: Run, faces: SampleSet, photo: Path
    ) -> None:
        for place, source in enumerate(sorted(faces.folder.glob("happy/face-*"))[:4]):
            target = work / ("folder/deep" if place < 2 else "flat") / f"{place}{source.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        arguments = ("predict", "folder", "flat/*", "-", "--run", trained.folder, "--csv")
        done = candid(*arguments, stdin=photo.read_bytes())
        assert done.returncode == 0, done.stderr
        paths = [row["path"] for row in rows(done)]
        assert len(paths) == 5
        assert [path.split("/")[0] for path in paths] == ["folder", "folder", "flat", "flat", "-"]
        alone = rows(candid("predict", photo, "--run", trained.folder))[0]
        assert float(rows(done)[-1]["probability"]) == pytest.approx(
            float(alone["probability"]), abs=2e-6
        )

    def test_draws_what_came_by_standard_input_too(
        self, candid: Command, work: Path, trained: Run, photo: Path
    ) -> None:
        arguments = ("predict", "-", "--run", trained.folder, "--explain", "--show")
        done = candid(*arguments, stdin=photo.read_bytes())
        assert done.returncode == 0, done.stderr
        folder = Path("runs", f"{trained.folder.name}-pictures-1")
        for name in ("stdin-predicted.png", "stdin-explained.png"):
            assert f"written to {folder / name}" in done.stderr
            assert (work / folder / name).is_file()
        assert [path.name for path in work.iterdir()] == ["runs"]

    def test_uses_the_latest_run_and_the_threshold_that_is_asked_for(
        self, candid: Command, work: Path, trained: Run, photo: Path
    ) -> None:
        shutil.copytree(trained.folder, work / "runs" / "one")
        (work / "runs" / "latest").symlink_to("one")
        labels = [
            rows(candid("predict", photo, "--threshold", threshold))[0]["label"]
            for threshold in ("0", "1")
        ]
        assert labels == ["sad", "happy"]

    def test_shows_the_photo_as_a_png_where_there_is_no_screen(
        self, candid: Command, work: Path, trained: Run, photo: Path, broken: Path
    ) -> None:
        show = ("predict", photo, broken, "--run", trained.folder, "--show", "--pictures", "drawn")
        assert candid(*show).returncode == 1
        done = candid(*show)
        assert [path.name for path in work.iterdir()] == ["drawn"]
        assert [path.name for path in sorted((work / "drawn").iterdir())] == [
            f"{photo.stem}-predicted-2.png",
            f"{photo.stem}-predicted.png",
        ]
        assert f"written to drawn/{photo.stem}-predicted-2.png" in done.stderr
        assert len(rows(done)) == 2
        with Image.open(work / "drawn" / f"{photo.stem}-predicted.png") as image:
            assert image.format == "PNG"
            assert len(image.convert("RGB").getcolors(1_000_000) or ()) > 100

    def test_prints_a_name_that_is_not_utf8_as_the_bytes_that_it_is(
        self, candid: Command, work: Path, trained: Run, photo: Path
    ) -> None:
        name = os.fsdecode(b"bad\xff.jpg")
        shutil.copy(photo, work / name)
        arguments = ("predict", ".", "--run", trained.folder)
        done = candid(*arguments, PYTHONIOENCODING="utf-8:strict")
        assert rows(done)[0]["path"] == name
        found = candid(*arguments, "--json", PYTHONIOENCODING="utf-8:strict")
        assert json.loads(found.stdout)[0]["path"] == name

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--json", "--csv"), "exclude each other"),
            (("--threshold", "2"), "from 0 to 1"),
            (("--pictures", "drawn"), "--show and --explain"),
            (("nothing*.jpg",), "nothing matches the pattern"),
            (("--run", "absent"), "there is no run at absent"),
        ],
    )
    def test_says_in_a_line_what_is_wrong(
        self, candid: Command, trained: Run, photo: Path, arguments: tuple[str, ...], words: str
    ) -> None:
        rest = () if "--run" in arguments else ("--run", trained.folder)
        fails_with(candid("predict", photo, *rest, *arguments), 2, words)

    def test_on_a_terminal_names_the_run_shows_rows_and_counts_them(
        self, work: Path, trained: Run, photo: Path, broken: Path
    ) -> None:
        pty = pytest.importorskip("pty", reason="there are pseudo-terminals on Unix only")
        ours, theirs = pty.openpty()
        command = [str(COMMAND), "predict", str(photo), str(broken), "--run", str(trained.folder)]
        with subprocess.Popen(command, cwd=work, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            written = b""
            with contextlib.suppress(OSError):  # the terminal is closed at the end
                while part := os.read(ours, 100_000):
                    written += part
        os.close(ours)
        assert process.returncode == 1
        text = written.decode().replace("\r\n", "\n")
        lines = [line.rpartition("\r")[2] for line in text.split("\n")]
        assert lines[0].startswith(f"{trained.folder}: transfer, happy and sad; accuracy ")
        assert lines[1].split() == ["photo", "label", "probability", "verdict"]
        assert lines[2].startswith(f"{photo} ")
        assert lines[3].startswith(f"{broken} ")
        assert "unreadable: truncated" in lines[3]
        assert lines[4].startswith("2 files: ")
        assert "Predicting: " in text

    def test_ends_quietly_where_nobody_reads_on(self, trained: Run, photo: Path) -> None:
        command = [str(COMMAND), "predict", *[str(photo)] * 40, "--run", str(trained.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert b"Traceback" not in process.stderr.read()


class TestDemo:
    def test_takes_the_tour(self, candid: Command, work: Path) -> None:
        done = candid("demo", "faces", "--images", 60)
        assert done.returncode == 0, done.stderr
        assert "MISSED" not in done.stdout
        assert "Injected defects, and how each was handled" in done.stdout
        assert sorted(path.name for path in work.iterdir()) == ["faces", "runs"]

    def test_leaves_the_files_of_the_user_alone(self, candid: Command, work: Path) -> None:
        (work / "demo").mkdir()
        (work / "demo" / "dear.txt").write_text("dear")
        fails_with(candid("demo"), 2, "has files in it that candid did not draw")
        assert (work / "demo" / "dear.txt").read_text() == "dear"


class TestTheProgram:
    def test_tells_its_version(self, candid: Command) -> None:
        import candid as package

        assert candid("--version").stdout == f"candid {package.__version__}\n"

    def test_a_name_in_an_error_steers_no_terminal(self, candid: Command) -> None:
        fails_with(candid("verify", "no\x1b[2Jwhere\nat all"), 2, "no\\x1b[2Jwhere\\nat all")

    def test_names_its_commands_in_the_order_of_the_work(self, candid: Command) -> None:
        done = candid("--help")
        assert done.returncode == 0
        places = [
            done.stdout.index(f"\n  {name} ")
            for name in ("train", "split", "evaluate", "predict", "demo")
        ]
        assert places == sorted(places)

    @pytest.mark.parametrize(
        "arguments",
        [("fly",), ("train",), ("train", "x", "--recipe", "magic"), ("train", "x", "--seed", "a")],
        ids=" ".join,
    )
    def test_ends_with_2_where_it_is_used_wrongly(
        self, candid: Command, arguments: tuple[str, ...]
    ) -> None:
        done = candid(*arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert "Usage: " in done.stderr
        assert "Traceback" not in done.stderr


def modules_after(*arguments: object) -> set[str]:
    """Run a command in a process; return the modules that it imported."""
    code = (
        "import sys\n"
        "from candid.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('MODULES', *sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = [line for line in done.stderr.splitlines() if line.startswith("MODULES")]
    return set(line.split())


class TestStartUp:
    """Slow imports are made only by the commands that need them."""

    NEVER = frozenset(
        {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "tensorboard", "onnx", "rich"}
    )

    def test_help_imports_nothing_but_the_parser(self) -> None:
        loaded = modules_after("--help")
        assert not (self.NEVER - {"rich"} | {"numpy", "cv2", "PIL", "onnxruntime"}) & loaded
        mine = {name for name in loaded if name.startswith("candid")}
        assert {name for name in mine if not name.startswith("candid.cli.commands")} <= {
            "candid",
            "candid._version",
            "candid.cli",
            "candid.core",
            "candid.cli.arguments",
            "candid.cli.main",
            "candid.cli.console",
            "candid.errors",
            "candid.core.freed_memory",
            "candid.core.text",
        }

    @pytest.mark.parametrize("form", ["--csv", "--json"])
    def test_predict_imports_nothing_that_trains_or_draws(
        self, trained: Run, photo: Path, form: str
    ) -> None:
        loaded = modules_after("predict", photo, "--run", trained.folder, form)
        assert "onnxruntime" in loaded
        assert not self.NEVER & loaded

    def test_split_needs_no_tensorflow_either(self, folder: Path) -> None:
        loaded = modules_after("split", folder)
        assert not {"tensorflow", "sklearn", "scipy", "matplotlib", "tensorboard"} & loaded
