"""Files with the same bytes."""

from __future__ import annotations

from pathlib import Path

from candid.auditing.checks.copies import EXACT_COPIES as CHECK
from candid.auditing.finding import Item
from tests.auditing.checks.copies import Gather, draw, fill, save


def test_it_fires_and_suggests_to_keep_one(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    for name in ("z", "x", "y"):
        save(draw(1), tmp_path / "a" / f"{name}.jpg")
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary == "2 files are exact copies of others"
    (finding,) = outcome.findings
    assert finding.summary == "the same bytes: a/x.jpg, a/y.jpg and a/z.jpg"
    assert finding.items == (
        Item("a/x.jpg", "the same bytes", "keep"),
        Item("a/y.jpg", "the same bytes", "drop"),
        Item("a/z.jpg", "the same bytes", "drop"),
    )


def test_it_stays_quiet_about_copies_in_two_classes(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    save(draw(1), tmp_path / "a" / "x.jpg")
    save(draw(1), tmp_path / "b" / "x.jpg")
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_it_leaves_copies_to_two_classes_if_one_is_elsewhere(
    gather: Gather, tmp_path: Path
) -> None:
    for name in ("x", "y"):
        save(draw(1), tmp_path / "a" / f"{name}.jpg")
    save(draw(1), tmp_path / "b" / "z.jpg", quality=60)
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_it_stays_quiet_about_copies_that_are_saved_anew(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    save(draw(1), tmp_path / "a" / "x.jpg")
    save(draw(1), tmp_path / "a" / "y.jpg", quality=60)
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_the_largest_group_comes_first(gather: Gather, tmp_path: Path) -> None:
    for name, seed in (("p", 1), ("q", 1), ("x", 2), ("y", 2), ("z", 2)):
        save(draw(seed), tmp_path / "a" / f"{name}.jpg")
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary == "3 files are exact copies of others"
    assert [len(finding.items) for finding in outcome.findings] == [3, 2]


def test_it_does_not_apply_to_one_photo(gather: Gather, tmp_path: Path) -> None:
    save(draw(1), tmp_path / "a" / "x.jpg")
    assert CHECK.run(gather(tmp_path)).status == "not applicable"
