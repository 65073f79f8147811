"""What an audit says, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from candid.auditing.files import to_json
from candid.auditing.finding import Bar, Chart
from candid.auditing.result import compare
from tests.auditing.made import ended, found_in, make_audit

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "audit.schema.json").read_text())


def test_the_json_is_as_the_schema_says() -> None:
    chart = Chart("How many", (Bar("all", 0.5, 0.4, 0.6, emphasis=True), Bar("none", 0.1)), "share")
    audit = make_audit(found_in("happy/a.jpg"), ended("clean", chart=chart), ended("failed"))
    changes = compare(make_audit(ended("clean")).to_json(), audit.to_json())
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


def test_a_broken_check_is_no_pass() -> None:
    assert make_audit(ended("failed")).fails_on("error")
    assert not make_audit(ended("skipped"), ended("clean")).fails_on("warning")


def test_the_text_names_findings_and_what_was_not_run() -> None:
    paths = [f"happy/{number}.jpg" for number in range(5)]
    text = make_audit(found_in(*paths), ended("skipped", "blurred"), ended("clean")).to_text()
    assert "6 files, 5 readable photos of 4 different pictures in 2 classes" in text
    assert "warning  Blank: some" in text
    assert "happy/2.jpg is blank" in text
    assert "and 2 more" in text
    assert "clean: Dark" in text
    assert "skipped: Blurred (why)" in text


def test_nothing_found_is_said() -> None:
    assert "nothing was found" in make_audit(ended("clean")).to_text()


def test_a_hostile_name_can_not_steer_a_terminal() -> None:
    text = make_audit(found_in("a/\x1b[2J\n\u202egpj.jpg")).to_text()
    assert "a/\\x1b[2J\\n\\u202egpj.jpg is blank" in text
