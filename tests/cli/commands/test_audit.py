"""`candid audit` on the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from candid.cli.demo import SampleSet
from candid.data.decisions import read_decisions, to_csv

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "audit.schema.json").read_text())
Candid = Callable[..., subprocess.CompletedProcess[str]]
#: The smaller backbone, for speed; the tests don't depend on it.
BACKBONE = "efficientnet-lite0"
SMALL = ("--backbone", BACKBONE)


@pytest.fixture
def clean_folder(tmp_path: Path, write_picture: Callable[..., Path]) -> Path:
    """Two classes of different pictures, large enough for a test image each."""
    for number in range(24):
        write_picture(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", seed=number)
    return tmp_path / "data"


def test_the_json_is_all_there_is_on_stdout_and_findings_fail_a_build_if_asked(
    candid: Candid, faces: SampleSet, work: Path
) -> None:
    done = candid("audit", faces.folder, *SMALL, "--json", "--run", "out", "--fail-on", "error")
    assert done.returncode == 1
    values = json.loads(done.stdout)
    jsonschema.validate(values, SCHEMA)
    assert json.loads((work / "out" / "audit.json").read_text()) == values


def test_it_says_what_is_wrong_and_decisions_go_into_training_and_into_the_next_audit(
    candid: Candid, faces: SampleSet, work: Path
) -> None:
    done = candid("audit", faces.folder, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "error    Same picture in two classes" in done.stdout
    assert "Traceback" not in done.stderr
    folder = work / "runs" / f"{faces.folder.name}-audit-1"
    assert f"open runs/{folder.name}/audit.html" in done.stdout
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["audit.html", "audit.json", "decisions.csv"]
    file = decide_all(folder / "decisions.csv")
    trained = candid("train", faces.folder, *SMALL, "--decisions", file, "--run", "model")
    assert trained.returncode == 0, trained.stderr
    assert "decisions.csv: " in trained.stderr
    assert "photos dropped" in trained.stderr
    done = candid("audit", faces.folder, *SMALL, "--decisions", file, "--compare")
    assert done.returncode == 0, done.stderr
    assert "since " in done.stdout
    assert "gone" in done.stdout


def decide_all(file: Path) -> Path:
    """Fill in a file of decisions: drop what is suggested, and keep the rest."""
    rows = read_decisions(file)
    assert rows
    assert {row.decision for row in rows} == {""}
    decided = [
        replace(row, decision="drop" if row.suggestion == "drop" else "keep") for row in rows
    ]
    file.write_text(to_csv(decided), encoding="utf-8")
    return file


def test_a_clean_folder_fails_no_build_does_not_change_and_is_embedded_once(
    candid: Candid, clean_folder: Path, tmp_path: Path
) -> None:
    options = (*SMALL, "--skip", "small-class", "--compare")
    cache = {"CANDID_CACHE": str(tmp_path / "own-cache")}
    first = candid("audit", clean_folder, *options, "--json", "--fail-on", "error", **cache)
    assert first.returncode == 0, first.stdout
    assert "there is no earlier audit of" in first.stderr
    assert "Reading the photos: 24" in first.stderr
    assert json.loads(first.stdout)["changes"] is None
    second = candid("audit", clean_folder, *options, **cache)
    assert "nothing changed" in second.stdout
    trained = candid("train", clean_folder, *SMALL, **cache)
    assert trained.returncode == 0, trained.stderr
    assert "Reading the photos" not in trained.stderr


def test_a_taken_folder_is_refused_before_any_work(
    candid: Candid, clean_folder: Path, work: Path
) -> None:
    (work / "out").mkdir()
    (work / "out" / "decisions.csv").write_text("mine")
    done = candid("audit", clean_folder, "--run", "out")
    assert done.returncode == 2
    assert done.stderr == (
        "candid: out exists already, and decisions may be in it. Choose another --run.\n"
    )


def test_the_data_folder_is_refused(candid: Candid, clean_folder: Path) -> None:
    done = candid("audit", clean_folder, "--run", clean_folder / "audit")
    assert done.returncode == 2
    assert "taken for a class" in done.stderr


def test_an_unknown_check_is_one_line(candid: Candid, clean_folder: Path) -> None:
    done = candid("audit", clean_folder, "--skip", "nonsense")
    assert done.returncode == 2
    assert done.stderr.startswith("candid: there is no check nonsense; expected some of")
    assert len(done.stderr.splitlines()) == 1
