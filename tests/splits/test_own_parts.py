"""A folder with its own train, val and test keeps them; copies across them are named."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candid.cli.demo import SampleSet
from candid.data.catalog import Catalog, Photo
from candid.data.source import DataSource
from candid.errors import SplitError, UsageError
from candid.evaluation.evaluate import evaluate_run
from candid.evaluation.verify import verify_run
from candid.runs.artifact import read_manifest
from candid.splits.duplicates import Groups
from candid.splits.own_parts import Mode, OwnParts
from candid.splits.prepare import SplitOptions, prepare, split_prepared
from candid.splits.split import Split, read_csv, split, to_csv
from candid.splits.split_export import write_links
from candid.training import Run, TrainOptions, train
from candid.training.training import require_trainable

BACKBONE = "efficientnet-lite0"


def content_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def catalog_of(*rows: tuple[str, int]) -> tuple[Catalog, Groups]:
    """A catalog of photos given as (part/class, picture)."""
    photos = [
        Photo(
            f"{place}/{number:04}.jpg",
            place.split("/")[1],
            hashlib.sha256(str(number).encode()).hexdigest(),
        )
        for number, (place, _) in enumerate(rows)
    ]
    order = sorted(range(len(rows)), key=lambda number: photos[number].path)
    numbers = np.unique([rows[number][1] for number in order], return_inverse=True)[1]
    return Catalog(
        DataSource("/data"),
        tuple(sorted({photo.label for photo in photos})),
        tuple(photos[number] for number in order),
        (),
        tuple(sorted({place.split("/")[0] for place, _ in rows})),
    ), Groups(numbers.astype(np.int64), ())


def filled(**sizes: int) -> list[tuple[str, int]]:
    """Different pictures, half of each class, by the name of the part."""
    names = [(part, number) for part, size in sizes.items() for number in range(size)]
    return [(f"{part}/{'cat' if n % 2 else 'dog'}", place) for place, (part, n) in enumerate(names)]


def moved(made: Split) -> Counter[tuple[str, str]]:
    """Number of photos by the folder that they lie in and the part that they are in."""
    return Counter((row.path.partition("/")[0], row.part) for row in made.rows)


class TestTheParts:
    @pytest.mark.parametrize(
        "names",
        [
            ("train", "val", "test"),
            ("Training", "Validation", "Testing"),
            ("TRAIN", "dev", "Test_Set"),
            ("seg_train", "valid", "TestImages"),
            ("trainset", "eval", "holdout"),
        ],
    )
    def test_are_those_of_the_folder_by_any_usual_name(self, names: tuple[str, ...]) -> None:
        made = split(*catalog_of(*filled(**dict(zip(names, (6, 4, 8), strict=True)))))
        expected = zip(names, ("train", "val", "test"), (6, 4, 8), strict=True)
        assert moved(made) == {(name, part): size for name, part, size in expected}
        assert made.own == OwnParts("strict", ("train", "val", "test"), 0)
        assert made.notes == ("the folder's own parts are kept: train (6), val (4) and test (8)",)

    def test_that_lack_a_val_part_get_one_out_of_train(self) -> None:
        made = split(*catalog_of(*filled(train=90, test=7)))
        assert moved(made) == {("train", "train"): 70, ("train", "val"): 20, ("test", "test"): 7}
        [note] = made.notes
        assert note.endswith("train (90) and test (7); a val (20) was cut out of train")

    def test_that_lack_a_test_part_get_one_out_of_train_as_val_was_chosen_by(self) -> None:
        made = split(*catalog_of(*filled(train=80, val=30)))
        assert moved(made) == {("train", "train"): 70, ("train", "test"): 10, ("val", "val"): 30}
        assert made.own == OwnParts("strict", ("train", "val"), 0)

    @pytest.mark.parametrize("mode", ["strict", "as-is"])
    def test_that_lack_a_test_part_get_none_of_the_pictures_that_val_has(self, mode: Mode) -> None:
        copies = [("train/cat" if n % 2 else "train/dog", 80 + n) for n in range(30)]
        made = split(*catalog_of(*filled(train=80, val=30), *copies), own_parts=mode)
        groups = {
            part: {row.group for row in made.rows if row.part == part} for part in ("val", "test")
        }
        assert moved(made)["train", "test"] == len(groups["test"]) == 10
        assert groups["test"].isdisjoint(groups["val"])
        assert moved(made)["train", "train"] == 70 + 30
        assert moved(made)["train", ""] == 0
        assert made.own == OwnParts(mode, ("train", "val"), 0)

    def test_of_a_single_folder_are_drawn_as_usual(self) -> None:
        made = split(*catalog_of(*filled(train=100)))
        assert moved(made) == {("train", "train"): 70, ("train", "val"): 20, ("train", "test"): 10}
        assert made.own is None

    def test_without_one_to_train_on_are_refused(self) -> None:
        with pytest.raises(SplitError, match="no photo in a training part; its folders are test "):
            split(*catalog_of(*filled(test=9, val=9)))

    def test_of_an_earlier_split_are_kept_and_new_photos_go_where_they_lie(self) -> None:
        rows = filled(train=90, test=7)
        first = split(*catalog_of(*rows))
        more = split(*catalog_of(*rows, ("train/cat", 500), ("test/cat", 501)), previous=first)
        assert {row.path: row.part for row in more.rows}.items() >= {
            row.path: row.part for row in first.rows
        }.items()
        assert Counter(row.part for row in more.rows)["test"] == 8

    @pytest.mark.parametrize(
        ("swapped", "own", "told"),
        [
            (("train", "test"), ("val",), "the folder's own parts are kept: val (8)"),
            (("train", "val"), ("test",), "the folder's own parts are kept: test (9)"),
            (("val", "test"), ("train",), "the folder's own parts are kept: train (40)"),
        ],
    )
    def test_that_an_earlier_split_moved_photos_between_are_not_called_the_folders_own(
        self, swapped: tuple[str, str], own: tuple[str, ...], told: str
    ) -> None:
        pair = catalog_of(*filled(train=40, val=8, test=9))
        first = split(*pair)
        other = dict(zip(swapped, swapped[::-1], strict=True))
        rows = tuple(
            replace(row, part=other.get(row.part, row.part)) if place % 2 else row
            for place, row in enumerate(first.rows)
        )
        made = split(*pair, previous=replace(first, rows=rows))
        assert [row.part for row in made.rows] == [row.part for row in rows]
        assert made.own == OwnParts("strict", own, 0)
        assert made.own.has_test == ("test" in own)
        assert any(note.startswith(told) for note in made.notes)

    def test_that_an_earlier_split_drew_anew_are_none_of_the_folders(self) -> None:
        pair = catalog_of(*filled(train=40, val=8, test=9))
        rows = tuple(
            replace(row, part=("train", "val", "test")[place % 3])
            for place, row in enumerate(split(*pair).rows)
        )
        made = split(*pair, previous=Split(rows, ()))
        assert made.own == OwnParts("strict", (), 0)
        assert made.notes == ("the parts are those of the earlier split, not the folder's own",)

    def test_a_class_without_a_photo_in_one_is_named(self) -> None:
        made = split(*catalog_of(*filled(train=8, val=4, test=4), ("train/eel", 99)))
        assert made.notes[-1] == "class 'eel' has no photo for a val and a test part"


class TestCopiesAcrossParts:
    ROWS = (
        *filled(train=8, val=4, test=4),
        ("test/dog", 0),  # of a picture in train
        ("test/dog", 8),  # in val
        ("val/dog", 0),  # in train
    )

    def test_are_left_out_of_the_later_part_and_named(self) -> None:
        made = split(*catalog_of(*self.ROWS))
        assert moved(made) == {
            ("train", "train"): 8,
            ("val", "val"): 4,
            ("val", ""): 1,
            ("test", "test"): 4,
            ("test", ""): 2,
        }
        assert made.own == OwnParts("strict", ("train", "val", "test"), 2)
        assert made.notes[-1] == (
            "3 photos (2 of test) of a picture or group that an earlier part has too, in no part; "
            "--own-parts as-is keeps them: test/dog/0016.jpg (as train/dog/0000.jpg), "
            "test/dog/0017.jpg (as val/dog/0008.jpg), val/dog/0018.jpg (as train/dog/0000.jpg)"
        )

    def test_are_kept_and_named_as_is(self) -> None:
        made = split(*catalog_of(*self.ROWS), own_parts="as-is")
        assert moved(made) == {("train", "train"): 8, ("val", "val"): 5, ("test", "test"): 6}
        assert made.own == OwnParts("as-is", ("train", "val", "test"), 2)
        assert "kept (--own-parts as-is), so the figures are too good" in made.notes[-1]

    def test_that_are_equal_files_stay_where_the_split_of_a_run_as_is_had_them(
        self, tmp_path: Path
    ) -> None:
        catalog, groups = catalog_of(*self.ROWS)
        of_picture: dict[int, str] = {}
        photos = tuple(
            replace(photo, content=of_picture.setdefault(picture, photo.content))
            for photo, picture in zip(catalog.photos, groups.of_photo.tolist(), strict=True)
        )
        pair = replace(catalog, photos=photos), groups
        assert len(of_picture) < len(photos)
        first = split(*pair, own_parts="as-is")
        file = tmp_path / "split.csv"
        file.write_text(to_csv(first, with_content=True), encoding="utf-8")
        again = split(*pair, own_parts="as-is", previous=read_csv(file))
        assert again == first

    def test_of_the_users_group_count_too(self) -> None:
        pair = catalog_of(*filled(train=8, val=4, test=4))
        paths = {photo.path: "one person" for photo in pair[0].photos if "cat" in photo.path}
        made = split(*pair, group_by=paths)
        assert moved(made)["test", ""] == moved(made)["test", "test"] == 2

    def test_follow_the_picture_where_val_is_cut_out_of_train(self) -> None:
        rows = [*filled(train=60, test=4), *(("train/dog", n) for n in range(0, 60, 2))]
        made = split(*catalog_of(*rows))
        parts: dict[str, set[str]] = {}
        for row in made.rows:
            parts.setdefault(row.group, set()).add(row.part)
        assert all(len(found) == 1 for found in parts.values())

    def test_in_two_classes_are_in_no_part_unless_as_is(self) -> None:
        pair = catalog_of(*filled(train=8, val=4, test=4), ("test/cat", 0))
        strict, as_is = split(*pair), split(*pair, own_parts="as-is")
        assert moved(strict)["train", ""] == moved(strict)["test", ""] == 1
        assert moved(as_is) == {("train", "train"): 8, ("val", "val"): 4, ("test", "test"): 5}
        said = "the same picture is in two classes"
        assert [sum(f"{said}, so it is in no" in n for n in s.notes) for s in (strict, as_is)] == [
            1,
            0,
        ]
        assert any(f"{said}: " in note for note in as_is.notes)


NUM_COPIES = 3


@pytest.fixture(scope="module")
def parted(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty faces in ``Training`` and ``Testing``, and three train photos saved anew in test."""
    root = tmp_path_factory.mktemp("parted") / "faces"
    for name in ("happy", "sad"):
        files = sorted(path for path in (faces.folder / name).iterdir() if path.suffix == ".jpg")
        for number, file in enumerate(files):
            part = "Testing" if number % 4 == 0 else "Training"
            (root / part / name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, root / part / name / file.name)
    drawn = sorted((root / "Training" / "happy").glob("face-*.jpg"))[:NUM_COPIES]
    for file in drawn:
        again = root / "Testing" / "happy" / f"again-{file.name}"
        Image.open(file).save(again, quality=70)
    (root / "Testing" / "notes.txt").write_text("from the fair")
    return root


