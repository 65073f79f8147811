"""The training loop of the tutorial's network, resumed from a snapshot if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tensorflow import keras

from candid.core.progress import Advance, Progress
from candid.models.checkpoint import Checkpoint, Snapshot
from candid.models.recipes.cnn_keras import Photos, restore

_METRICS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}
# Earlier versions made two iterators per epoch, each of which drew an order. Drawing two keeps the
# weights of a seed the same.
_ORDERS_AN_EPOCH: Final = 2


@dataclass(frozen=True)
class Loop:
    """The settings of a training.

    Attributes:
        epochs: Total number of passes over the training part.
        log_folder: TensorBoard's folder.
        checkpoint: Where each epoch's snapshot is kept.
        progress: Progress callback.
    """

    epochs: int
    log_folder: Path
    checkpoint: Checkpoint
    progress: Progress


def fit(
    network: Any, training: Photos, validation: Photos | None, loop: Loop
) -> tuple[Snapshot, bool]:
    """Train, or resume from the checkpoint.

    Returns:
        The snapshot after the last complete epoch, and whether all epochs are complete.

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
        keeper = SnapshotCallback(advance, loop, training, start)
        board = ResumedTensorBoard(loop.log_folder, keeper.history, steps)
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


class SnapshotCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes a checkpoint after each epoch and reports progress.

    Attributes:
        snapshot: The state after the last complete epoch; None before the first.
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
        """One row per complete epoch."""
        return self.snapshot.history if self.snapshot else ()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Advance by a batch."""
        self._advance(1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write a snapshot, then report the metrics."""
        logs = logs or {}
        metrics = {name: float(logs[name]) for name in _METRICS if name in logs}
        row = {"epoch": epoch + 1, **metrics}
        adam = [variable.numpy() for variable in self.model.optimizer.variables]
        self.snapshot = Snapshot(self.model.get_weights(), adam, (*self.history, row))
        self._loop.checkpoint.write(self.snapshot)
        self._training.skip(_ORDERS_AN_EPOCH - 1)  # the epoch itself drew one
        text = ", ".join(f"{_METRICS[name]} {value:.3f}" for name, value in metrics.items())
        self._loop.progress.say(f"epoch {epoch + 1} of {self.params['epochs']}: {text}")


class ResumedTensorBoard(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """TensorBoard that also logs the epochs of an earlier process.

    Args:
        log_folder: TensorBoard's folder.
        earlier: History rows of those epochs.
        steps_per_epoch: Batches per epoch.
    """

    def __init__(
        self, log_folder: Path, earlier: Sequence[dict[str, float]], steps_per_epoch: int
    ) -> None:
        super().__init__(log_folder, write_graph=False)
        self._earlier = earlier
        self._steps_per_epoch = steps_per_epoch

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Log the earlier epochs."""
        super().on_train_begin(logs)
        if not self._earlier:
            return
        iterations = self.model.optimizer.iterations
        now = iterations.numpy()
        for epoch, row in enumerate(self._earlier):
            metrics = {name: value for name, value in row.items() if name != "epoch"}
            validation = {n[4:]: value for n, value in metrics.items() if n.startswith("val_")}
            iterations.assign((epoch + 1) * self._steps_per_epoch)
            if validation:
                self.on_test_begin()
                self.on_test_end(validation)
            self.on_epoch_end(epoch, metrics)
        iterations.assign(now)


def _fits(network: Any, found: Snapshot, epochs: int) -> bool:
    network.optimizer.build(network.trainable_variables)
    expected = [tuple(values.shape) for values in (*network.weights, *network.optimizer.variables)]
    received = [values.shape for values in (*found.weights, *found.optimizer)]
    return expected == received and len(found.history) <= epochs
