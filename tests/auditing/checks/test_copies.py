"""Checks of copies."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.auditing.checks.copies import ACROSS_PARTS, EXACT_COPIES, NEAR_COPIES, TWO_CLASSES
from candid.auditing.finding import Item
from tests.auditing.conftest import Gather


def draw(seed: int) -> Image.Image:
    """Smooth random colours with some detail, 120×90."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (120, 90))
    fine = cv2.resize(rng.integers(0, 60, (30, 40, 3), dtype=np.uint8), (120, 90))
    return Image.fromarray(cv2.add(coarse // 2, fine))


def save(image: Image.Image, path: Path, *, quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    path.write_bytes(stream.getvalue())
    return path


def fill(folder: Path, *labels: str, count: int = 4) -> None:
    """Different pictures in some classes."""
    for number, label in enumerate(labels):
        for index in range(count):
            save(draw(1000 * (number + 1) + index), folder / label / f"own{index}.jpg")


class TestTwoClasses:
    @pytest.mark.parametrize("quality", [90, 60])
    def test_it_fires_on_exact_and_on_near_copies(
        self, gather: Gather, tmp_path: Path, quality: int
    ) -> None:
        fill(tmp_path, "happy", "sad")
        save(draw(1), tmp_path / "happy" / "x.jpg")
        save(draw(1), tmp_path / "sad" / "y.jpg", quality=quality)
        outcome = TWO_CLASSES.run(gather(tmp_path))
        assert outcome.summary == "1 picture is in two classes or more"
        (finding,) = outcome.findings
        assert finding.items == (
            Item("happy/x.jpg", "labelled happy"),
            Item("sad/y.jpg", "labelled sad"),
        )

    def test_the_majority_label_is_suggested_for_the_others(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        for path in ("happy/x.jpg", "keep/x.jpg", "keep/y.jpg"):
            save(draw(1), tmp_path / path)
        (finding,) = TWO_CLASSES.run(gather(tmp_path)).findings
        suggestions = {item.path: item.suggestion for item in finding.items}
        assert suggestions == {"happy/x.jpg": "keep/", "keep/x.jpg": "", "keep/y.jpg": ""}

    def test_it_stays_quiet_about_copies_in_one_class(self, gather: Gather, tmp_path: Path) -> None:
        fill(tmp_path, "happy", "sad")
        for name in ("x", "y"):
            save(draw(1), tmp_path / "happy" / f"{name}.jpg")
        assert TWO_CLASSES.run(gather(tmp_path)).status == "clean"

    def test_it_does_not_apply_to_one_class_or_one_photo(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        save(draw(1), tmp_path / "one" / "a" / "x.jpg")
        assert TWO_CLASSES.run(gather(tmp_path / "one")).status == "not applicable"
        fill(tmp_path / "more", "a")
        outcome = TWO_CLASSES.run(gather(tmp_path / "more"))
        assert outcome.summary == "there is one class only"


class TestAcrossParts:
    @pytest.mark.parametrize(
        "names", [("train", "test"), ("Training", "valid"), ("trn", "holdout_set")]
    )
    @pytest.mark.parametrize("quality", [90, 60])
    def test_it_fires_by_any_of_the_usual_names(
        self, gather: Gather, tmp_path: Path, names: tuple[str, str], quality: int
    ) -> None:
        train, other = names
        fill(tmp_path / train, "a", "b")
        save(draw(1), tmp_path / train / "a" / "x.jpg")
        save(draw(2), tmp_path / other / "a" / "own.jpg")
        save(draw(1), tmp_path / other / "a" / "y.jpg", quality=quality)
        outcome = ACROSS_PARTS.run(gather(tmp_path))
        assert outcome.summary == f"1 of 2 pictures in {other} is in {train} too"
        (finding,) = outcome.findings
        assert finding.items == (
            Item(f"{other}/a/y.jpg", f"in {other}"),
            Item(f"{train}/a/x.jpg", f"in {train}", "drop"),
        )

    def test_three_parts_are_counted_by_pairs(self, gather: Gather, tmp_path: Path) -> None:
        for number, parts in enumerate((("train", "val", "test"), ("train", "test"), ("val",))):
            for part in parts:
                save(draw(number), tmp_path / part / "a" / f"{number}.jpg")
        outcome = ACROSS_PARTS.run(gather(tmp_path))
        assert outcome.summary.split("; ") == [
            "2 of 2 pictures in test are in train too",
            "1 of 2 pictures in test is in val too",
            "1 of 2 pictures in val is in train too",
        ]
        assert len(outcome.findings) == 2

    def test_it_fires_on_copies_in_two_classes_as_well(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        save(draw(1), tmp_path / "train" / "a" / "x.jpg")
        save(draw(1), tmp_path / "test" / "b" / "x.jpg")
        assert len(ACROSS_PARTS.run(gather(tmp_path)).findings) == 1

    def test_it_stays_quiet_where_parts_share_nothing(self, gather: Gather, tmp_path: Path) -> None:
        fill(tmp_path / "train", "a", "b")
        save(draw(1), tmp_path / "test" / "a" / "x.jpg")
        save(draw(1), tmp_path / "test" / "a" / "y.jpg")
        assert ACROSS_PARTS.run(gather(tmp_path)).status == "clean"

    def test_it_does_not_apply_without_parts(self, gather: Gather, tmp_path: Path) -> None:
        fill(tmp_path, "a", "train station")
        outcome = ACROSS_PARTS.run(gather(tmp_path))
        assert outcome.status == "not applicable"
        assert "has no parts of its own" in outcome.summary


class TestNearCopies:
    def test_it_fires_and_suggests_to_keep_the_largest(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        fill(tmp_path, "a", "b")
        save(draw(1), tmp_path / "a" / "x.jpg", quality=60)
        save(draw(1).resize((240, 180)), tmp_path / "a" / "y.jpg")
        outcome = NEAR_COPIES.run(gather(tmp_path))
        assert outcome.summary == "2 files show 1 picture, saved in different ways"
        (finding,) = outcome.findings
        assert [(item.path, item.suggestion) for item in finding.items] == [
            ("a/y.jpg", "keep"),
            ("a/x.jpg", "drop"),
        ]
        assert finding.items[0].note.startswith("240 × 180, ")
        assert "correlation of details " in finding.items[1].note

    def test_an_exact_copy_of_one_of_them_is_named_too(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        save(draw(1), tmp_path / "a" / "x.jpg", quality=60)
        for name in ("y", "z"):
            save(draw(1), tmp_path / "a" / f"{name}.jpg")
        (finding,) = NEAR_COPIES.run(gather(tmp_path)).findings
        assert {item.path for item in finding.items} == {"a/x.jpg", "a/y.jpg", "a/z.jpg"}

    def test_it_stays_quiet_about_different_pictures(self, gather: Gather, tmp_path: Path) -> None:
        fill(tmp_path, "a", "b", count=8)
        assert NEAR_COPIES.run(gather(tmp_path)).status == "clean"

    def test_it_stays_quiet_about_exact_copies_alone(self, gather: Gather, tmp_path: Path) -> None:
        fill(tmp_path, "a")
        for name in ("y", "z"):
            save(draw(1), tmp_path / "a" / f"{name}.jpg")
        assert NEAR_COPIES.run(gather(tmp_path)).status == "clean"

    def test_it_stays_quiet_about_a_picture_in_two_classes(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        fill(tmp_path, "a", "b")
        save(draw(1), tmp_path / "a" / "x.jpg", quality=60)
        save(draw(1), tmp_path / "b" / "y.jpg")
        assert NEAR_COPIES.run(gather(tmp_path)).status == "clean"

    def test_it_does_not_apply_to_one_photo(self, gather: Gather, tmp_path: Path) -> None:
        save(draw(1), tmp_path / "a" / "x.jpg")
        assert NEAR_COPIES.run(gather(tmp_path)).status == "not applicable"


class TestExactCopies:
    def test_it_fires_and_suggests_to_keep_one(self, gather: Gather, tmp_path: Path) -> None:
        fill(tmp_path, "a", "b")
        for name in ("z", "x", "y"):
            save(draw(1), tmp_path / "a" / f"{name}.jpg")
        outcome = EXACT_COPIES.run(gather(tmp_path))
        assert outcome.summary == "2 files are exact copies of others"
        (finding,) = outcome.findings
        assert finding.summary == "the same bytes: a/x.jpg, a/y.jpg and a/z.jpg"
        assert finding.items == (
            Item("a/x.jpg", "the same bytes", "keep"),
            Item("a/y.jpg", "the same bytes", "drop"),
            Item("a/z.jpg", "the same bytes", "drop"),
        )

    def test_it_stays_quiet_about_copies_in_two_classes(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        fill(tmp_path, "a", "b")
        save(draw(1), tmp_path / "a" / "x.jpg")
        save(draw(1), tmp_path / "b" / "x.jpg")
        assert EXACT_COPIES.run(gather(tmp_path)).status == "clean"

    def test_it_leaves_copies_to_two_classes_if_one_is_elsewhere(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        for name in ("x", "y"):
            save(draw(1), tmp_path / "a" / f"{name}.jpg")
        save(draw(1), tmp_path / "b" / "z.jpg", quality=60)
        assert EXACT_COPIES.run(gather(tmp_path)).status == "clean"

    def test_it_stays_quiet_about_copies_that_are_saved_anew(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        fill(tmp_path, "a", "b")
        save(draw(1), tmp_path / "a" / "x.jpg")
        save(draw(1), tmp_path / "a" / "y.jpg", quality=60)
        assert EXACT_COPIES.run(gather(tmp_path)).status == "clean"

    def test_the_largest_group_comes_first(self, gather: Gather, tmp_path: Path) -> None:
        for name, seed in (("p", 1), ("q", 1), ("x", 2), ("y", 2), ("z", 2)):
            save(draw(seed), tmp_path / "a" / f"{name}.jpg")
        outcome = EXACT_COPIES.run(gather(tmp_path))
        assert outcome.summary == "3 files are exact copies of others"
        assert [len(finding.items) for finding in outcome.findings] == [3, 2]

    def test_it_does_not_apply_to_one_photo(self, gather: Gather, tmp_path: Path) -> None:
        save(draw(1), tmp_path / "a" / "x.jpg")
        assert EXACT_COPIES.run(gather(tmp_path)).status == "not applicable"
