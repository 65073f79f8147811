"""The passes of `cnn_keras.Training` over the photos: order, checkpoints, TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow import keras

from candid.core.progress import Advance, Progress
from candid.core.threads import map_ahead
from candid.models.checkpoint import Checkpoint, Snapshot
from candid.models.recipes.cnn_keras import Training
from candid.models.recipes.views import vary_lightly

PATIENCE: Final = 5  # epochs without a lower validation loss, after which training stops early

_METRICS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}


class Board(ExitStack):
    """TensorBoard's files, with the tags that Keras' own callback gives them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._train, self._validation, self._samples = (
            tf.summary.create_file_writer(str(folder / part))
            for part in ("train", "validation", "samples")
        )
        for writer in (self._train, self._validation, self._samples):
            self.callback(writer.close)

    def write_samples(self, graph: Any, samples: dict[str, NDArray[np.uint8]]) -> None:
        """Write the network's graph and sample pictures of each class."""
        with self._samples.as_default():
            tf.summary.graph(graph)
            for name, pixels in samples.items():
                tf.summary.image(f"samples/{name}", pixels, step=0, max_outputs=len(pixels))

    def write(self, row: dict[str, float], num_steps: int, learning_rate: float) -> None:
        """Write the row of an epoch, after so many steps."""
        step = int(row["epoch"]) - 1
        with self._train.as_default():
            for name in ("loss", "accuracy"):
                tf.summary.scalar(f"epoch_{name}", row[name], step)
            tf.summary.scalar("epoch_learning_rate", learning_rate, step)
            self._train.flush()
        with self._validation.as_default():
            for name in ("loss", "accuracy"):
                if f"val_{name}" in row:
                    value = row[f"val_{name}"]
                    tf.summary.scalar(f"evaluation_{name}_vs_iterations", value, num_steps)
                    tf.summary.scalar(f"epoch_{name}", value, step)
            self._validation.flush()


