"""Every photo is in one part, copies share it, and a later split keeps it; the CSV file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.cli.demo import SampleSet
from candid.core.cache import Cache
from candid.data.catalog import DROPPED, Catalog, Photo, Skipped, scan
from candid.data.images import PixelContract
from candid.data.source import DataSource
from candid.errors import SplitError, UsageError
from candid.features.extract import extract_features
from candid.splits.duplicates import Groups, find_duplicates
from candid.splits.split import (
    NO_PART,
    PARTS,
    SHARES,
    Row,
    Split,
    read_csv,
    split,
    to_csv,
)
from candid.splits.user_groups import group_by_file, group_by_pattern

Pair = tuple[Catalog, Groups]
PINNED = "araerrrrrraerrr"  # the second letter of each part, in order of path


def made_up(images: list[tuple[str, int]], *, folder: str = "/data") -> Pair:
    """A catalog of images given as (class, picture)."""
    rows = [
        (Photo(f"{label}/{n:04}.jpg", label, content_of(n)), picture)
        for n, (label, picture) in enumerate(images)
    ]
    return in_order(rows, folder=folder)


def content_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def in_order(rows: list[tuple[Photo, int]], *, folder: str = "/data") -> Pair:
    rows = sorted(rows, key=lambda row: row[0].path)
    photos = tuple(photo for photo, _ in rows)
    numbers: dict[int, int] = {}
    of_photo = [numbers.setdefault(picture, len(numbers)) for _, picture in rows]
    classes = tuple(sorted({photo.label for photo in photos}))
    return Catalog(DataSource(folder), classes, photos, ()), Groups(
        np.array(of_photo, np.int64), ()
    )


def singles(**class_sizes: int) -> Pair:
    labels = [label for label, size in class_sizes.items() for _ in range(size)]
    return made_up([(label, number) for number, label in enumerate(labels)])


def part_of_content(result: Split) -> dict[str, str]:
    return {row.content: row.part for row in result.rows}


def part_of_path(result: Split) -> dict[str, str]:
    return {row.path: row.part for row in result.rows}


def rows_of(pair: Pair) -> list[tuple[Photo, int]]:
    return list(zip(pair[0].photos, pair[1].of_photo.tolist(), strict=True))


images = st.lists(
    st.tuples(st.sampled_from(["cat", "dog", "eel"]), st.integers(0, 40)), min_size=1, max_size=80
)
few_conflicts = st.lists(st.integers(0, 60), min_size=1, max_size=80).map(
    lambda pictures: [("cat" if picture % 2 else "dog", picture) for picture in pictures]
)


class TestEverySplit:
    @given(images, st.integers(0, 3))
    def test_is_complete_and_names_every_photo_once(
        self, drawn: list[tuple[str, int]], seed: int
    ) -> None:
        catalog, groups = made_up(drawn)
        result = split(catalog, groups, seed=seed)
        assert [(r.path, r.label, r.content) for r in result.rows] == [
            (photo.path, photo.label, photo.content) for photo in catalog.photos
        ]
        assert {row.part for row in result.rows} <= {*PARTS, NO_PART}

    @given(images, st.integers(0, 3))
    def test_has_no_picture_in_two_parts(self, drawn: list[tuple[str, int]], seed: int) -> None:
        catalog, groups = made_up(drawn)
        result = split(catalog, groups, seed=seed)
        for picture in range(groups.num_pictures):
            members = [result.rows[i] for i in np.flatnonzero(groups.of_photo == picture)]
            assert len({row.part for row in members}) == 1
            assert len({row.group for row in members}) == 1

    @given(images)
    def test_leaves_out_exactly_the_pictures_that_are_in_two_classes_and_names_them(
        self, drawn: list[tuple[str, int]]
    ) -> None:
        catalog, groups = made_up(drawn)
        result = split(catalog, groups)
        notes = [note for note in result.notes if "two classes" in note]
        for picture in range(groups.num_pictures):
            members = [result.rows[i] for i in np.flatnonzero(groups.of_photo == picture)]
            conflict = len({row.label for row in members}) > 1
            assert conflict == (members[0].part == NO_PART)
            assert conflict == any(all(row.path in note for row in members) for note in notes)
        assert len(notes) == len({r.group for r in result.rows if r.part == NO_PART})

    @given(few_conflicts, st.integers(0, 3), st.randoms(use_true_random=False))
    def test_depends_on_contents_and_not_on_names_order_or_folder(
        self, drawn: list[tuple[str, int]], seed: int, random: Any
    ) -> None:
        pair = made_up(drawn)
        names = list(range(len(drawn)))
        random.shuffle(names)
        renamed = [
            (replace(photo, path=f"{photo.label}/deep/{name}.png"), picture)
            for name, (photo, picture) in zip(names, rows_of(pair), strict=True)
        ]
        before = split(*pair, seed=seed)
        after = split(*in_order(renamed, folder="/elsewhere"), seed=seed)
        assert part_of_content(after) == part_of_content(before)
        assert {r.content: r.group for r in after.rows} == {r.content: r.group for r in before.rows}

    @given(st.integers(0, 90), st.integers(0, 90), st.integers(0, 3))
    def test_of_single_images_is_exact_in_every_class(
        self, cats: int, dogs: int, seed: int
    ) -> None:
        result = split(*singles(cat=cats, dog=dogs), seed=seed) if cats + dogs else Split((), ())
        for label, size in (("cat", cats), ("dog", dogs)):
            for part, share in zip(PARTS, SHARES, strict=True):
                count = sum(row.label == label and row.part == part for row in result.rows)
                assert abs(count - share * size) < 1

    @given(st.lists(st.integers(1, 6), min_size=30, max_size=60), st.integers(0, 3))
    def test_of_small_groups_is_stratified_within_a_group(
        self, sizes: list[int], seed: int
    ) -> None:
        drawn = [
            ("dog" if p % 3 else "cat", p) for p, size in enumerate(sizes) for _ in range(size)
        ]
        result = split(*made_up(drawn), seed=seed)
        for label in ("cat", "dog"):
            total = sum(row.label == label for row in result.rows)
            for part, share in zip(PARTS, SHARES, strict=True):
                count = sum(row.label == label and row.part == part for row in result.rows)
                assert abs(count - share * total) <= max(sizes)

    def test_differs_with_another_seed(self) -> None:
        pair = singles(cat=30, dog=30)
        splits = {tuple(row.part for row in split(*pair, seed=seed).rows) for seed in range(5)}
        assert len(splits) == 5

    def test_is_the_same_on_every_machine(self) -> None:
        """Pinned: if the split of a seed changes, no saved run can be reproduced."""
        result = split(*singles(cat=10, dog=5), seed=0)
        assert "".join(row.part[1] for row in result.rows) == PINNED


class TestNewPhotos:
    @given(few_conflicts, few_conflicts, st.integers(0, 3), st.booleans())
    def test_do_not_move_old_ones(
        self,
        old: list[tuple[str, int]],
        new: list[tuple[str, int]],
        seed: int,
        with_content: bool,
    ) -> None:
        pair = made_up(old + new)
        old_contents = {content_of(number) for number in range(len(old))}
        earlier = split(*in_order([r for r in rows_of(pair) if r[0].content in old_contents]))
        previous = earlier
        if not with_content:
            previous = Split(tuple(replace(row, content="") for row in earlier.rows), ())
        later = split(*pair, seed=seed + 1, previous=previous)
        moved = part_of_content(later)
        assert {content: moved[content] for content in old_contents} == part_of_content(earlier)
        for picture in range(pair[1].num_pictures):
            parts = {later.rows[i].part for i in np.flatnonzero(pair[1].of_photo == picture)}
            assert len(parts) == 1

    def test_fill_up_the_parts_that_lack_photos(self) -> None:
        pair = singles(cat=100, dog=100)
        some = [row for n, row in enumerate(rows_of(pair)) if n % 2]
        later = split(*pair, seed=5, previous=split(*in_order(some)))
        for label in ("cat", "dog"):
            counts = [sum(r.part == p and r.label == label for r in later.rows) for p in PARTS]
            assert counts == [70, 20, 10]

    def test_old_photos_are_recognised_by_content_under_a_new_name(self) -> None:
        pair = singles(cat=20, dog=20)
        earlier = split(*pair)
        renamed = [(replace(p, path=f"{p.label}/x{p.path[4:]}"), n) for p, n in rows_of(pair)]
        later = split(*in_order(renamed), seed=9, previous=earlier)
        assert part_of_content(later) == part_of_content(earlier)

    def test_old_photos_are_found_by_a_path_that_begins_with_the_folder(self) -> None:
        pair = singles(cat=20, dog=20)
        earlier = split(*pair)
        rows = tuple(replace(row, path=f"data/{row.path}", content="") for row in earlier.rows)
        later = split(*pair, seed=9, previous=Split(rows, ()))
        assert part_of_content(later) == part_of_content(earlier)
        assert later.notes == ()

    def test_a_photo_in_two_parts_by_two_paths_is_refused(self) -> None:
        pair = singles(cat=20, dog=20)
        rows = tuple(replace(row, content="") for row in split(*pair).rows)
        other = replace(rows[0], path=f"data/{rows[0].path}", part="test")
        first = replace(rows[0], part="train")
        with pytest.raises(SplitError, match=r"0000\.jpg is in two parts, "):
            split(*pair, previous=Split((first, other, *rows[1:]), ()))

    def test_an_earlier_split_of_other_photos_is_refused(self) -> None:
        pair, others = singles(cat=20, dog=20), singles(bird=20, fish=20)
        previous = Split(tuple(replace(r, content="") for r in split(*others).rows), ())
        with pytest.raises(SplitError, match=r"has bird/.*, the folder cat/0000\.jpg"):
            split(*pair, previous=previous)

    def test_new_photos_are_counted_in_a_note(self) -> None:
        pair = singles(cat=20, dog=20)
        some = split(*in_order(rows_of(pair)[::2]))
        (note,) = split(*pair, previous=some).notes
        assert note.startswith("the earlier split has 20 of 40 photos;")

    def test_an_old_photo_keeps_its_part_where_a_copy_of_it_is_in_none(self) -> None:
        pair = singles(cat=20, dog=20)
        earlier = split(*pair)
        copies = [replace(r, path=f"{r.path}.copy", part=NO_PART, group="") for r in earlier.rows]
        previous = Split((*earlier.rows, *copies), ())
        later = split(*pair, seed=9, previous=previous)
        assert part_of_content(later) == part_of_content(earlier)

    def test_a_copy_that_joins_two_parts_is_in_none_and_named(self) -> None:
        pair = singles(cat=20, dog=20)
        earlier = split(*pair)
        cats = [row for row in earlier.rows if row.label == "cat"]
        a = next(row for row in cats if row.part == "train")
        b = next(row for row in cats if row.part == "test")
        bridge = Photo("cat/bridge.jpg", "cat", content_of(999))
        rows = [
            (photo, 999 if photo.content in {a.content, b.content} else picture)
            for photo, picture in rows_of(pair)
        ]
        later = split(*in_order([*rows, (bridge, 999)]), previous=earlier)
        parts = part_of_path(later)
        assert (parts[a.path], parts[b.path], parts[bridge.path]) == ("train", "test", NO_PART)
        (note,) = [note for note in later.notes if "belong together" in note]
        assert all(path in note for path in (a.path, b.path, bridge.path))

    def test_an_old_photo_that_now_has_a_copy_in_another_class_is_in_no_part(self) -> None:
        pair = singles(cat=20, dog=20)
        earlier = split(*pair)
        first, picture = rows_of(pair)[0]
        twin = Photo("dog/twin.jpg", "dog", content_of(999))
        later = split(*in_order([*rows_of(pair), (twin, picture)]), previous=earlier)
        parts = part_of_path(later)
        assert (parts[first.path], parts[twin.path]) == (NO_PART, NO_PART)


class TestTheUsersGroups:
    @given(images, st.integers(1, 12), st.integers(0, 3))
    def test_stay_whole_with_the_copies_of_their_photos(
        self, drawn: list[tuple[str, int]], num_groups: int, seed: int
    ) -> None:
        catalog, groups = made_up(drawn)
        group_by = {
            photo.path: str(int(photo.content, 16) % num_groups) for photo in catalog.photos
        }
        result = split(catalog, groups, seed=seed, group_by=group_by)
        for name in set(group_by.values()):
            parts = {row.part for row in result.rows if group_by[row.path] == name}
            assert len(parts - {NO_PART}) <= 1
        for picture in range(groups.num_pictures):
            parts = {result.rows[i].part for i in np.flatnonzero(groups.of_photo == picture)}
            assert len(parts) == 1

    def test_by_a_pattern_with_or_without_brackets(self) -> None:
        rows = [(Photo(f"cat/ann-{n}.jpg", "cat", content_of(n)), n) for n in range(2)] + [
            (Photo("dog/bob.jpg", "dog", content_of(9)), 9)
        ]
        catalog, _ = in_order(rows)
        assert group_by_pattern(catalog, r"/(\w+)-") == dict.fromkeys(
            ("cat/ann-0.jpg", "cat/ann-1.jpg"), "ann"
        )
        assert group_by_pattern(catalog, r"^\w+/\w") == {
            "cat/ann-0.jpg": "cat/a", "cat/ann-1.jpg": "cat/a", "dog/bob.jpg": "dog/b",
        }  # fmt: skip

    def test_a_bracket_outside_the_match_leaves_the_photo_on_its_own(self) -> None:
        catalog, _ = singles(cat=1, dog=1)
        assert group_by_pattern(catalog, r"cat/(\d+)|dog") == {"cat/0000.jpg": "0000"}

    def test_an_invalid_pattern_or_one_without_a_match_is_refused(self) -> None:
        catalog, _ = singles(cat=1, dog=1)
        with pytest.raises(UsageError, match="is no regular expression"):
            group_by_pattern(catalog, "(")
        with pytest.raises(UsageError, match=r"matches no path. Paths look like cat/0000\.jpg"):
            group_by_pattern(catalog, "patient")

    def test_groups_that_name_no_photo_are_refused(self) -> None:
        with pytest.raises(UsageError, match=r"paths like cat/0000\.jpg, received bird/0000"):
            split(*singles(cat=5, dog=5), group_by={"bird/0000.jpg": "ann"})

    def test_groups_for_some_photos_are_counted_in_a_note(self) -> None:
        pair = singles(cat=20, dog=20)
        (note,) = split(*pair, group_by={f"data\\cat\\{n:04}.jpg": "ann" for n in range(3)}).notes
        assert note.startswith("groups are given for 3 of 40 photos")
        all_of_them = {row[0].path: row[0].path for row in rows_of(pair)}
        assert split(*pair, group_by=all_of_them).notes == ()


class TestNotes:
    def test_a_class_too_small_for_a_part_is_named(self) -> None:
        (note,) = split(*singles(cat=3, dog=30)).notes
        assert note.startswith("class 'cat' has 3 different pictures, too few for a test part")

    def test_groups_of_the_user_are_called_groups(self) -> None:
        sites = {f"cat/{n:04}.jpg": f"site {n % 3}" for n in range(12)}
        result = split(*singles(cat=12, dog=30), group_by=sites)
        note = result.notes[-1]
        assert note.startswith("class 'cat' has 3 groups, too few for a test part")
        assert result.unit == "group"
        assert split(*singles(cat=12, dog=30)).unit == "different picture"

    def test_a_class_of_one_picture_lacks_two_parts(self) -> None:
        (note,) = split(*made_up([("cat", 0)] * 12 + [("dog", n) for n in range(1, 31)])).notes
        assert "class 'cat' has 1 different picture, too few for a" in note
        assert " and a " in note

    @given(st.integers(10, 40))
    def test_ten_pictures_are_enough(self, size: int) -> None:
        assert split(*singles(cat=size, dog=10)).notes == ()

    def test_all_in_two_classes_is_no_error(self) -> None:
        result = split(*made_up([("cat", 0), ("dog", 0)]))
        assert [row.part for row in result.rows] == [NO_PART, NO_PART]
        assert len(result.notes) == 3

    def test_unreadable_and_dropped_images_are_listed_in_no_part_and_other_files_are_not(
        self,
    ) -> None:
        catalog, groups = singles(cat=10, dog=10)
        skipped = (
            Skipped("cat/broken.jpg", "the file is truncated"),
            Skipped("cat/.hidden", "hidden file"),
            Skipped("cat/notes.txt", "not an image"),
            Skipped("stray.jpg", "outside the class folders"),
            Skipped("dog/twice.jpg", DROPPED, content_of(0)),
        )
        result = split(replace(catalog, skipped=skipped), groups)
        assert result.rows[20:] == (
            Row("cat/broken.jpg", "cat", NO_PART, "", ""),
            Row("dog/twice.jpg", "dog", NO_PART, "", content_of(0)),
        )


class TestTheCsvFile:
    def test_the_header_is_pinned(self) -> None:
        """Other programs read this file."""
        result = Split((Row("cat/a.jpg", "cat", "train", "g", content_of(0)),), ())
        assert to_csv(result).splitlines()[0] == "path,class,part,group"
        assert to_csv(result, with_content=True).splitlines()[0] == "path,class,part,group,content"

    @given(
        st.lists(
            st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")),
                      st.sampled_from((*PARTS, NO_PART))),
            max_size=5,
        ),
        st.booleans(),
    )  # fmt: skip
    def test_a_written_split_is_read_back_with_any_names(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        rows: list[tuple[str, str]],
        with_content: bool,
    ) -> None:
        written = Split(
            tuple(
                Row(f"cat/{name}", "cat", part, f"{n:016}", content_of(n) if with_content else "")
                for n, (name, part) in enumerate(rows)
            ),
            (),
        )
        file = tmp_path_factory.mktemp("csv") / "split.csv"
        file.write_text(to_csv(written, with_content=with_content), encoding="utf-8", newline="")
        assert read_csv(file) == written

    def test_an_unknown_part_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "split.csv"
        file.write_text("path,class,part,group\ncat/a.jpg,cat,dev,g\n")
        with pytest.raises(SplitError, match=r"cat/a\.jpg is in part 'dev'; expected one of train"):
            read_csv(file)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "lacks the columns path, class, part, group"),
            (
                b"path,class,part\n",
                "lacks the column group. Expected the header path,class,part,group",
            ),
            (b"\xff\xfe\x00", "lacks the columns"),
            (b"path,class,part,group\ncat/a\0.jpg,cat,train,g\n", "not plain text"),
            (b'path,class,part,group\n"' + b"x" * 200_000 + b'",cat,train,g\n', "can't be read"),
        ],
    )
    def test_another_file_is_refused(self, tmp_path: Path, data: bytes, message: str) -> None:
        file = tmp_path / "split.csv"
        file.write_bytes(data)
        with pytest.raises(SplitError, match=message):
            read_csv(file)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SplitError, match=r"can't be read: No such file"):
            read_csv(tmp_path / "split.csv")


class TestTheUsersGroupsFromAFile:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_are_read_with_and_without_a_byte_order_mark(
        self, tmp_path: Path, encoding: str
    ) -> None:
        file = tmp_path / "groups.csv"
        file.write_text("path,group,age\ncat/ä.jpg,ann,3\ncat/b.jpg,,4\n", encoding=encoding)
        assert group_by_file(file) == {"cat/ä.jpg": "ann"}

    def test_a_photo_in_two_groups_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "groups.csv"
        file.write_text("path,group\na.jpg,ann\nb.jpg,ann\na.jpg,ann\na.jpg,bob\n")
        with pytest.raises(UsageError, match=r"a\.jpg is in two groups, ann and bob\."):
            group_by_file(file)

    def test_a_photo_in_two_groups_by_two_names_is_refused(self) -> None:
        pair = singles(cat=20, dog=20)
        path = pair[0].photos[0].path
        with pytest.raises(UsageError, match="is in two groups, ann and bob"):
            split(*pair, group_by={path: "ann", f"data/{path}": "bob"})
        assert split(*pair, group_by={path: "ann", f"data/{path}": "ann"})

    def test_a_file_without_the_columns_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "groups.csv"
        file.write_text("file;group\n")
        with pytest.raises(
            UsageError, match=r"lacks the column path\. Expected the columns path and"
        ):
            group_by_file(file)


def test_places_are_those_of_the_parts_asked_for() -> None:
    result = split(*singles(cat=20, dog=20))
    train, rest = result.places("train"), result.places("val", "test")
    assert sorted([*train, *rest]) == list(range(40))
    assert all(result.rows[place].part == "train" for place in train)
    assert result.places().dtype == np.int64


def test_the_sample_set_from_folder_to_split(
    sample: SampleSet, embedder: Any, memory: Cache
) -> None:
    features = extract_features(scan(sample.folder), embedder, PixelContract(), cache=memory)
    result = split(features.catalog, find_duplicates(features))
    parts = part_of_path(result)
    for plant in sample.defects:
        path = plant.path.as_posix()
        if plant.kind in {"hidden_file", "not_an_image"}:
            assert path not in parts
        elif plant.kind in {"text_as_image", "both_classes"}:
            assert parts[path] == NO_PART
        elif plant.original:
            assert parts[path] == parts[plant.original.as_posix()] != NO_PART
