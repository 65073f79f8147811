"""The training loop of the tutorial's network: from a snapshot on, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tensorflow import keras

from candid.core.progress import Advance, Progress
from candid.models.checkpoint import Checkpoint, Snapshot
from candid.models.recipes.cnn_keras import Photos, restore

_SAID = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}
_VALIDATED: Final = "val_"
# Keras used to make two iterators an epoch, each of which drew an order; the weights of a seed have
# stayed what they were.
_ORDERS_AN_EPOCH: Final = 2


@dataclass(frozen=True)
class Loop:
    """What a training needs beside the network and the photos.

    Attributes:
        epochs: Passes over the training part, in all.
        log_folder: TensorBoard's.
        checkpoint: Where each epoch's snapshot is kept.
        progress: Told how far it is.
    """

    epochs: int
    log_folder: Path
    checkpoint: Checkpoint
    progress: Progress


def fit(
    network: Any, training: Photos, validation: Photos | None, loop: Loop
) -> tuple[Snapshot, bool]:
    """Train, from the epoch on that the checkpoint has.

    Returns:
        What there is after the last epoch that ended, and whether that was the last of all.

    Raises:
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    start = loop.checkpoint.read(lambda found: _fits(network, found, loop.epochs))
    done = 0 if start is None else len(start.history)
    steps = len(training.batches)
    if start is not None:
        loop.progress.say(f"Resuming after epoch {done} of {loop.epochs}")
        restore(network, start)
        training.skip(done * _ORDERS_AN_EPOCH)
    with loop.progress.step("Training", loop.epochs * steps) as advance:
        advance(done * steps)
        keeper = Keeper(advance, loop, training, start)
        board = Board(loop.log_folder, keeper.history, steps)
        try:
            network.fit(
                training.batches,
                validation_data=None if validation is None else validation.batches,
                epochs=loop.epochs,
                initial_epoch=done,
                callbacks=[board, keeper],
                shuffle=False,
                verbose=0,
            )
        except KeyboardInterrupt:
            if keeper.snapshot is None:
                raise
    if keeper.snapshot is None:
        raise ValueError(f"expected at least one epoch. Received: epochs={loop.epochs}")
    return keeper.snapshot, len(keeper.history) == loop.epochs


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps what there is after each epoch, for a Ctrl-C or a kill, and says how far it is.

    Attributes:
        snapshot: After the last epoch that ended; None before the first.
    """

    def __init__(
        self, advance: Advance, loop: Loop, training: Photos, start: Snapshot | None
    ) -> None:
        super().__init__()
        self.snapshot = start
        self._advance = advance
        self._loop = loop
        self._training = training

    @property
    def history(self) -> tuple[dict[str, float], ...]:
        """A row for each epoch that ended."""
        return self.snapshot.history if self.snapshot else ()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Advance by a batch."""
        self._advance(1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep weights and figures together, then tell the figures."""
        logs = logs or {}
        figures = {name: float(logs[name]) for name in _SAID if name in logs}
        row = {"epoch": epoch + 1, **figures}
        adam = [variable.numpy() for variable in self.model.optimizer.variables]
        self.snapshot = Snapshot(self.model.get_weights(), adam, (*self.history, row))
        self._loop.checkpoint.write(self.snapshot)
        self._training.skip(_ORDERS_AN_EPOCH - 1)  # the epoch itself drew one
        told = ", ".join(f"{_SAID[name]} {value:.3f}" for name, value in figures.items())
        self._loop.progress.say(f"epoch {epoch + 1} of {self.params['epochs']}: {told}")


class Board(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """TensorBoard, which also tells of the epochs that an earlier process ended.

    Args:
        log_folder: TensorBoard's.
        earlier: Their rows of the history.
        steps_per_epoch: Batches an epoch.
    """

    def __init__(
        self, log_folder: Path, earlier: Sequence[dict[str, float]], steps_per_epoch: int
    ) -> None:
        super().__init__(log_folder, write_graph=False)
        self._earlier = earlier
        self._steps_per_epoch = steps_per_epoch

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begin, with what has been."""
        super().on_train_begin(logs)
        if not self._earlier:
            return
        iterations = self.model.optimizer.iterations
        now = iterations.numpy()
        for epoch, row in enumerate(self._earlier):
            figures = {name: value for name, value in row.items() if name != "epoch"}
            iterations.assign((epoch + 1) * self._steps_per_epoch)
            self._tell(epoch, figures)
        iterations.assign(now)

    def _tell(self, epoch: int, figures: dict[str, float]) -> None:
        validated = {
            name.removeprefix(_VALIDATED): value
            for name, value in figures.items()
            if name.startswith(_VALIDATED)
        }
        if validated:
            self.on_test_begin()
            self.on_test_end(validated)
        self.on_epoch_end(epoch, figures)


def _fits(network: Any, found: Snapshot, epochs: int) -> bool:
    network.optimizer.build(network.trainable_variables)
    own = [tuple(values.shape) for values in (*network.weights, *network.optimizer.variables)]
    theirs = [values.shape for values in (*found.weights, *found.optimizer)]
    return own == theirs and len(found.history) <= epochs
