"""Checks of the classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from candid.auditing.checks.classes import (
    EMPTY_CLASS,
    FOLDER_SHAPE,
    IMBALANCE,
    MAX_BARS,
    SMALL_CLASS,
    pictures_by_class,
    recall_interval,
    size_chart,
)
from candid.evaluation.estimate import wilson
from tests.auditing.conftest import Gather
from tests.auditing.made import make_evidence

Fill = Callable[..., Path]


@pytest.fixture
def fill_data(tmp_path: Path, write_picture: Callable[..., Path]) -> Fill:
    """Write different pictures of the given names to a folder called data."""

    def fill_data(*names: str) -> Path:
        for number, name in enumerate(names):
            write_picture(tmp_path / "data" / name, seed=number)
        return tmp_path / "data"

    return fill_data


def message_of(gather: Gather, folder: Path) -> str:
    outcome = FOLDER_SHAPE.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "the sub-folders don't look like two or more classes"
    (finding,) = outcome.findings
    assert finding.items == ()
    return finding.summary


WritePicture = Callable[..., Path]


class TestSizes:
    def test_copies_count_once(self) -> None:
        assert pictures_by_class(make_evidence("aaab", pictures=[0, 0, 1, 2])) == {"a": 2, "b": 1}

    def test_a_picture_in_two_classes_counts_in_both(self) -> None:
        assert pictures_by_class(make_evidence("ab", pictures=[0, 0])) == {"a": 1, "b": 1}

    def test_empty_classes_are_there(self) -> None:
        evidence = make_evidence("ab")
        scanned = dataclasses.replace(evidence.scanned, classes=("a", "b", "c"))
        assert pictures_by_class(dataclasses.replace(evidence, scanned=scanned))["c"] == 0

    def test_the_chart_has_the_largest_class_first_and_emphasises_the_smallest(self) -> None:
        chart = size_chart({"a": 2, "b": 9, "c": 5})
        assert [bar.label for bar in chart.bars] == ["b", "c", "a"]
        assert [bar.value for bar in chart.bars] == [9, 5, 2]
        assert [bar.emphasis for bar in chart.bars] == [False, False, True]
        assert chart.unit == "count"

    def test_classes_of_one_size_have_no_smallest(self) -> None:
        assert not any(bar.emphasis for bar in size_chart({"a": 2, "b": 2}).bars)

    def test_of_very_many_classes_the_chart_shows_both_ends(self) -> None:
        chart = size_chart({f"{i:04}": i for i in range(1000)})
        assert len(chart.bars) == MAX_BARS
        assert (chart.bars[0].value, chart.bars[-1].value) == (999, 0)
        assert "20 largest" in chart.title


class TestFolderShape:
    def test_it_finds_one_class_only(self, gather: Gather, fill_data: Fill) -> None:
        folder = fill_data("cat/a.png", "cat/b.png")
        assert (
            message_of(gather, folder)
            == "there is one class only, cat; classification needs at least two"
        )

    def test_it_suggests_the_folder_if_a_level_was_missed(
        self, gather: Gather, fill_data: Fill
    ) -> None:
        folder = fill_data("archive/happy/a.png", "archive/sad/a.png", "archive/sad/deep/b.png")
        assert message_of(gather, folder) == (
            "there is one class only, archive; its sub-folders are happy and sad. "
            "Did you mean data/archive?"
        )

    def test_it_suggests_the_folder_if_several_levels_were_missed(
        self, gather: Gather, fill_data: Fill
    ) -> None:
        folder = fill_data("archive/all/happy/a.png", "archive/all/sad/a.png")
        assert message_of(gather, folder) == (
            "there is one class only, archive; data/archive/all holds happy and sad. "
            "Did you mean data/archive/all?"
        )

    def test_it_searches_below_a_part_of_the_folder(self, gather: Gather, fill_data: Fill) -> None:
        folder = fill_data("train/archive/happy/a.png", "train/archive/sad/a.png")
        assert message_of(gather, folder).endswith(
            "happy and sad. Did you mean data/train/archive?"
        )

    @pytest.mark.parametrize(
        "names",
        [
            ("cat/happy/a.png", "cat/sad/a.png", "cat/b.png"),
            ("cat/2024/a.png", "cat/2024/b.png"),
            ("train/cat/a.png", "test/cat/a.png"),
        ],
        ids=["a photo beside the sub-folders", "one sub-folder", "one class in two parts"],
    )
    def test_it_guesses_no_classes_where_the_photos_are_not_all_in_sub_folders(
        self, gather: Gather, fill_data: Fill, names: tuple[str, ...]
    ) -> None:
        assert message_of(gather, fill_data(*names)).endswith(
            "only, cat; classification needs at least two"
        )

    def test_empty_sub_folders_are_no_classes_to_point_at(
        self, gather: Gather, fill_data: Fill
    ) -> None:
        folder = fill_data("cat/a.png")
        (folder / "cat" / "happy").mkdir()
        (folder / "cat" / "sad").mkdir()
        assert message_of(gather, folder).endswith("classification needs at least two")

    def test_it_finds_parts_that_are_taken_for_classes(
        self, gather: Gather, fill_data: Fill
    ) -> None:
        folder = fill_data("train/cat/a.png", "train/dog/a.png", "test/fox/a.png", "extra/a.png")
        assert message_of(gather, folder) == "test and train are taken for classes, beside extra"

    def test_a_single_part_is_recognised_by_its_sub_folders(
        self, gather: Gather, fill_data: Fill
    ) -> None:
        folder = fill_data("train/cat/a.png", "train/dog/a.png", "extra/a.png")
        assert message_of(gather, folder) == "train is taken for a class, beside extra"

    def test_a_class_may_be_called_train(self, gather: Gather, fill_data: Fill) -> None:
        folder = fill_data("bus/a.png", "car/a.png", "train/a.png", "train/steam/b.png")
        assert FOLDER_SHAPE.run(gather(folder)).status == "clean"

    @pytest.mark.parametrize("parts", [("",), ("train/", "test/"), ("train/train/", "test/test/")])
    def test_it_stays_quiet_where_there_are_classes(
        self, gather: Gather, fill_data: Fill, parts: tuple[str, ...]
    ) -> None:
        folder = fill_data(*(f"{part}{name}/a.png" for part in parts for name in ("cat", "dog")))
        assert FOLDER_SHAPE.run(gather(folder)).status == "clean"


class TestEmptyClass:
    def test_it_finds_an_empty_folder(self, gather: Gather, folder: Path) -> None:
        (folder / "fox").mkdir()
        outcome = EMPTY_CLASS.run(gather(folder))
        assert outcome.summary == "1 class has no photo that can be read"
        assert [finding.summary for finding in outcome.findings] == ["fox is empty"]

    def test_it_counts_the_files_of_a_class_without_photos(
        self, gather: Gather, folder: Path
    ) -> None:
        for name in ("fox/broken.jpg", "wolf/broken.png", "wolf/deep/notes.txt"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"nothing")
        outcome = EMPTY_CLASS.run(gather(folder))
        assert outcome.summary == "2 classes have no photo that can be read"
        assert [finding.summary for finding in outcome.findings] == [
            "fox has one file, which is not a readable photo",
            "wolf has 2 files, none of which is a readable photo",
        ]

    def test_it_stays_quiet_where_every_class_has_a_photo(
        self, gather: Gather, folder: Path
    ) -> None:
        (folder / "cat" / "broken.jpg").write_bytes(b"nothing")
        assert EMPTY_CLASS.run(gather(folder)).status == "clean"

    def test_the_classes_of_a_folder_with_parts_lie_below_these(
        self, gather: Gather, tmp_path: Path, write_picture: WritePicture
    ) -> None:
        names = ("train/cat/a.png", "train/dog/a.png", "val/val/cat/a.png", "val/val/dog/a.png")
        for number, name in enumerate(names):
            write_picture(tmp_path / name, seed=number)
        (tmp_path / "val" / "val" / "fox").mkdir()
        (tmp_path / "val" / "val" / "fox" / "broken.jpg").write_bytes(b"nothing")
        outcome = EMPTY_CLASS.run(gather(tmp_path))
        assert [finding.summary for finding in outcome.findings] == [
            "fox has one file, which is not a readable photo"
        ]

    def test_a_hidden_folder_is_no_file_of_a_class(self, gather: Gather, folder: Path) -> None:
        (folder / "fox" / ".thumbs").mkdir(parents=True)
        outcome = EMPTY_CLASS.run(gather(folder))
        assert [finding.summary for finding in outcome.findings] == ["fox is empty"]

    def test_it_finds_what_some_parts_lack(
        self, gather: Gather, tmp_path: Path, write_picture: WritePicture
    ) -> None:
        names = [
            f"{part}/{name}/a.png" for part in ("train", "test", "val") for name in ("cat", "dog")
        ]
        for number, name in enumerate(
            (*names, "train/cow/a.png", "train/cow/b.png", "test/elk/a.png")
        ):
            write_picture(tmp_path / name, seed=number)
        (tmp_path / "val" / "cow").mkdir()
        (tmp_path / "val" / "fox").mkdir()
        outcome = EMPTY_CLASS.run(gather(tmp_path))
        assert outcome.summary == (
            "1 class has no photo that can be read; 2 classes are in some of the parts only"
        )
        assert [finding.summary for finding in outcome.findings] == [
            "fox is empty",
            "cow has no photo in test and val",
            "elk has no photo in train and val",
        ]

    def test_a_part_without_any_class_is_one_finding(
        self, gather: Gather, tmp_path: Path, write_picture: WritePicture
    ) -> None:
        for number, name in enumerate(("train/cat/a.png", "train/dog/a.png", "test/1.png")):
            write_picture(tmp_path / name, seed=number)
        outcome = EMPTY_CLASS.run(gather(tmp_path))
        assert outcome.summary == "1 part without a photo of any class"
        assert [finding.summary for finding in outcome.findings] == [
            "test has no photo of any class"
        ]

    def test_it_stays_quiet_where_every_part_has_every_class(
        self, gather: Gather, tmp_path: Path, write_picture: WritePicture
    ) -> None:
        names = [f"{part}/{name}/a.png" for part in ("train", "test") for name in ("cat", "dog")]
        for number, name in enumerate(names):
            write_picture(tmp_path / name, seed=number)
        assert EMPTY_CLASS.run(gather(tmp_path)).status == "clean"


class TestSmallClass:
    def test_it_finds_a_class_of_less_than_ten_pictures(self) -> None:
        outcome = SMALL_CLASS.run(make_evidence("a" * 100 + "b" * 9))
        assert outcome.summary == "1 class is too small to measure"
        assert [finding.summary for finding in outcome.findings] == [
            "b has 9 different pictures; 10 are needed for one to test on"
        ]

    def test_several_are_sorted_by_size(self) -> None:
        outcome = SMALL_CLASS.run(make_evidence("a" * 100 + "b" * 9 + "c"))
        assert outcome.summary == "2 classes are too small to measure"
        assert outcome.findings[0].summary.startswith("c has 1 different picture;")

    def test_copies_do_not_make_a_class_larger(self) -> None:
        pictures = [*range(100), *[100 + i // 4 for i in range(20)]]
        assert (
            SMALL_CLASS.run(make_evidence("a" * 100 + "b" * 20, pictures=pictures)).status
            == "found"
        )

    def test_it_stays_quiet_on_large_classes(self) -> None:
        outcome = SMALL_CLASS.run(make_evidence("a" * 50 + "b" * 60))
        assert (outcome.status, outcome.summary, outcome.chart) == ("clean", "", None)

    def test_it_gives_the_expected_interval_of_small_classes(self) -> None:
        outcome = SMALL_CLASS.run(make_evidence("a" * 100 + "b" * 30))
        assert outcome.status == "clean"
        assert outcome.summary == (
            "b (30) has few pictures: for a recall of 0.9 in b, the 95 % interval of the test "
            "would be 0.36 to 0.99"
        )
        assert outcome.chart is not None
        (bar,) = outcome.chart.bars
        assert bar.label == "b (30)"
        assert (bar.low, bar.high) == pytest.approx((0.358, 0.993), abs=0.001)

    def test_the_expected_interval_is_wilsons_for_the_test_part(self) -> None:
        figure = wilson(4.5, 5)
        assert recall_interval(50) == figure

    def test_empty_classes_are_left_to_the_check_for_them(self) -> None:
        evidence = make_evidence("a" * 50)
        scanned = dataclasses.replace(evidence.scanned, classes=("a", "b"))
        assert SMALL_CLASS.run(dataclasses.replace(evidence, scanned=scanned)).status == "clean"

    def test_it_is_not_applicable_without_photos(self) -> None:
        evidence = make_evidence("a")
        catalog = dataclasses.replace(evidence.features.catalog, photos=())
        features = dataclasses.replace(
            evidence.features, catalog=catalog, embeddings=evidence.features.embeddings[:0]
        )
        groups = dataclasses.replace(evidence.groups, of_photo=evidence.groups.of_photo[:0])
        empty = dataclasses.replace(evidence, features=features, groups=groups)
        assert SMALL_CLASS.run(empty).status == "not applicable"


class TestImbalance:
    def test_it_finds_a_class_of_less_than_a_third(self) -> None:
        outcome = IMBALANCE.run(make_evidence("a" * 40 + "b" * 10))
        assert outcome.summary == "a has 4.0 times as many different pictures as b"
        assert [finding.summary for finding in outcome.findings] == [
            "b (10) has less than a third of the 40 different pictures of a; always predicting "
            "a would be right for 80 % of all"
        ]
        assert outcome.chart is not None
        assert [bar.value for bar in outcome.chart.bars] == [40, 10]

    def test_of_several_small_classes_the_smallest_come_first(self) -> None:
        outcome = IMBALANCE.run(make_evidence("a" * 40 + "b" * 10 + "c" * 4 + "d" * 30))
        assert outcome.findings[0].summary.startswith("c (4) and b (10) have less than a third")

    def test_it_stays_quiet_up_to_three_to_one_and_shows_the_counts(self) -> None:
        outcome = IMBALANCE.run(make_evidence("a" * 30 + "b" * 10))
        assert outcome.status == "clean"
        assert outcome.chart is not None

    def test_pictures_count_and_not_their_copies(self) -> None:
        pictures = [i // 4 for i in range(40)] + [10 + i for i in range(10)]
        assert (
            IMBALANCE.run(make_evidence("a" * 40 + "b" * 10, pictures=pictures)).status == "clean"
        )

    def test_it_is_not_applicable_to_one_class(self) -> None:
        outcome = IMBALANCE.run(make_evidence("aaa"))
        assert outcome.status == "not applicable"
        assert outcome.summary == "there is only one class with photos"
