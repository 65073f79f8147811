"""The tutorial's network in Keras: data pipeline, layers and training loop.

Imported by `candid.models.recipes.cnn` only when it trains, as TensorFlow takes seconds to import.
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

from candid.core.progress import Advance, Progress
from candid.models.checkpoint import Checkpoint, Snapshot

SIZE_PX: Final = 256
NUM_FILTERS: Final = (16, 32, 16)
NUM_HIDDEN: Final = 256

_IMAGE_BYTES = SIZE_PX * SIZE_PX * 3
_CACHE_SHARE = 1 / 3  # of the machine's memory
# Environment variables by which TensorFlow and oneDNN choose threads and instructions.
_VARIABLES: Final = ("OMP_NUM_THREADS", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")
_PREFIXES: Final = ("TF_", "ONEDNN_", "DNNL_", "KMP_")

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
class Photos:
    """The photos of a part.

    Each pass takes the next order of a sequence that the seed determines. It is drawn with the
    first batch of the pass, so an epoch draws one, however many iterators Keras makes.

    Attributes:
        batches: Of uint8 ``(n, 256, 256, 3)`` and float32 ``(n, 1)`` or int32 ``(n,)``.
        ordered: Draws an order whenever it is iterated.
    """

    batches: tf.data.Dataset
    ordered: tf.data.Dataset

    def skip(self, num_orders: int) -> None:
        """Skip some orders without reading photos."""
        for _ in range(num_orders):
            iter(self.ordered)


def load(
    folder: Path, classes: Sequence[str], *, batch_size: int, shuffle_seed: int | None
) -> Photos:
    """Load one part of a tree of `candid.splits.split_export.write_pixels`.

    The pictures stay in memory after the first pass, if they take less than a third of it.

    Args:
        folder: The part's folder.
        classes: The classes in order.
        batch_size: Pictures per batch; the last may have fewer.
        shuffle_seed: Random seed of the order of each pass; None for the order of the names.
    """
    num_images = count_images(folder)
    cached = stays_in_memory(num_images)
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
    # The loader returns the same whole numbers as float32, four times the memory.
    photos = photos.map(lambda pixels, label: (tf.cast(pixels, tf.uint8), label))
    if cached:
        photos = photos.cache()
        if shuffle_seed is not None:
            photos = photos.shuffle(num_images, seed=shuffle_seed)
    once = tf.data.Dataset.from_tensors(0).flat_map(lambda _: photos)
    counted = once.apply(tf.data.experimental.assert_cardinality(num_images))
    return Photos(counted.batch(batch_size).prefetch(1), photos)


def count_images(folder: Path) -> int:
    """Count the pictures of one part."""
    return sum(1 for _ in folder.glob("*/*.bmp"))


def stays_in_memory(num_images: int) -> bool:
    """Whether so many pictures are cached and shuffled in memory."""
    return num_images * _IMAGE_BYTES < _memory_bytes() * _CACHE_SHARE


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        return 8 * 1024**3


def build_network(
    num_classes: int, *, seed: int, dtype: str = "float32", pool_first: bool = False
) -> Any:
    """Build the tutorial's network: 3,696,625 parameters for two classes.

    Args:
        num_classes: Two have one sigmoid unit, more have a softmax.
        seed: Random seed of the initial weights.
        dtype: The dtype policy of all layers but the last, which is float32.
        pool_first: Apply ReLU after pooling, to a quarter of the values. As ReLU is monotonic,
            outputs and gradients are bit-identical, and a step takes 4 % less time.

    Returns:
        The network, compiled as in the tutorial; its input is uint8 ``(n, 256, 256, 3)``.
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
    """``mixed_bfloat16`` if the processor supports it in hardware, else ``float32``."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        gains = all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)
    else:
        gains = has_bfloat16(_read_cpuinfo())
    return "mixed_bfloat16" if gains else "float32"


def has_bfloat16(cpuinfo: str) -> bool:
    """Whether the CPU multiplies bfloat16, by the text of ``/proc/cpuinfo``."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpuinfo.split())


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


def save(file: Path, network: Any, snapshot: Snapshot) -> None:
    """Set a network's weights to those of a snapshot and save it as ``model.keras``."""
    restore(network, snapshot)
    network.save(file)


def restore(network: Any, snapshot: Snapshot) -> None:
    """Set the weights of a network and its optimizer to those of a snapshot."""
    network.set_weights(snapshot.weights)
    network.optimizer.build(network.trainable_variables)
    for variable, value in zip(network.optimizer.variables, snapshot.optimizer, strict=True):
        variable.assign(value)


def describe_machine() -> dict[str, object]:
    """Everything about this machine that may change the last bits of the weights."""
    threading = tf.config.threading
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "gpus": [str(gpu) for gpu in tf.config.list_physical_devices("GPU")],
        "cpu": sorted(find_cpu_features(_read_cpuinfo())),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": [
            threading.get_intra_op_parallelism_threads(),
            threading.get_inter_op_parallelism_threads(),
        ],
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name in _VARIABLES or name.startswith(_PREFIXES)
        },
    }


def find_cpu_features(cpuinfo: str) -> set[str]:
    """The lines of ``/proc/cpuinfo`` with model and instruction sets, which never change."""
    names = ("model name", "flags", "features")
    return {line for line in cpuinfo.splitlines() if line.lower().startswith(names)}


def write_tensorboard(
    log_folder: Path, network: Any, samples: dict[str, NDArray[np.uint8]]
) -> None:
    """Write the network's graph and sample pictures of each class for TensorBoard."""
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


@dataclass(frozen=True)
class Loop:
    """The settings of a training."""

    epochs: int  # in total, resumed ones included
    log_folder: Path  # TensorBoard's
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
