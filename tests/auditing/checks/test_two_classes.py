"""The same picture in more than one class."""

from __future__ import annotations

from pathlib import Path

import pytest

from candid.auditing.checks.copies import TWO_CLASSES as CHECK
from candid.auditing.finding import Item
from tests.auditing.checks.copies import Gather, draw, fill, save


@pytest.mark.parametrize("quality", [90, 60])
def test_it_fires_on_exact_and_on_near_copies(gather: Gather, tmp_path: Path, quality: int) -> None:
    fill(tmp_path, "happy", "sad")
    save(draw(1), tmp_path / "happy" / "x.jpg")
    save(draw(1), tmp_path / "sad" / "y.jpg", quality=quality)
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary == "1 picture is in two classes or more"
    (finding,) = outcome.findings
    assert finding.items == (
        Item("happy/x.jpg", "labelled happy"),
        Item("sad/y.jpg", "labelled sad"),
    )


def test_what_most_copies_say_is_suggested_to_the_others(gather: Gather, tmp_path: Path) -> None:
    for path in ("happy/x.jpg", "keep/x.jpg", "keep/y.jpg"):
        save(draw(1), tmp_path / path)
    (finding,) = CHECK.run(gather(tmp_path)).findings
    suggestions = {item.path: item.suggestion for item in finding.items}
    assert suggestions == {"happy/x.jpg": "keep/", "keep/x.jpg": "", "keep/y.jpg": ""}


def test_it_stays_quiet_about_copies_in_one_class(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "happy", "sad")
    for name in ("x", "y"):
        save(draw(1), tmp_path / "happy" / f"{name}.jpg")
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_it_does_not_apply_to_one_class_or_one_photo(gather: Gather, tmp_path: Path) -> None:
    save(draw(1), tmp_path / "one" / "a" / "x.jpg")
    assert CHECK.run(gather(tmp_path / "one")).status == "not applicable"
    fill(tmp_path / "more", "a")
    outcome = CHECK.run(gather(tmp_path / "more"))
    assert outcome.summary == "there is one class only"
