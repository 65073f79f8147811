"""Class names in one cell, and names that are easily misread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.runs.class_names import VERDICTS, join_classes, misread, note_misread, split_classes


def test_usual_names_are_joined_as_they_are() -> None:
    assert join_classes(()) == ""
    assert join_classes(("happy", "sad")) == "happy|sad"


def test_a_name_with_the_separator_is_not_two_names() -> None:
    assert join_classes(("a|b",)) != join_classes(("a", "b"))
    assert join_classes(("a\\", "b")) != join_classes(("a|b",))


@given(st.lists(st.text("a|\\\n,ä", min_size=1), max_size=4))
def test_any_names_can_be_split_again(names: list[str]) -> None:
    assert split_classes(join_classes(names)) == names


@pytest.mark.parametrize(
    "name", [*VERDICTS, "Unknown", " sure", "a|b", "a\\b", "=A1", "+x", "-x", "@x", "\tx", "+1"]
)
def test_a_name_that_is_easily_misread_is_noted(name: str) -> None:
    assert [found for found, _ in misread(["happy", name])] == [name]
    [note] = note_misread(["happy", name])
    assert "\n" not in note
    assert "easily misread" in note


def test_other_names_are_not_noted() -> None:
    names = ["happy", "p:sad", "-5", "-0.5", "unsure", "unknown_species", "a-b", "x=1", "ä@b"]
    assert note_misread(names) == ()


def test_two_reasons_are_one_finding() -> None:
    [(name, reason)] = misread(["=a|b"])
    assert name == "=a|b"
    assert reason == "has a character that CSV escapes (| or \\) and is a formula to a spreadsheet"
