"""Decisions drop and relabel photos, in any order, and can be undone."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.data.catalog import DROPPED, Catalog, Photo, Skipped, scan
from candid.data.decisions import Applied, Decided, Decision, DecisionsFile, apply_decisions
from candid.data.source import DataSource
from candid.errors import DataError, UsageError
from candid.splits.duplicates import Groups
from candid.splits.split import PARTS, Row, Split, split
from candid.splits.split_export import write_links

CLASSES = ("cat", "dog", "eel")


def content_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def catalog_of(*files: tuple[str, int], classes: tuple[str, ...] = CLASSES) -> Catalog:
    """A catalog of files of (path, number); the number stands for the content."""
    photos = [Photo(path, path.split("/")[0], content_of(n)) for path, n in files]
    return Catalog(DataSource("/data"), classes, tuple(sorted(photos, key=lambda p: p.path)), ())


# never dropped, so that no class is emptied
UNTOUCHED = (("cat/z.jpg", 101), ("dog/z.jpg", 102), ("eel/z.jpg", 103))
SMALL = catalog_of(("cat/a.jpg", 1), ("cat/b.jpg", 2), ("dog/a.jpg", 3), *UNTOUCHED)


def row(path: str, number: int, decision: str, code: str = "near-copy") -> Decision:
    return Decision(path, content_of(number), code, "", decision)


def labels(applied: Applied) -> dict[str, str]:
    return {photo.path: photo.label for photo in applied.catalog.photos}


places = [f"{name}/{letter}.jpg" for name in CLASSES for letter in "abcd"]
catalogs = st.dictionaries(st.sampled_from(places), st.integers(0, 8), max_size=10).map(
    lambda files: catalog_of(*files.items(), *UNTOUCHED)
)
decisions = st.builds(
    row,
    st.sampled_from(places),
    st.integers(0, 8),
    st.sampled_from(["", "keep", "KEEP", "drop", "Drop", *CLASSES]),
    st.sampled_from(["near-copy", "label-suspect"]),
)


def consistent(rows: Sequence[Decision]) -> bool:
    meant: dict[tuple[str, str], set[str]] = {}
    for r in rows:
        if r.decision.lower() not in ("", "keep"):
            meant.setdefault((r.path, r.content), set()).add(r.decision.lower())
    return all(len(words) == 1 or "drop" in words for words in meant.values())


sheets = st.lists(decisions, max_size=12).filter(consistent)


class TestAlways:
    @given(catalogs, sheets)
    def test_twice_is_once(self, catalog: Catalog, rows: list[Decision]) -> None:
        once = apply_decisions(catalog, rows)
        twice = apply_decisions(once.catalog, rows)
        assert twice.catalog == once.catalog
        assert (twice.num_dropped, twice.num_relabelled) == (0, 0)
        assert twice.kept == once.kept

    @given(catalogs, sheets, st.randoms(use_true_random=False))
    def test_the_order_of_rows_and_repeated_ones_make_no_difference(
        self, catalog: Catalog, rows: list[Decision], random: object
    ) -> None:
        shuffled = [*rows, *rows[:2]]
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert apply_decisions(catalog, shuffled) == apply_decisions(catalog, rows)

    @given(catalogs, sheets)
    def test_every_file_is_accounted_for_and_no_content_changes(
        self, catalog: Catalog, rows: list[Decision]
    ) -> None:
        applied = apply_decisions(catalog, rows)
        before = Counter((photo.path, photo.content) for photo in catalog.photos)
        after = Counter((photo.path, photo.content) for photo in applied.catalog.photos)
        dropped = Counter((s.path, s.content) for s in applied.catalog.skipped)
        assert after + dropped == before
        assert dropped.total() == applied.num_dropped
        changed = [p for p in applied.catalog.photos if p.label != p.path.split("/")[0]]
        assert len(changed) == applied.num_relabelled
        assert applied.catalog.classes == catalog.classes

    @given(catalogs, sheets, st.data())
    def test_a_row_taken_back_is_as_if_it_had_never_been(
        self, catalog: Catalog, rows: list[Decision], data: st.DataObject
    ) -> None:
        """After a row is deleted or emptied, the other rows decide."""
        if not rows:
            return
        place = data.draw(st.integers(0, len(rows) - 1))
        gone = rows[place]
        others = [r for r in rows if r != gone]
        emptied = apply_decisions(catalog, [*others, replace(gone, decision="")])
        if not [r for r in others if (r.path, r.content) == (gone.path, gone.content)]:
            mine = next(
                (p for p in catalog.photos if (p.path, p.content) == (gone.path, gone.content)),
                None,
            )
            assert mine is None or mine in emptied.catalog.photos
        # rows about files that are where they were do not depend on one another
        known = {(p.path, p.content) for p in catalog.photos}
        if all((r.path, r.content) in known for r in rows):
            assert apply_decisions(catalog, others) == emptied

    @given(catalogs)
    def test_no_row_changes_nothing(self, catalog: Catalog) -> None:
        assert apply_decisions(catalog, []) == Applied(catalog, 0, 0, frozenset(), ())


class TestARow:
    def test_drops_a_photo_with_its_content(self) -> None:
        applied = apply_decisions(SMALL, [row("cat/a.jpg", 1, "drop")])
        assert "cat/a.jpg" not in labels(applied)
        assert applied.catalog.skipped == (Skipped("cat/a.jpg", DROPPED, content_of(1)),)
        assert applied.summary == "1 photo dropped, 0 relabelled"
        assert applied.notes == applied.catalog.notes() == ()

    def test_gives_a_photo_its_right_label_and_leaves_its_path(self) -> None:
        applied = apply_decisions(SMALL, [row("cat/a.jpg", 1, "dog"), row("dog/a.jpg", 3, "dog")])
        assert labels(applied) == labels(apply_decisions(SMALL, [])) | {"cat/a.jpg": "dog"}
        assert applied.summary == "0 photos dropped, 1 relabelled"

    @pytest.mark.parametrize("word", ["keep", "KEEP", "Keep"])
    def test_keeps_a_file_for_this_finding_only(self, word: str) -> None:
        rows = [row("cat/a.jpg", 1, word, "blurred"), row("cat/b.jpg", 2, "", "blurred")]
        applied = apply_decisions(SMALL, rows)
        assert applied.kept == {("cat/a.jpg", content_of(1), "blurred")}
        assert applied.catalog == SMALL

    def test_without_a_decision_does_nothing(self) -> None:
        assert apply_decisions(SMALL, [row("cat/a.jpg", 1, "")]).catalog == SMALL

    def test_about_one_of_two_copies_leaves_the_other(self) -> None:
        catalog = catalog_of(("cat/a.jpg", 1), ("cat/b.jpg", 1), *UNTOUCHED)
        applied = apply_decisions(catalog, [row("cat/a.jpg", 1, "drop")])
        assert "cat/b.jpg" in labels(applied)

    def test_works_where_the_folder_has_parts_of_its_own(self) -> None:
        photo = Photo("train/cat/a.jpg", "cat", content_of(1))
        catalog = replace(SMALL, photos=(*SMALL.photos, photo), parts=("train",))
        applied = apply_decisions(catalog, [row("train/cat/a.jpg", 1, "eel")])
        assert labels(applied)["train/cat/a.jpg"] == "eel"


class TestSeveralRowsAboutAFile:
    def test_a_class_wins_over_keep_for_the_label(self) -> None:
        rows = [row("cat/a.jpg", 1, "keep", "blurred"), row("cat/a.jpg", 1, "dog")]
        applied = apply_decisions(SMALL, rows)
        kept = frozenset({("cat/a.jpg", content_of(1), "blurred")})
        assert applied == replace(apply_decisions(SMALL, rows[1:]), kept=kept)

    @pytest.mark.parametrize("others", [["keep"], ["dog"], ["dog", "eel", "keep"]])
    def test_drop_wins_over_all_else(self, others: list[str]) -> None:
        """``drop`` and a class do not conflict: a dropped file needs no label."""
        weaker = [row("cat/a.jpg", 1, word, f"of {word}") for word in others]
        rows = [row("cat/a.jpg", 1, "DROP"), *weaker]
        for given_rows in itertools.permutations(rows):
            assert apply_decisions(SMALL, given_rows) == apply_decisions(SMALL, rows[:1])

    def test_of_two_classes_are_refused_with_the_findings_that_they_are_of(self) -> None:
        rows = [
            row("cat/a.jpg", 1, "eel", "label-suspect"),
            row("cat/a.jpg", 1, "dog", "near-copy"),
            row("cat/a.jpg", 1, "DOG", "blurred"),
            row("cat/a.jpg", 1, "keep", "grey"),
        ]
        words = (
            r"^the decisions about 1 file contradict each other: cat/a\.jpg: 'DOG' \(blurred, "
            r"near-copy\) and 'eel' \(label-suspect\)\. Keep one of them for each file\.$"
        )
        for given_rows in itertools.permutations(rows):
            with pytest.raises(UsageError, match=words):
                apply_decisions(SMALL, given_rows)

    @pytest.mark.parametrize(("num_files", "rest"), [(2, ""), (5, ""), (6, "; and 1 more")])
    def test_of_two_classes_are_named_for_up_to_five_files(self, num_files: int, rest: str) -> None:
        rows = [
            row(f"cat/{number}.jpg", number, word, code)
            for number in range(num_files)
            for word, code in (("dog", "near-copy"), ("eel", "label-suspect"))
        ]
        with pytest.raises(UsageError) as caught:
            apply_decisions(SMALL, rows)
        named = "; ".join(
            f"cat/{number}.jpg: 'dog' (near-copy) and 'eel' (label-suspect)"
            for number in range(min(num_files, 5))
        )
        assert str(caught.value) == (
            f"the decisions about {num_files} files contradict each other: {named}{rest}. "
            "Keep one of them for each file."
        )

    def test_that_say_the_same_are_one(self) -> None:
        rows = [row("cat/a.jpg", 1, "drop", "blurred"), row("cat/a.jpg", 1, "DROP")]
        assert apply_decisions(SMALL, rows).num_dropped == 1


class TestAFile:
    def test_that_was_renamed_is_known_by_its_content(self) -> None:
        applied = apply_decisions(SMALL, [row("cat/old.jpg", 1, "drop")])
        assert "cat/a.jpg" not in labels(applied)
        [note] = applied.notes
        assert note.startswith("dropped under another name: cat/a.jpg (was cat/old.jpg). ")
        assert apply_decisions(applied.catalog, [row("cat/old.jpg", 1, "drop")]).notes == ()

    def test_that_took_the_place_of_another_is_known_by_its_content(self) -> None:
        """All files were renumbered."""
        rows = [row("cat/a.jpg", 2, "drop"), row("cat/b.jpg", 1, "dog")]
        found = labels(apply_decisions(SMALL, rows))
        assert found["cat/a.jpg"] == "dog"
        assert "cat/b.jpg" not in found
        both = [row("cat/a.jpg", 2, "drop"), row("cat/a.jpg", 3, "drop")]
        assert apply_decisions(SMALL, both).num_dropped == 2

    def test_that_was_moved_to_another_class_has_the_label_that_was_decided(self) -> None:
        rows = [row("dog/a.jpg", 1, "eel"), row("dog/b.jpg", 2, "cat")]
        applied = apply_decisions(SMALL, rows)
        assert labels(applied)["cat/a.jpg"] == "eel"
        assert applied.num_relabelled == 1  # the second one is where it belongs

    def test_that_has_changed_is_no_rows(self) -> None:
        applied = apply_decisions(SMALL, [row("cat/a.jpg", 77, "drop")])
        assert applied.catalog == SMALL
        assert applied.notes == ("1 decision is about a file that is gone or changed: cat/a.jpg",)

    def test_that_is_gone_is_named_once(self) -> None:
        rows = [
            row("cat/y.jpg", 77, "drop"),
            row("cat/x.jpg", 78, "dog"),
            row("cat/x.jpg", 78, "keep", "blurred"),
        ]
        [note] = apply_decisions(SMALL, rows).notes
        assert (
            note == "3 decisions are about files that are gone or changed: cat/x.jpg and cat/y.jpg"
        )

    def test_of_many_that_are_gone_five_are_named(self) -> None:
        [note] = apply_decisions(SMALL, [row(f"cat/{n}", n, "drop") for n in range(50, 60)]).notes
        assert note.endswith("cat/50, cat/51, cat/52, cat/53, cat/54 and 5 more")

    @pytest.mark.parametrize("other", ["keep", ""])
    def test_is_not_dropped_in_the_stead_of_a_copy_that_was_deleted(self, other: str) -> None:
        """The user deleted b, as decided; a must not be dropped too."""
        rows = [row("cat/a.jpg", 1, other), row("cat/b-copy.jpg", 1, "drop")]
        applied = apply_decisions(SMALL, rows)
        assert "cat/a.jpg" in labels(applied)
        assert "cat/b-copy.jpg" in applied.notes[0]

    def test_that_has_copies_is_not_guessed_at_when_it_was_renamed(self) -> None:
        catalog = catalog_of(("cat/a.jpg", 1), ("dog/b.jpg", 1), *UNTOUCHED)
        applied = apply_decisions(catalog, [row("cat/old.jpg", 1, "drop")])
        assert applied.catalog == catalog
        assert len(applied.notes) == 1

    def test_that_can_not_be_read_is_left_out_anyway(self) -> None:
        catalog = replace(SMALL, skipped=(Skipped("cat/locked.jpg", "permission denied"),))
        rows = [Decision("cat/locked.jpg", "", "unreadable", "drop", "drop")]
        applied = apply_decisions(catalog, rows)
        assert applied.catalog == catalog
        assert applied.notes == ()


class TestAClass:
    def test_that_is_unknown_is_refused_with_those_that_are_known(self) -> None:
        words = (
            r"'dgo' about cat/a\.jpg is not a class\. "
            r"Expected keep, drop or one of cat, dog, eel\.$"
        )
        with pytest.raises(UsageError, match=words):
            apply_decisions(SMALL, [row("cat/a.jpg", 1, "dgo")])

    @pytest.mark.parametrize("written", ["DOG", "Dog", "dOg/"])
    def test_is_known_in_upper_and_lower_case(self, written: str) -> None:
        rows = [row("cat/a.jpg", 1, written), row("cat/a.jpg", 1, "dog", "blurred")]
        assert labels(apply_decisions(SMALL, rows))["cat/a.jpg"] == "dog"

    def test_that_differs_from_another_one_in_case_only_is_written_exactly(self) -> None:
        catalog = replace(SMALL, classes=("Dog", *CLASSES))
        for exact in ("Dog", "dog"):
            changed = apply_decisions(
                catalog, [row("cat/a.jpg", 1, exact), row("dog/a.jpg", 3, "")]
            )
            assert labels(changed)["cat/a.jpg"] == exact
        with pytest.raises(
            UsageError, match=r"'DOG' about cat/a\.jpg is not a class\. .* Dog, cat"
        ):
            apply_decisions(catalog, [row("cat/a.jpg", 1, "DOG")])

    def test_in_another_encoding_is_refused_with_what_to_do(self) -> None:
        with pytest.raises(UsageError, match="Save the file as CSV in UTF-8"):
            apply_decisions(SMALL, [row("cat/a.jpg", 1, "fr\udcf6hlich")])

    def test_that_is_called_like_a_word_is_written_as_a_folder(self) -> None:
        catalog = catalog_of(
            ("Keep/a.jpg", 1), ("Keep/b.jpg", 2), ("drop/a.jpg", 3), ("drop/b.jpg", 4),
            classes=("Keep", "drop"),
        )  # fmt: skip
        rows = [row("Keep/a.jpg", 1, "drop/"), row("drop/a.jpg", 3, "Keep/")]
        applied = apply_decisions(catalog, rows)
        assert (labels(applied)["Keep/a.jpg"], labels(applied)["drop/a.jpg"]) == ("drop", "Keep")
        assert applied.notes == ()
        applied = apply_decisions(catalog, [row("Keep/a.jpg", 1, "drop")])
        assert applied.num_dropped == 1
        assert applied.notes == (
            "drop in the decisions was not read as the class drop; write drop/ for the class",
        )
        with pytest.raises(UsageError, match="Expected keep, drop or one of Keep/, drop/"):
            apply_decisions(catalog, [row("Keep/a.jpg", 1, "dorp")])

    def test_whose_name_ends_with_a_space_is_known_without_it(self) -> None:
        catalog = replace(SMALL, classes=("cat", "dog", "eel "))
        assert labels(apply_decisions(catalog, [row("cat/a.jpg", 1, "eel")]))["cat/a.jpg"] == "eel "

    @pytest.mark.parametrize("decision", ["drop", "cat"])
    def test_that_is_emptied_is_an_error(self, decision: str) -> None:
        rows = [row("dog/a.jpg", 3, decision), row("dog/z.jpg", 102, decision)]
        with pytest.raises(DataError, match="the decisions leave no photo in dog"):
            apply_decisions(SMALL, rows)

    def test_that_was_empty_before_is_none(self) -> None:
        catalog = replace(SMALL, classes=(*CLASSES, "fox"))
        assert apply_decisions(catalog, [row("cat/a.jpg", 1, "fox")]).num_relabelled == 1


class TestWhatIsKept:
    """A decision about one file does not apply to another with the same content."""

    def test_is_a_file_and_not_its_copy(self) -> None:
        catalog = catalog_of(("cat/a.jpg", 1), ("cat/b.jpg", 1), *UNTOUCHED)
        rows = [row("cat/a.jpg", 1, "keep"), row("cat/b.jpg", 1, "")]
        assert apply_decisions(catalog, rows).kept == {("cat/a.jpg", content_of(1), "near-copy")}

    def test_is_a_renamed_file_where_it_is_now(self) -> None:
        applied = apply_decisions(SMALL, [row("cat/old.jpg", 1, "keep")])
        assert applied.kept == {("cat/a.jpg", content_of(1), "near-copy")}

    def test_is_such_a_file_though_another_one_was_dropped_under_its_old_name(self) -> None:
        catalog = catalog_of(("cat/a.jpg", 1), ("cat/old.jpg", 2), *UNTOUCHED)
        rows = [row("cat/old.jpg", 1, "keep"), row("cat/old.jpg", 2, "drop")]
        once = apply_decisions(catalog, rows)
        assert once.kept == {("cat/a.jpg", content_of(1), "near-copy")}
        assert apply_decisions(once.catalog, rows).kept == once.kept

    @pytest.mark.parametrize(("path", "number"), [("cat/a.jpg", 77), ("cat/gone.jpg", 78)])
    def test_is_no_file_that_is_gone_or_changed(self, path: str, number: int) -> None:
        applied = apply_decisions(SMALL, [row(path, number, "keep")])
        assert applied.kept == frozenset()
        assert len(applied.notes) == 1

    def test_is_no_file_that_is_dropped(self) -> None:
        rows = [row("cat/a.jpg", 1, "keep", "blurred"), row("cat/a.jpg", 1, "drop")]
        assert apply_decisions(SMALL, rows).kept == frozenset()

    def test_may_be_a_file_that_can_not_be_opened(self) -> None:
        catalog = replace(SMALL, skipped=(Skipped("cat/locked.jpg", "permission denied"),))
        rows = [Decision("cat/locked.jpg", "", "unreadable", "drop", "keep")]
        assert apply_decisions(catalog, rows).kept == {("cat/locked.jpg", "", "unreadable")}


NASTY = "cat/a\n\x1b[2J\udcff.jpg"
SHOWN = r"cat/a\n\x1b[2J\xff.jpg"


class TestALine:
    """Messages are one printable line, whatever the names of files and classes."""

    @pytest.mark.parametrize(
        ("rows", "shown"),
        [
            ([row(NASTY, 1, "dgo\n")], rf"'dgo\n' about {SHOWN} is"),
            ([row(NASTY, 1, "dog", "x\ny"), row(NASTY, 1, "eel")], rf"{SHOWN}: 'dog' (x\ny) and"),
            ([row("dog/z.jpg", 102, "eel")], "no photo in dog"),
            ([row("c\r/z.jpg", 104, "eel")], r"no photo in c\r. "),
        ],
        ids=["no class", "two classes", "an emptied class", "an emptied class of an odd name"],
    )
    def test_of_an_error(self, rows: list[Decision], shown: str) -> None:
        catalog = catalog_of((NASTY, 1), *UNTOUCHED, ("c\r/z.jpg", 104), classes=(*CLASSES, "c\r"))
        catalog = replace(catalog, source=DataSource("/da\nta"))
        with pytest.raises((UsageError, DataError)) as caught:
            apply_decisions(catalog, rows)
        assert shown in str(caught.value)
        assert str(caught.value).isprintable()

    def test_of_a_note(self) -> None:
        catalog = catalog_of(
            (NASTY, 1), *UNTOUCHED, ("Keep /z.jpg", 104), classes=(*CLASSES, "Keep\n")
        )
        gone, renamed = row(NASTY, 77, "keep"), row("cat/old\n.jpg", 1, "drop")
        decided = Decided(
            DecisionsFile("mine\n.csv", b"", (gone, renamed)),
            apply_decisions(catalog, [gone, renamed]),
        )
        title, lost, dropped, word = decided.notes
        assert title.startswith(r"mine\n.csv: 1 photo dropped")
        assert lost.endswith(f": {SHOWN}")
        assert rf"{SHOWN} (was cat/old\n.jpg)" in dropped
        assert r"the class Keep\n; write Keep\n/ for the class" in word
        assert all(note.isprintable() for note in decided.notes)


class TestTheSplit:
    def test_lists_what_was_dropped_in_no_part_with_its_content(self) -> None:
        applied = apply_decisions(SMALL, [row("cat/a.jpg", 1, "drop"), row("cat/b.jpg", 2, "dog")])
        catalog = applied.catalog
        result = split(catalog, Groups(np.arange(len(catalog.photos)), ()))
        assert result.rows[-1] == Row("cat/a.jpg", "cat", "", "", content_of(1))
        [relabelled] = [r for r in result.rows if r.path == "cat/b.jpg"]
        assert (relabelled.label, relabelled.part != "") == ("dog", True)

    def test_of_an_earlier_run_keeps_the_part_of_a_copy_of_what_was_dropped(self) -> None:
        files = [(f"{name}/{n}.jpg", n + 100 * place)
                 for place, name in enumerate(CLASSES) for n in range(20)]  # fmt: skip
        catalog = catalog_of(*files, *((f"cat/{n}-copy.jpg", n) for n in range(20)))
        rows = [row(f"cat/{n}-copy.jpg", n, "drop") for n in range(20)]
        left = apply_decisions(catalog, rows).catalog
        groups = Groups(np.arange(len(left.photos)), ())
        earlier = split(left, groups, seed=0)
        later = split(left, groups, seed=1, previous=earlier)
        assert [r.part for r in later.rows] == [r.part for r in earlier.rows]

    def test_written_as_links_has_a_photo_under_its_new_class_beside_one_of_its_name(
        self, folder: Path, tmp_path: Path, write_picture: Callable[..., Path]
    ) -> None:
        write_picture(folder / "cat" / "a-2.png", seed=9)  # the name that a second a.png gets
        catalog = scan(folder)
        photos = {photo.path: photo for photo in catalog.photos}
        moved = photos["dog/a.png"]
        decision = Decision(moved.path, moved.content, "label-suspect", "cat", "cat")
        catalog = apply_decisions(catalog, [decision]).catalog
        rows = [Row(p.path, p.label, "train", p.content[:16], p.content) for p in catalog.photos]
        write_links(catalog, Split(tuple(rows), ()), tmp_path / "out")
        links = sorted((tmp_path / "out").rglob("*.png"))
        assert len(links) == len(catalog.photos) == 5
        targets = {link.resolve().relative_to(folder).as_posix(): link for link in links}
        assert targets.keys() == photos.keys()
        assert targets["dog/a.png"].parent == tmp_path / "out" / PARTS[0] / "cat"
        assert targets["cat/a.png"].name != targets["dog/a.png"].name


def test_a_file_that_nobody_filled_in_is_told() -> None:
    open_ones = (row("cat/a.jpg", 1, ""), row("cat/b.jpg", 2, ""))
    decided = Decided(
        DecisionsFile("mine.csv", b"", open_ones), apply_decisions(SMALL, list(open_ones))
    )
    [note] = decided.notes
    assert note.startswith("mine.csv: it has no decision. Decide on audit.html")
