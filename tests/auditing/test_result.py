"""An audit as text and JSON, and what changed between two audits."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import jsonschema
import pytest

from candid.auditing.files import to_json
from candid.auditing.finding import Bar, Chart, Finding, Item
from candid.auditing.result import (
    Audit,
    Checked,
    changes_to_text,
    find_changes,
    find_previous,
    read_audit,
)
from candid.data.source import DataSource
from candid.errors import ArtifactError, UsageError
from tests.auditing.made import ended, found_in, make_audit

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "audit.schema.json").read_text())


def test_the_json_is_as_the_schema_says() -> None:
    chart = Chart("How many", (Bar("all", 0.5, 0.4, 0.6, emphasis=True), Bar("none", 0.1)), "share")
    audit = make_audit(found_in("happy/a.jpg"), ended("clean", chart=chart), ended("failed"))
    changes = find_changes(make_audit(ended("clean")).to_json(), audit.to_json())
    for values in (to_json(audit, None), to_json(audit, changes)):
        jsonschema.validate(json.loads(json.dumps(values)), SCHEMA)


def test_the_schema_is_strict_about_what_it_does_not_know() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    values = to_json(make_audit(found_in("happy/a.jpg")), None)
    values["checks"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, SCHEMA)
    values = to_json(make_audit(ended("passed")), None)
    with pytest.raises(jsonschema.ValidationError, match="passed"):
        jsonschema.validate(values, SCHEMA)


@pytest.mark.parametrize(
    ("severity", "on_error", "on_warning"),
    [("error", True, True), ("warning", False, True), ("info", False, False)],
)
def test_it_fails_on_what_is_as_bad_or_worse(
    severity: str, on_error: bool, on_warning: bool
) -> None:
    audit = make_audit(found_in("happy/a.jpg", severity=severity))
    assert audit.fails_on("error") is on_error
    assert audit.fails_on("warning") is on_warning


def test_a_failed_check_is_no_pass() -> None:
    assert make_audit(ended("failed")).fails_on("error")
    assert not make_audit(ended("skipped"), ended("clean")).fails_on("warning")


def test_the_text_names_findings_and_what_was_not_run() -> None:
    paths = [f"happy/{number}.jpg" for number in range(5)]
    text = make_audit(found_in(*paths), ended("skipped", "blurred"), ended("clean")).to_text()
    assert text.startswith("0 errors, 1 warning\n")
    assert "6 files, 5 readable photos of 4 different pictures in 2 classes" in text
    assert "warning  Blank: some" in text
    assert "happy/2.jpg is blank" in text
    assert "… and 2 more (audit.html)" in text
    assert "clean: Dark" in text
    assert "skipped: Blurred (why)" in text


def test_the_text_says_that_nothing_was_found() -> None:
    assert "nothing was found" in make_audit(ended("clean")).to_text()


def test_a_hostile_name_can_not_steer_a_terminal() -> None:
    text = make_audit(found_in("a/\x1b[2J\n\u202egpj.jpg")).to_text()
    assert "a/\\x1b[2J\\n\\u202egpj.jpg is blank" in text


DAMAGED = [
    *("", "[]", "null", "{}", '{"format_version": 2}', '{"format_version": 1, "data": ""}'),
    '{"format_version": 1, "data": "", "checks": [1]}',
    "[" * 100_000,
]


def write(audit: Audit, folder: Path, *, at: int = 0) -> Path:
    folder.mkdir(parents=True)
    (folder / "audit.json").write_text(json.dumps(to_json(audit, None)))
    os.utime(folder / "audit.json", (at, at))
    return folder


def test_the_same_audit_has_no_changes() -> None:
    values = make_audit(found_in("a/1.jpg"), ended("clean")).to_json()
    assert find_changes(values, values) == ()
    assert "nothing changed" in changes_to_text((), Path("runs/x"))


def test_findings_appear_and_go() -> None:
    before = make_audit(found_in("a/1.jpg", "a/2.jpg")).to_json()
    now = make_audit(found_in("a/2.jpg", "a/3.jpg")).to_json()
    (change,) = find_changes(before, now)
    assert change.appeared == ("a/3.jpg is blank",)
    assert change.gone == ("a/1.jpg is blank",)
    text = changes_to_text([change], Path("runs/x"))
    assert "new   a/3.jpg is blank" in text
    assert "gone  a/1.jpg is blank" in text


def test_a_renamed_file_is_no_change() -> None:
    before, now = make_audit(found_in("a/1.jpg")), make_audit(found_in("a/2.jpg"))
    now = dataclasses.replace(now, contents={"a/2.jpg": before.contents["a/1.jpg"]})
    assert find_changes(before.to_json(), now.to_json()) == ()


def test_a_hidden_folder_is_a_place_for_audits_too(tmp_path: Path) -> None:
    wanted = write(make_audit(), tmp_path / ".audit-1")
    assert find_previous(tmp_path, DataSource("/data")) == wanted


def test_fewer_copies_in_a_finding_are_a_change() -> None:
    def copies(*paths: str) -> Audit:
        items = tuple(Item(path) for path in paths)
        row = found_in(paths[0])
        outcome = dataclasses.replace(row.outcome, findings=(Finding("copies", items),))
        audit = make_audit(Checked(row.check, outcome))
        return dataclasses.replace(audit, contents=dict.fromkeys(paths, "same"))

    (change,) = find_changes(copies("a/1", "a/2", "a/3").to_json(), copies("a/1", "a/2").to_json())
    assert (change.appeared, change.gone) == (("copies",), ("copies",))


def test_many_changes_are_counted() -> None:
    before = make_audit(found_in("a/0.jpg"))
    now = make_audit(found_in("a/0.jpg", *(f"a/{number}.jpg" for number in range(1, 31))))
    text = changes_to_text(find_changes(before.to_json(), now.to_json()), Path("x"))
    assert "and 20 more" in text
    assert len(text.splitlines()) == 13


def test_a_check_that_did_not_run_is_a_change() -> None:
    before, now = make_audit(ended("clean")).to_json(), make_audit(ended("skipped")).to_json()
    (change,) = find_changes(before, now)
    assert (change.before, change.now) == ("clean", "skipped")
    assert "(clean, now skipped)" in changes_to_text([change], Path("x"))


def test_audits_of_two_folders_are_not_compared() -> None:
    one, other = make_audit(), make_audit(data="/other")
    with pytest.raises(UsageError, match="/other"):
        find_changes(one.to_json(), other.to_json())


def test_the_last_audit_of_the_same_folder_is_found(tmp_path: Path) -> None:
    write(make_audit(), tmp_path / "late", at=200)
    wanted = write(make_audit(), tmp_path / "later", at=300)
    write(make_audit(data="/other"), tmp_path / "other", at=400)
    write(make_audit(), tmp_path / ".hidden.partial-1", at=500)
    write(make_audit(), tmp_path / ".hidden.old-1" / "run", at=600)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "audit.json").write_text("{")
    assert find_previous(tmp_path, DataSource("/data")) == wanted
    assert find_previous(tmp_path, DataSource("/nowhere")) is None
    assert find_previous(tmp_path / "absent", DataSource("/data")) is None


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_audit_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"audit\.json can't be read") as error:
        read_audit(tmp_path)
    assert "\n" not in str(error.value)
