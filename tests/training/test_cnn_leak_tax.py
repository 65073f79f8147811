"""What a random split would have claimed of ``cnn``, and when that is not said; nothing is fitted.

The network of each training is drawn at random, so no TensorFlow is needed.
"""

from __future__ import annotations

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
from candid.splits.split import PARTS, Split
from candid.training.cnn import random_split, train_cnn
from candid.training.options import TrainOptions
from tests.models.recipes.test_posthoc import SIZE_PX, network

BROKEN_OFF = "the second training was interrupted, so no leak tax is reported"


class Listener(Silent):
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class Trainings:
    """Stands for `candid.models.recipes.cnn.train`; each ends, or is broken off, as it is told."""

    def __init__(self, *complete: bool) -> None:
        self.complete = complete
        self.splits: list[Split] = []
        self.folders: list[Path] = []

    def __call__(self, _catalog: object, split: Split, *, folder: Path, **_: object) -> Trained:
        assert folder.is_dir()
        complete = self.complete[len(self.splits)]  # one training too many is an IndexError
        self.splits.append(split)
        self.folders.append(folder)
        contract = PixelContract(SIZE_PX, "squash")
        return Trained(network(1), contract, ({"epoch": 1.0},), {}, complete)


@pytest.fixture(scope="module")
def prepared(faces: SampleSet, own_cache: Path) -> Prepared:
    del own_cache
    return prepare(faces.folder, backbone=BACKBONE)


@pytest.fixture
def measure(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[LeakTax | None, list[str]]]:
    """The leak tax of a run whose trainings go so, and what was said on the way."""

    def train(trainings: Trainings, *, leak_tax: bool = True) -> tuple[LeakTax | None, list[str]]:
        monkeypatch.setattr(cnn, "train", trainings)
        options = TrainOptions(recipe="cnn", backbone=BACKBONE, leak_tax=leak_tax)
        dealt = split_prepared(prepared, options.split)
        (tmp_path / "run").mkdir()
        result = train_cnn(prepared, dealt, options, tmp_path / "run", listener := Listener())
        assert result.trained.complete == trainings.complete[0]
        return result.assessed.evaluation.leak_tax, listener.lines

    return train


def test_two_trainings_that_end_give_one(measure: Callable, tmp_path: Path) -> None:
    tax, lines = measure(trainings := Trainings(True, True))
    honest, naive = trainings.splits
    assert naive == random_split(honest, seed=0) != honest
    assert trainings.folders[0] == tmp_path / "run"
    assert not trainings.folders[1].exists()
    assert BROKEN_OFF not in lines
    assert tax.honest.n == len(honest.places("test"))
    assert tax.naive.n == len(naive.places("test"))
    assert tax.num_images == len(honest.places(*PARTS))
    assert tax.num_copies > 0


def test_a_second_training_that_is_broken_off_gives_none_and_is_told(measure: Callable) -> None:
    tax, lines = measure(trainings := Trainings(True, False))
    assert len(trainings.splits) == 2
    assert not trainings.folders[1].exists()
    assert tax is None
    assert lines.count(BROKEN_OFF) == 1


def test_after_a_first_training_that_is_broken_off_there_is_no_second(measure: Callable) -> None:
    tax, lines = measure(trainings := Trainings(False))
    assert len(trainings.splits) == 1
    assert tax is None
    assert BROKEN_OFF not in lines


def test_where_it_was_not_asked_for_there_is_no_second_training(measure: Callable) -> None:
    tax, _ = measure(trainings := Trainings(True), leak_tax=False)
    assert len(trainings.splits) == 1
    assert tax is None
