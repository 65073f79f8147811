"""The same picture, saved anew."""

from __future__ import annotations

from pathlib import Path

from candid.auditing.checks.copies import NEAR_COPIES as CHECK
from tests.auditing.checks.copies import Gather, draw, fill, save


def test_it_fires_and_suggests_to_keep_the_largest(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    save(draw(1), tmp_path / "a" / "x.jpg", quality=60)
    save(draw(1).resize((240, 180)), tmp_path / "a" / "y.jpg")
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary == "2 files show 1 picture, saved in different ways"
    (finding,) = outcome.findings
    assert [(item.path, item.suggestion) for item in finding.items] == [
        ("a/y.jpg", "keep"),
        ("a/x.jpg", "drop"),
    ]
    assert finding.items[0].note.startswith("240 × 180, ")
    assert "details agree by " in finding.items[1].note


def test_an_exact_copy_of_one_of_them_is_named_too(gather: Gather, tmp_path: Path) -> None:
    save(draw(1), tmp_path / "a" / "x.jpg", quality=60)
    for name in ("y", "z"):
        save(draw(1), tmp_path / "a" / f"{name}.jpg")
    (finding,) = CHECK.run(gather(tmp_path)).findings
    assert {item.path for item in finding.items} == {"a/x.jpg", "a/y.jpg", "a/z.jpg"}


def test_it_stays_quiet_about_different_pictures(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a", "b", count=8)
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_it_stays_quiet_about_exact_copies_alone(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a")
    for name in ("y", "z"):
        save(draw(1), tmp_path / "a" / f"{name}.jpg")
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_it_stays_quiet_about_a_picture_in_two_classes(gather: Gather, tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    save(draw(1), tmp_path / "a" / "x.jpg", quality=60)
    save(draw(1), tmp_path / "b" / "y.jpg")
    assert CHECK.run(gather(tmp_path)).status == "clean"


def test_it_does_not_apply_to_one_photo(gather: Gather, tmp_path: Path) -> None:
    save(draw(1), tmp_path / "a" / "x.jpg")
    assert CHECK.run(gather(tmp_path)).status == "not applicable"
