"""The tutorial's network in Keras: layers, data, training, TensorBoard. Importing it takes seconds.

Only `candid.recipes.cnn` imports it, when it trains.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow import keras

from candid.progress import Advance, Progress
from candid.recipes.cnn_graph import Weights

SIZE_PX: Final = 256
NUM_FILTERS: Final = (16, 32, 16)
NUM_HIDDEN: Final = 256

_IMAGE_BYTES = SIZE_PX * SIZE_PX * 3
_CACHE_SHARE = 1 / 3  # of the machine's memory
_SAID = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}


@dataclass(frozen=True)
class Snapshot:
    """What there is after an epoch.

    Attributes:
        weights: A kernel and a bias a layer.
        adam: The optimizer's variables, so that training can go on from ``model.keras``.
        history: A row for each epoch so far.
    """

    weights: Weights
    adam: Weights
    history: tuple[dict[str, float], ...]


def build_network(
    num_classes: int, *, seed: int, dtype: str = "float32", pool_first: bool = False
) -> Any:
    """Build the network to the letter: 3,696,625 parameters for two classes.

    Args:
        num_classes: Two have one sigmoid unit, more have a softmax.
        seed: For the initial weights.
        dtype: The policy of all layers but the last, which is float32: ``mixed_bfloat16``.
        pool_first: ReLU after pooling, where a quarter of the values is left. It never changes
            which of four values is the largest, so outputs and gradients are the same to the last
            bit, and a step costs 4 % less.

    Returns:
        The network, compiled as the tutorial does; its input is uint8 ``(n, 256, 256, 3)``.
    """
    layers = keras.layers
    seeds = iter(np.random.default_rng(seed).integers(2**31, size=len(NUM_FILTERS) + 2).tolist())

    def weights(dtype: str = dtype) -> dict[str, Any]:
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        return {"kernel_initializer": start, "dtype": dtype}

    parts = [layers.Input((SIZE_PX, SIZE_PX, 3), dtype="uint8", name="image")]
    parts += [layers.Rescaling(1 / 255, dtype=dtype, name="rescaling")]
    relu = None if pool_first else "relu"
    for i, filters in enumerate(NUM_FILTERS, start=1):
        parts += [layers.Conv2D(filters, (3, 3), activation=relu, name=f"conv{i}", **weights())]
        parts += [layers.MaxPooling2D(dtype=dtype, name=f"pool{i}")]
        parts += [layers.ReLU(dtype=dtype, name=f"relu{i}")] if pool_first else []
    parts += [layers.Flatten(dtype=dtype, name="flatten")]
    parts += [layers.Dense(NUM_HIDDEN, activation="relu", name="hidden", **weights())]
    units, activation = (1, "sigmoid") if num_classes == 2 else (num_classes, "softmax")
    last = weights(dtype="float32")
    parts += [layers.Dense(units, activation=activation, name="probabilities", **last)]
    return _compile(keras.Sequential(parts, name="cnn"))


def choose_dtype() -> str:
    """``mixed_bfloat16`` where the processor computes in it, or else ``float32``."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        gains = all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)
    else:
        gains = has_bfloat16(_read_cpuinfo())
    return "mixed_bfloat16" if gains else "float32"


