"""The files of an audit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from candid.auditing.files import write_audit
from candid.auditing.finding import Finding, Outcome
from candid.auditing.result import Audit, Checked
from candid.data.catalog import Catalog, Photo
from candid.data.decisions import Decision, apply_decisions, read_decisions
from candid.data.source import DataSource
from candid.errors import UsageError
from tests.auditing.made import ended, found_in, make_audit, make_check


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return make_audit(found_in("happy/a.jpg", "sad/b.jpg"), ended("clean"), data=tmp_path / "data")


def test_a_page_json_and_decisions_are_written(audit: Audit, tmp_path: Path) -> None:
    folder = write_audit(audit, tmp_path / "runs" / "a")
    assert sorted(path.name for path in folder.iterdir()) == [
        "audit.html",
        "audit.json",
        "decisions.csv",
    ]
    values = json.loads((folder / "audit.json").read_text())
    assert [check["status"] for check in values["checks"]] == ["found", "clean"]
    assert values["changes"] is None
    assert "a.jpg" in (folder / "audit.html").read_text()


def test_the_decision_column_is_empty(audit: Audit, tmp_path: Path) -> None:
    rows = read_decisions(write_audit(audit, tmp_path / "a") / "decisions.csv")
    assert rows == (
        Decision("happy/a.jpg", "content of happy/a.jpg", "blank", "drop", ""),
        Decision("sad/b.jpg", "content of sad/b.jpg", "blank", "drop", ""),
    )


def test_a_byte_order_mark_tells_excel_the_encoding(audit: Audit, tmp_path: Path) -> None:
    file = write_audit(audit, tmp_path / "a") / "decisions.csv"
    assert file.read_bytes().startswith(b"\xef\xbb\xbfpath,content,finding")


def test_decisions_taken_earlier_are_kept(audit: Audit, tmp_path: Path) -> None:
    taken = Decision("happy/a.jpg", "content of happy/a.jpg", "blank", "drop", "keep")
    audit = dataclasses.replace(audit, decided=(taken,))
    rows = read_decisions(write_audit(audit, tmp_path / "a") / "decisions.csv")
    assert [(row.path, row.decision) for row in rows] == [
        ("happy/a.jpg", "keep"),
        ("sad/b.jpg", ""),
    ]


def test_findings_without_a_decision_to_take_are_not_listed() -> None:
    row = found_in("happy/a.jpg")
    info = Checked(make_check(to_decide=False), row.outcome)
    assert list(make_audit(info).decisions()) == []
    assert list(dataclasses.replace(make_audit(row), contents={}).decisions()) == []


def test_a_file_in_two_findings_of_a_check_is_listed_once() -> None:
    row = found_in("happy/a.jpg")
    twice = dataclasses.replace(row.outcome, findings=row.outcome.findings * 2)
    assert len(list(make_audit(Checked(row.check, twice)).decisions())) == 1


def test_an_earlier_audit_is_never_overwritten(audit: Audit, tmp_path: Path) -> None:
    folder = write_audit(audit, tmp_path / "a")
    (folder / "decisions.csv").write_text("precious")
    with pytest.raises(UsageError, match="decisions may be in it"):
        write_audit(audit, folder)
    assert (folder / "decisions.csv").read_text() == "precious"


def test_it_is_not_written_among_the_photos(audit: Audit) -> None:
    data = Path(str(audit.data))
    for folder in (data, data / "audit", data / "happy" / "audit"):
        with pytest.raises(UsageError, match="taken for a class"):
            write_audit(audit, folder)
    assert write_audit(audit, data / ".audit").is_dir()


def test_hostile_names_survive(tmp_path: Path) -> None:
    path = "sad/\udcff<b>&\n.jpg"
    row = found_in(path)
    folder = write_audit(make_audit(row, data=tmp_path / "data"), tmp_path / "a")
    (decision,) = read_decisions(folder / "decisions.csv")
    assert decision.path == path
    values = json.loads((folder / "audit.json").read_text())
    (file,) = values["checks"][0]["findings"][0]["files"]
    assert file["path"] == path


def test_a_trait_of_all_photos_has_a_row_and_its_answer_is_read_back(tmp_path: Path) -> None:
    finding = Finding("file size alone: 0.9", about="*: file size")
    row = Checked(make_check("shortcuts"), Outcome("found", "some", (finding,)))
    write_audit(make_audit(row), tmp_path / "audit")
    file = tmp_path / "audit" / "decisions.csv"
    text = file.read_text(encoding="utf-8-sig")
    assert "*: file size,,shortcuts,,\n" in text
    file.write_text(text.replace("shortcuts,,", "shortcuts,,keep"), encoding="utf-8")
    catalog = Catalog(DataSource("/photos"), ("a",), (Photo("a/1.jpg", "a", "c"),), ())
    applied = apply_decisions(catalog, read_decisions(file))
    assert applied.kept == {("*: file size", "", "shortcuts")}
    assert applied.notes == ()
    file.write_text(text.replace("shortcuts,,", "shortcuts,,drop"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"about all photos\. Expected keep"):
        apply_decisions(catalog, read_decisions(file))
