"""What a person keeps is not reported again."""

from __future__ import annotations

import pytest

from candid.auditing.audit import without_kept
from candid.auditing.finding import Finding, Item, Outcome
from tests.auditing.made import make_check

CONTENTS = {"a/1": "x", "a/2": "x", "a/3": "y"}
COPIES = Finding("copies", (Item("a/1"), Item("a/2")))
OTHER = Finding("other", (Item("a/3"),))
OUTCOME = Outcome.found("2 things", [COPIES, OTHER])


def keep(*paths: str, code: str = "blank", severity: str = "warning") -> Outcome:
    kept = {(path, CONTENTS[path], code) for path in paths}
    return without_kept(make_check(severity=severity), OUTCOME, CONTENTS, kept)


def test_a_finding_goes_when_all_of_its_files_are_kept() -> None:
    outcome = keep("a/1", "a/2")
    assert outcome.findings == (OTHER,)
    assert outcome.summary == "2 things; 1 of 2 findings kept by decision"


@pytest.mark.parametrize("paths", [(), ("a/1",), ("a/2",)])
def test_it_stays_while_one_is_undecided_though_the_bytes_are_the_same(
    paths: tuple[str, ...],
) -> None:
    assert keep(*paths) == OUTCOME


def test_nothing_left_is_clean_and_says_why() -> None:
    outcome = keep("a/1", "a/2", "a/3")
    assert (outcome.status, outcome.findings) == ("clean", ())
    assert outcome.summary == "2 findings kept by decision"


def test_decisions_about_another_check_keep_nothing() -> None:
    assert keep("a/1", "a/2", "a/3", code="dark") == OUTCOME


def test_an_error_is_reported_for_as_long_as_it_is_there() -> None:
    assert keep("a/1", "a/2", "a/3", severity="error") == OUTCOME


def test_a_finding_about_no_file_can_not_be_kept() -> None:
    outcome = Outcome.found("all", [Finding("most are dark")])
    assert without_kept(make_check(), outcome, {}, {("", "", "blank")}) == outcome
