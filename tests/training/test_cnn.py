"""The random split and the leak tax of ``cnn``.

No TensorFlow is needed: instead of training, each network gets random weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BACKBONE

from candid.cli.demo import SampleSet
from candid.core.progress import Silent
from candid.data.images import PixelContract
from candid.evaluation.leak_tax import LeakTax
from candid.models.recipes import Trained, cnn
from candid.splits.prepare import Prepared, prepare, split_prepared
from candid.splits.split import PARTS, Row, Split
from candid.training.cnn import random_split, train_cnn
from candid.training.options import TrainOptions
from tests.models.recipes.test_posthoc import SIZE_PX, network

INTERRUPTED = "the second training was interrupted, so no leak tax is reported"


class RecordedProgress(Silent):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class Trainings:
    """Replaces `candid.models.recipes.cnn.train`; takes whether each training is complete."""

    def __init__(self, *complete: bool) -> None:
        self.complete = complete
        self.splits: list[Split] = []
        self.folders: list[Path] = []

    def __call__(self, photos: cnn.Decoded, split: Split, *, folder: Path, **_: object) -> Trained:
        assert folder.is_dir()
        complete = self.complete[len(self.splits)]  # IndexError after the last
        self.splits.append(split)
        self.folders.append(folder)
        return Trained(network(1), photos.contract, ({"epoch": 1.0},), {}, complete)


@pytest.fixture(scope="module")
def prepared(faces: SampleSet, own_cache: Path) -> Prepared:
    del own_cache
    return prepare(faces.folder, backbone=BACKBONE)


@pytest.fixture
def measure(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[LeakTax | None, list[str]]]:
    """Returns the leak tax and the messages of a run with given trainings."""

    def train(trainings: Trainings, *, leak_tax: bool = True) -> tuple[LeakTax | None, list[str]]:
        monkeypatch.setattr(cnn, "train", trainings)
        monkeypatch.setattr(cnn, "start", lambda *_, **__: None)
        monkeypatch.setattr(cnn, "CONTRACT", PixelContract(SIZE_PX, "squash"))
        options = TrainOptions(recipe="cnn", backbone=BACKBONE, leak_tax=leak_tax)
        split = split_prepared(prepared, options.split)
        (tmp_path / "run").mkdir()
        result = train_cnn(
            prepared, split, options, tmp_path / "run", progress := RecordedProgress()
        )
        assert result.trained.complete == trainings.complete[0]
        return result.assessed.evaluation.leak_tax, progress.lines

    return train


def test_two_complete_trainings_give_a_leak_tax(measure: Callable, tmp_path: Path) -> None:
    tax, lines = measure(trainings := Trainings(True, True))
    honest, naive = trainings.splits
    assert naive == random_split(honest, seed=0) != honest
    assert trainings.folders[0] == tmp_path / "run"
    assert not trainings.folders[1].exists()
    assert INTERRUPTED not in lines
    assert tax.honest.n == len(honest.places("test"))
    assert tax.naive.n == len(naive.places("test"))
    assert tax.num_images == len(honest.places(*PARTS))
    assert tax.num_copies > 0


def test_an_interrupted_second_training_gives_none_and_a_message(measure: Callable) -> None:
    tax, lines = measure(trainings := Trainings(True, False))
    assert len(trainings.splits) == 2
    assert not trainings.folders[1].exists()
    assert tax is None
    assert lines.count(INTERRUPTED) == 1


def test_there_is_no_second_training_after_an_interrupted_one(measure: Callable) -> None:
    tax, lines = measure(trainings := Trainings(False))
    assert len(trainings.splits) == 1
    assert tax is None
    assert INTERRUPTED not in lines


def test_there_is_no_second_training_unless_requested(measure: Callable) -> None:
    tax, _ = measure(trainings := Trainings(True), leak_tax=False)
    assert len(trainings.splits) == 1
    assert tax is None


def split_with_copies(num_groups: int = 40, copies: int = 3) -> Split:
    rows = [
        Row(f"{label}/{group}-{copy}.jpg", label, "train", f"{label}{group}", f"{group}:{copy}")
        for label in ("a", "b")
        for group in range(num_groups)
        for copy in range(copies)
    ]
    return Split((*rows, Row("a/out.jpg", "a", "", "", "x")), ())


def test_a_random_split_is_stratified() -> None:
    rows = random_split(split_with_copies(), seed=0).rows
    for label in ("a", "b"):
        counts = Counter(row.part for row in rows if row.label == label and row.part)
        assert counts == {"train": 84, "val": 24, "test": 12}


def test_a_random_split_separates_copies() -> None:
    parts: dict[str, set[str]] = {}
    for row in random_split(split_with_copies(), seed=0).rows:
        parts.setdefault(row.group, set()).add(row.part)
    assert sum(len(found) > 1 for found in parts.values()) > 20


def test_a_random_split_changes_only_the_parts_of_photos_that_are_in_one() -> None:
    before = split_with_copies()
    after = random_split(before, seed=0)
    assert after.rows[-1] == before.rows[-1]
    assert [row.path for row in after.rows] == [row.path for row in before.rows]


def test_another_seed_gives_another_random_split() -> None:
    first, again, other = (random_split(split_with_copies(), seed=seed) for seed in (0, 0, 1))
    assert first == again != other
