"""The same picture in two of a folder's own parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from candid.auditing.checks.copies import ACROSS_PARTS as CHECK
from candid.auditing.finding import Item
from tests.auditing.checks.copies import Gather, draw, fill, save


@pytest.mark.parametrize(
    "names", [("train", "test"), ("Training", "valid"), ("trn", "holdout_set")]
)
@pytest.mark.parametrize("quality", [90, 60])
def test_it_fires_by_any_of_the_usual_names(
    gather: Gather, tmp_path: Path, names: tuple[str, str], quality: int
) -> None:
    train, other = names
    fill(tmp_path / train, "a", "b")
    save(draw(1), tmp_path / train / "a" / "x.jpg")
    save(draw(2), tmp_path / other / "a" / "own.jpg")
    save(draw(1), tmp_path / other / "a" / "y.jpg", quality=quality)
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary == f"1 of 2 pictures in {other} is in {train} too"
    (finding,) = outcome.findings
    assert finding.items == (
        Item(f"{other}/a/y.jpg", f"in {other}"),
        Item(f"{train}/a/x.jpg", f"in {train}", "drop"),
    )


def test_three_parts_are_counted_by_pairs(gather: Gather, tmp_path: Path) -> None:
    for number, parts in enumerate((("train", "val", "test"), ("train", "test"), ("val",))):
        for part in parts:
            save(draw(number), tmp_path / part / "a" / f"{number}.jpg")
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary.split("; ") == [
        "2 of 2 pictures in test are in train too",
        "1 of 2 pictures in test is in val too",
        "1 of 2 pictures in val is in train too",
    ]
    assert len(outcome.findings) == 2


def test_it_fires_on_copies_in_two_classes_as_well(gather: Gather, tmp_path: Path) -> None:
    save(draw(1), tmp_path / "train" / "a" / "x.jpg")
    save(draw(1), tmp_path / "test" / "b" / "x.jpg")
    assert len(CHECK.run(gather(tmp_path)).findings) == 1


def test_it_stays_quiet_where_parts_share_nothing(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path / "train", "a", "b")
    save(draw(1), tmp_path / "test" / "a" / "x.jpg")
    save(draw(1), tmp_path / "test" / "a" / "y.jpg")
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_it_does_not_apply_without_parts(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a", "train station")
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.status == "not applicable"
    assert "has no parts of its own" in outcome.summary