def has_bfloat16(cpuinfo: str) -> bool:
    """Tell from the text of ``/proc/cpuinfo`` whether the CPU multiplies bfloat16."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpuinfo.split())


def load(
    folder: Path, classes: Sequence[str], *, batch_size: int, shuffle_seed: int | None
) -> tf.data.Dataset:
    """Load one part of a tree that `candid.layout.write_pixels` wrote.

    The pictures stay in memory after the first pass, if they take less than a third of it.

    Args:
        folder: The part's folder.
        classes: The classes in order.
        batch_size: Pictures a batch; the last has what is left.
        shuffle_seed: Another order at each pass, from this seed; None for the order of the names.

    Returns:
        Batches of uint8 ``(n, 256, 256, 3)`` and float32 ``(n, 1)`` or int32 ``(n,)``.
    """
    num_images = count_images(folder)
    cached = num_images * _IMAGE_BYTES < _memory_bytes() * _CACHE_SHARE
    photos = keras.utils.image_dataset_from_directory(
        folder,
        label_mode="binary" if len(classes) == 2 else "int",
        class_names=list(classes),
        batch_size=None,
        image_size=(SIZE_PX, SIZE_PX),
        shuffle=shuffle_seed is not None and not cached,
        seed=shuffle_seed,
        verbose=False,
    )
    # The loader gives float32, four times the memory, of the same whole numbers.
    photos = photos.map(lambda pixels, label: (tf.cast(pixels, tf.uint8), label))
    if cached:
        photos = photos.cache()
        if shuffle_seed is not None:
            photos = photos.shuffle(num_images, seed=shuffle_seed)
    return photos.batch(batch_size).prefetch(1)


def count_images(folder: Path) -> int:
    """Count the pictures of one part."""
    return sum(1 for _ in folder.glob("*/*.bmp"))


def _compile(network: Any) -> Any:
    losses = keras.losses
    binary = network.output_shape[-1] == 1
    network.compile(
        optimizer=keras.optimizers.Adam(),
        loss=losses.BinaryCrossentropy() if binary else losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
        jit_compile=False,  # XLA is three times as slow on a CPU
    )
    return network


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps what there is after each epoch, for a Ctrl-C, and says how far it is.

    Attributes:
        snapshot: After the last epoch that ended; None before the first.
    """

    def __init__(self, advance: Advance, progress: Progress) -> None:
        super().__init__()
        self.snapshot: Snapshot | None = None
        self._advance = advance
        self._progress = progress

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Advance by a batch."""
        self._advance(1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep weights and figures together, then tell the figures."""
        logs = logs or {}
        figures = {name: float(logs[name]) for name in _SAID if name in logs}
        history = self.snapshot.history if self.snapshot else ()
        row = {"epoch": epoch + 1, **figures}
        adam = [variable.numpy() for variable in self.model.optimizer.variables]
        self.snapshot = Snapshot(self.model.get_weights(), adam, (*history, row))
        told = ", ".join(f"{_SAID[name]} {value:.3f}" for name, value in figures.items())
        self._progress.say(f"epoch {epoch + 1} of {self.params['epochs']}: {told}")


def fit(
    network: Any,
    training: tf.data.Dataset,
    validation: tf.data.Dataset | None,
    *,
    epochs: int,
    log_folder: Path,
    progress: Progress,
) -> tuple[Snapshot, bool]:
    """Train.

    Returns:
        What there is after the last epoch that ended, and whether that was the last of all.

    Raises:
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    with progress.step("Training", epochs * len(training)) as advance:
        keeper = Keeper(advance, progress)
        board = keras.callbacks.TensorBoard(log_folder, write_graph=False)
        try:
            network.fit(
                training,
                validation_data=validation,
                epochs=epochs,
                callbacks=[board, keeper],
                shuffle=False,
                verbose=0,
            )
        except KeyboardInterrupt:
            if keeper.snapshot is None:
                raise
    if keeper.snapshot is None:
        raise ValueError(f"expected at least one epoch. Received: epochs={epochs}")
    return keeper.snapshot, len(keeper.snapshot.history) == epochs


def save(file: Path, network: Any, snapshot: Snapshot) -> None:
    """Save what there is as ``model.keras``.

    Args:
        file: Ends in ``.keras``.
        network: A ``keras.Sequential`` of `build_network`, whose weights are set.
        snapshot: What it is to hold.
    """
    network.set_weights(snapshot.weights)
    network.optimizer.build(network.trainable_variables)
    for variable, value in zip(network.optimizer.variables, snapshot.adam, strict=True):
        variable.assign(value)
    network.save(file)


def show_on_board(log_folder: Path, network: Any, samples: dict[str, NDArray[np.uint8]]) -> None:
    """Write the graph and a page of pictures for TensorBoard.

    Args:
        log_folder: TensorBoard's folder.
        network: Whose graph.
        samples: Some pictures, uint8 ``(n, 256, 256, 3)``, of each class.
    """
    image = tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3), tf.uint8, "image")
    graph = tf.function(network).get_concrete_function(image).graph
    writer = tf.summary.create_file_writer(str(log_folder / "samples"))
    with writer.as_default():
        tf.summary.graph(graph)
        for name, pixels in samples.items():
            tf.summary.image(f"samples/{name}", pixels, step=0, max_outputs=len(pixels))
    writer.close()


def _read_cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return ""


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        return 8 * 1024**3
