"""Names in lines of text."""

from __future__ import annotations

import pytest

from candid.core.text import first_line, join_names


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d"], "a, b, c and d"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_a_few_are_named_and_the_others_counted(names: list[str], text: str) -> None:
    assert join_names(names) == text


def test_as_many_are_named_as_asked_for() -> None:
    assert join_names(["a", "b", "c", "d"], most=1) == "a and 3 more"


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("one\ntwo"), "one"), (ValueError(), "ValueError"), (KeyError("a"), "'a'")],
)
def test_an_error_is_one_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