@pytest.fixture(scope="module")
def own_run(parted: Path, tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Run:
    """A run on them."""
    del own_cache
    folder = tmp_path_factory.mktemp("own") / "run"
    return train(parted, run=folder, options=TrainOptions(backbone=BACKBONE))


class TestATraining:
    def test_is_measured_on_the_folders_own_test_part_without_the_copies(
        self, own_run: Run
    ) -> None:
        rows = read_csv(own_run.folder / "split.csv").rows
        tested = [row for row in rows if row.part == "test"]
        assert all(row.path.startswith("Testing/") for row in tested)
        left_out = [row.path for row in rows if "again-" in row.path and not row.part]
        assert len(left_out) == NUM_COPIES
        assert own_run.evaluation.test.n == len(tested) > 5
        assert own_run.evaluation.believe == "test"
        assert own_run.evaluation.kfold is None
        assert any(path in note for note in own_run.notes for path in left_out[:1])

    def test_says_so_in_manifest_report_card_and_terminal(self, own_run: Run) -> None:
        own = read_manifest(own_run.folder).data.own_parts
        assert own is not None
        assert own.mode == "strict"
        assert own.parts == ("train", "test")
        assert own.num_copies >= NUM_COPIES
        assert "on the folder's own test part" in own_run.to_text()
        for file in ("report.html", "MODEL_CARD.md"):
            text = (own_run.folder / file).read_text(encoding="utf-8").replace("&#39;", "'")
            assert "the folder's own parts are kept: train" in text, file
            assert "the folder's own test part" in text, file

    def test_is_verified_and_evaluated_again(self, own_run: Run, parted: Path) -> None:
        assert verify_run(own_run.folder).differences == ()
        again = evaluate_run(own_run.folder, parted)
        assert again.elsewhere is None
        assert again.evaluation.test.n == own_run.evaluation.test.n

    def test_as_is_keeps_the_copies_and_says_so(
        self, own_run: Run, parted: Path, tmp_path: Path
    ) -> None:
        options = TrainOptions(backbone=BACKBONE, split=SplitOptions(own_parts="as-is"))
        run = train(parted, run=tmp_path / "run", options=options)
        own = read_manifest(run.folder).data.own_parts
        assert own is not None
        assert own.mode == "as-is"
        tested = run.evaluation.test.n
        assert tested == own.num_copies + own_run.evaluation.test.n
        said = f"{own.num_copies} of its {tested} photos show a picture that the model was trained"
        for file in ("report.html", "MODEL_CARD.md"):
            text = (run.folder / file).read_text(encoding="utf-8").replace("\u00a0", " ")
            assert said in text, file
        assert "trained on copies" in run.to_text()

    def test_by_an_earlier_split_of_other_parts_does_not_claim_the_folders_own(
        self, parted: Path, trained: Run, tmp_path: Path
    ) -> None:
        drawn = trained.folder / "split.csv"
        options = TrainOptions(backbone=BACKBONE, split=SplitOptions(previous=drawn))
        run = train(parted, run=tmp_path / "run", options=options)
        rows = read_csv(run.folder / "split.csv").rows
        assert any(row.part == "test" and row.path.startswith("Training/") for row in rows)
        own = read_manifest(run.folder).data.own_parts
        assert own is not None
        assert not own.has_test
        assert "own test part" not in run.to_text()
        for file in ("report.html", "MODEL_CARD.md"):
            text = (run.folder / file).read_text(encoding="utf-8").replace("&#39;", "'")
            assert "own test part" not in text, file

    def test_without_figures_is_on_all_the_parts(self, parted: Path, tmp_path: Path) -> None:
        options = TrainOptions(backbone=BACKBONE, figures=False)
        run = train(parted, run=tmp_path / "run", options=options)
        rows = read_csv(run.folder / "split.csv").rows
        used = [row.path for row in rows if row.part]
        assert {row.part for row in rows if row.part} == {"train"}
        assert sum(path.startswith("Testing/") for path in used) > 5
        assert sum("again-" in path for path in used) == NUM_COPIES
        manifest = read_manifest(run.folder)
        assert manifest.data.own_parts is None
        assert not any("own parts" in note or "in no part;" in note for note in run.notes)

    def test_as_is_of_a_folder_without_parts_is_refused(self, faces: SampleSet) -> None:
        options = TrainOptions(backbone=BACKBONE, split=SplitOptions(own_parts="as-is"))
        with pytest.raises(UsageError, match=r"has none: its sub-folders are happy and sad\."):
            train(faces.folder, options=options)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*filled(train=8, test=4)[:-1], ("test/eel", 99)], "train and val parts have no photo of"),
        ([*filled(train=8), ("test/dog", 0), ("test/cat", 1)], "no photo is left in the folder's"),
    ],
    ids=["a class in test alone", "only copies in test"],
)
def test_parts_that_cannot_be_trained_on_are_refused(
    rows: list[tuple[str, int]], message: str
) -> None:
    catalog, groups = catalog_of(*rows)
    with pytest.raises(SplitError, match=message):
        require_trainable(split(catalog, groups), catalog.classes)


def test_a_tree_of_links_has_the_folders_own_parts(parted: Path, tmp_path: Path) -> None:
    prepared = prepare(parted, backbone=BACKBONE)
    made = split_prepared(prepared, SplitOptions())
    tree = write_links(prepared.catalog, made, tmp_path / "tree")
    tested = [row for row in made.rows if row.part == "test"]
    names = {path.name for path in (tmp_path / "tree" / "test").glob("*/*")}
    assert names == {Path(row.path).name for row in tested}
    assert tree.counts["test"] == len(tested)
    assert not any("again-" in name for name in names)
