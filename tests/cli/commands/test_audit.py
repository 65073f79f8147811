"""`candid audit` on the command line."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from candid.cli.demo import SampleSet

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


def test_it_says_what_is_wrong_and_where_it_wrote(
    candid: Candid, faces: SampleSet, work: Path
) -> None:
    done = candid("audit", faces.folder, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "error    Same picture in two classes" in done.stdout
    folder = work / "runs" / f"{faces.folder.name}-audit-1"
    assert f"open runs/{folder.name}/audit.html" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == [
        "audit.html",
        "audit.json",
        "decisions.csv",
    ]
    assert "Traceback" not in done.stderr


def test_the_json_is_all_there_is_on_stdout(candid: Candid, faces: SampleSet, work: Path) -> None:
    done = candid("audit", faces.folder, *SMALL, "--json", "--run", "out")
    values = json.loads(done.stdout)
    jsonschema.validate(values, SCHEMA)
    assert json.loads((work / "out" / "audit.json").read_text()) == values


@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("warning", 1), (None, 0)])
def test_findings_fail_a_build_only_if_asked(
    candid: Candid, faces: SampleSet, fail_on: str | None, code: int
) -> None:
    options = [] if fail_on is None else ["--fail-on", fail_on]
    assert candid("audit", faces.folder, *SMALL, *options).returncode == code


def test_a_clean_folder_fails_no_build(candid: Candid, clean_folder: Path) -> None:
    done = candid("audit", clean_folder, *SMALL, "--fail-on", "error", "--skip", "small-class")
    assert done.returncode == 0, done.stdout


def test_decisions_go_into_training_and_into_the_next_audit(
    candid: Candid, faces: SampleSet, work: Path
) -> None:
    candid("audit", faces.folder, *SMALL, "--run", "first")
    file = work / "first" / "decisions.csv"
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = list(csv.DictReader(opened))
    assert rows
    assert {row["decision"] for row in rows} == {""}
    for row in rows:
        row["decision"] = "drop" if row["suggestion"] == "drop" else "keep"
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    trained = candid("train", faces.folder, *SMALL, "--decisions", file, "--run", "model")
    assert trained.returncode == 0, trained.stderr
    assert "decisions.csv: " in trained.stderr
    assert "photos dropped" in trained.stderr
    done = candid(
        *("audit", faces.folder, *SMALL, "--decisions", file, "--run", "second", "--compare")
    )
    assert done.returncode == 0, done.stderr
    assert "since " in done.stdout
    assert "gone" in done.stdout


def test_compare_without_an_earlier_audit_says_so(candid: Candid, clean_folder: Path) -> None:
    done = candid("audit", clean_folder, *SMALL, "--compare", "--json")
    assert "there is no earlier audit of" in done.stderr
    assert json.loads(done.stdout)["changes"] is None


def test_compare_finds_nothing_new_in_the_same_folder(candid: Candid, clean_folder: Path) -> None:
    candid("audit", clean_folder, *SMALL)
    done = candid("audit", clean_folder, *SMALL, "--compare")
    assert "nothing changed" in done.stdout


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


def test_auditing_then_training_embeds_once(
    candid: Candid, clean_folder: Path, tmp_path: Path
) -> None:
    cache = {"CANDID_CACHE": str(tmp_path / "own-cache")}
    first = candid("audit", clean_folder, *SMALL, **cache)
    assert "Reading the photos: 24" in first.stderr
    second = candid("train", clean_folder, *SMALL, **cache)
    assert second.returncode == 0, second.stderr
    assert "Reading the photos" not in second.stderr