@dataclass(frozen=True)
class Photos:
    """Decoded photos.

    Attributes:
        pixels: uint8 ``(m, 256, 256, 3)``; the photo at place p is in row p // ``num_shares``.
        labels: int32 ``(n,)``.
        train: Places of those to train on, int64.
        val: Places of those to measure after each epoch; may be empty.
        num_shares: Number of workers that share the photos, see `Training.own`.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    num_shares: int = 1


@dataclass(frozen=True)
class Loop:
    """The settings of a training."""

    epochs: int  # in total, resumed ones included
    batch_size: int
    seed: int  # of the orders and of the augmentation
    checkpoint: Checkpoint
    progress: Progress
    augment: bool = False  # train on varied views
    early_stop: bool = False  # stop `PATIENCE` epochs after the best one
    best_epoch: bool = False  # keep the weights of the best epoch, not only those of the last

    def is_over(self, history: Sequence[dict[str, float]]) -> bool:
        """Whether no epoch comes after those of a history."""
        waited = len(history) - best_epoch(history) if history and self.early_stop else 0
        return len(history) == self.epochs or waited >= PATIENCE


def best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """Number of the first epoch with the lowest validation loss, from 1."""
    losses = np.array([row["val_loss"] for row in history])
    return 1 + int(np.where(np.isnan(losses), np.inf, losses).argmin())


#: Runs the epochs after a snapshot, if there is one, and yields the state after some of them.
RunEpochs = Callable[[Snapshot | None, Advance], Iterator[Snapshot]]


def fit(
    training: Training, photos: Photos, board: Board, loop: Loop, run: RunEpochs | None = None
) -> tuple[Snapshot, bool]:
    """Train, or resume from the checkpoint. The order of an epoch depends on it and the seed alone.

    Args:
        training: The network.
        photos: Decoded.
        board: Gets a row for each epoch.
        loop: The settings.
        run: Runs the epochs, by default in this process.

    Returns:
        The snapshot after the last complete epoch, and whether no epoch is missing.

    Raises:
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    snapshot = loop.checkpoint.read(
        lambda found: training.fits(found) and len(found.history) <= loop.epochs
    )
    steps = -(-len(photos.train) // loop.batch_size)
    rate = float(keras.ops.convert_to_numpy(training.network.optimizer.learning_rate))
    history = () if snapshot is None else snapshot.history
    if snapshot is not None:
        loop.progress.say(f"Resuming after epoch {len(history)} of {loop.epochs}")
        training.restore(snapshot)
    for number, row in enumerate(history, 1):
        board.write(row, number * steps, rate)
    run = run or partial(run_epochs, training, photos, loop)
    with loop.progress.step("Training", loop.epochs * steps) as advance:
        advance(len(history) * steps)
        try:
            for state in run(snapshot, advance):
                snapshot = state
                loop.checkpoint.write(snapshot)
                new, history = snapshot.history[len(history) :], snapshot.history
                for row in new:
                    board.write(row, int(row["epoch"]) * steps, rate)
                    text = ", ".join(f"{_METRICS[n]} {row[n]:.3f}" for n in _METRICS if n in row)
                    loop.progress.say(f"epoch {int(row['epoch'])} of {loop.epochs}: {text}")
        except KeyboardInterrupt:
            if snapshot is None:
                raise
    assert snapshot is not None  # at least one epoch, see `Options`
    is_over = loop.is_over(history)
    if is_over and len(history) < loop.epochs:
        best = best_epoch(history)
        loop.progress.say(f"Stopped early: the validation loss fell no more after epoch {best}")
    return snapshot, is_over


def run_epochs(
    training: Training, photos: Photos, loop: Loop, snapshot: Snapshot | None, advance: Advance
) -> Iterator[Snapshot]:
    """Run the epochs after a snapshot; yields the state after each."""
    history = () if snapshot is None else snapshot.history
    while not loop.is_over(history):
        row = _run_epoch(training, photos, loop, len(history), advance)
        history = (*history, {"epoch": len(history) + 1, **row})
        snapshot = _snapshot(training, history, loop, snapshot)
        yield snapshot


def _snapshot(
    training: Training,
    history: tuple[dict[str, float], ...],
    loop: Loop,
    before: Snapshot | None,
) -> Snapshot:
    """The state after an epoch, with the best weights so far if these are to be kept."""
    if not loop.best_epoch:
        return training.snapshot(history)
    if before is None or best_epoch(history) == len(history):
        return training.snapshot(history, training.network.get_weights())
    return training.snapshot(history, before.best)


def _run_epoch(
    training: Training, photos: Photos, loop: Loop, epoch: int, advance: Advance
) -> dict[str, float]:
    """Train on all photos and measure on the others; returns loss and accuracy of both."""

    def run(
        function: Callable[..., Any],
        places: NDArray[np.int64],
        advance: Advance,
        *,
        augment: bool = False,
    ) -> tuple[float, float]:
        def load(start: int) -> tuple[Any, Any, Any]:
            whole = places[start : start + loop.batch_size]
            batch = training.own(whole)
            pixels = photos.pixels[batch // photos.num_shares]
            if augment and len(batch):  # threads load, so each batch has its own random numbers
                rng = np.random.default_rng([loop.seed, epoch, start])
                pixels = np.stack([vary_lightly(picture, rng) for picture in pixels])
            size = tf.constant(len(whole), tf.float32)
            return tf.constant(pixels), tf.constant(photos.labels[batch]), size

        sums = np.zeros(2)
        for batch in map_ahead(load, range(0, len(places), loop.batch_size), num_ahead=2):
            sums += function(*batch).numpy()
            advance(1)
        loss, accuracy = (sums / len(places)).tolist()
        return loss, accuracy

    order = np.random.default_rng([loop.seed, epoch]).permutation(photos.train)
    trained = run(training.step, order, advance, augment=loop.augment)
    row = dict(zip(("loss", "accuracy"), trained, strict=True))
    if len(photos.val):
        measured = run(training.measure, photos.val, lambda _: None)
        row |= zip(("val_loss", "val_accuracy"), measured, strict=True)
    return row
