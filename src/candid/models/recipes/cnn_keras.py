"""The tutorial's network in Keras, and its training in operations of TensorFlow.

Imported by `candid.models.recipes.cnn` only when it trains, as TensorFlow takes seconds to import.
Keras' own loop takes a tenth more per step and seconds to trace; what it computes is the same.
"""

from __future__ import annotations

import json
import os
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
from candid.models.checkpoint import Arrays, Checkpoint, Snapshot
from candid.models.recipes.views import vary_lightly

SIZE_PX: Final = 256
NUM_FILTERS: Final = (16, 32, 16)
NUM_HIDDEN: Final = 256
PATIENCE: Final = 5  # epochs without a lower validation loss, after which training stops early

# Environment variables by which TensorFlow and oneDNN choose threads and instructions.
_VARIABLES: Final = ("OMP_NUM_THREADS", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")
_PREFIXES: Final = ("TF_", "ONEDNN_", "DNNL_", "KMP_")

_METRICS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}


def build_network(num_classes: int, *, seed: int) -> Any:
    """Build the tutorial's network: 3,696,625 parameters for two classes.

    Args:
        num_classes: Two have one sigmoid unit, more have a softmax.
        seed: Random seed of the initial weights.

    Returns:
        The network, compiled as in the tutorial; its input is uint8 ``(n, 256, 256, 3)``.
    """
    layers, losses = keras.layers, keras.losses
    seeds = iter(np.random.default_rng(seed).integers(2**31, size=len(NUM_FILTERS) + 2).tolist())

    def weights() -> dict[str, Any]:
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        return {"kernel_initializer": start, "dtype": "float32"}

    parts = [layers.Input((SIZE_PX, SIZE_PX, 3), dtype="uint8", name="image")]
    parts += [layers.Rescaling(1 / 255, dtype="float32", name="rescaling")]
    for i, filters in enumerate(NUM_FILTERS, start=1):
        conv = layers.Conv2D(filters, (3, 3), activation="relu", name=f"conv{i}", **weights())
        parts += [conv, layers.MaxPooling2D(dtype="float32", name=f"pool{i}")]
    parts += [layers.Flatten(dtype="float32", name="flatten")]
    parts += [layers.Dense(NUM_HIDDEN, activation="relu", name="hidden", **weights())]
    binary = num_classes == 2
    units, activation = (1, "sigmoid") if binary else (num_classes, "softmax")
    parts += [layers.Dense(units, activation=activation, name="probabilities", **weights())]
    network = keras.Sequential(parts, name="cnn")
    network.compile(
        optimizer=keras.optimizers.Adam(),
        loss=losses.BinaryCrossentropy() if binary else losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    return network


def choose_strategy() -> Any:
    """Where the network is: on all GPUs of this machine, and on those of all workers together.

    A worker is one of several where ``TF_CONFIG`` says so, which Ray Train sets.
    """
    workers = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {}).get("worker", ())
    if len(workers) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


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


class Training:
    """The network while it is trained, on one device or mirrored on several.

    On several, each has a part of every batch; the sums of their gradients and losses are the same
    as on one, up to rounding.

    Attributes:
        strategy: Of `choose_strategy`.
        network: Of `build_network`; its variables and those of its optimizer are trained in place.
        dtype: Of `choose_dtype`. In ``mixed_bfloat16``, all layers but the last compute in
            bfloat16, on variables that stay float32.
        step: Takes a step on a batch, or this worker's part of it, uint8 ``(n, 256, 256, 3)`` and
            int32 ``(n,)``, given the size of the whole one, float32; returns the sum of its losses
            and the number of right answers before the step.
        measure: Returns the same without a step.
    """

    def __init__(
        self, num_classes: int, *, seed: int, dtype: str | None = None, strategy: Any = None
    ) -> None:
        """Build the network and trace its functions, which takes a second."""
        self.strategy = strategy or choose_strategy()
        with self.strategy.scope():
            self.network = build_network(num_classes, seed=seed)
            self.network.optimizer.build(self.network.trainable_variables)
        self.dtype = dtype or choose_dtype()
        image = tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3), tf.uint8, "image")
        labels, size = tf.TensorSpec((None,), tf.int32, "labels"), tf.TensorSpec((), tf.float32)
        if self.strategy.num_replicas_in_sync > 1:
            self.step, self.measure = map(self._shared, (self._step, self._measure))
        else:
            self.step, self.measure = (
                tf.function(one).get_concrete_function(image, labels, size)
                for one in (self._step, self._measure)
            )
        self.graph = tf.function(self.network).get_concrete_function(image).graph

    def own(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some places that this worker has the photos of; all, if it is alone."""
        resolver = self.strategy.cluster_resolver
        if resolver is None or resolver.task_id is None:
            return places
        num_workers = len(resolver.cluster_spec().job_tasks("worker"))
        return np.asarray(places[places % num_workers == resolver.task_id], np.int64)

    def _shared(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a batch on all devices, each of this worker with a part of its photos."""
        strategy, num_parts = self.strategy, len(self.strategy.extended.worker_devices)
        run = tf.function(lambda *batch: strategy.run(function, batch), reduce_retracing=True)

        def divide(values: Any, fill: int) -> Any:
            """Every device's part, equally many: what is missing is filled up."""
            num_missing = max(num_parts, -(-len(values) // num_parts) * num_parts) - len(values)
            rest = ((0, num_missing), *((0, 0) for _ in values.shape[1:]))
            filled = tf.pad(values, rest, constant_values=tf.cast(fill, values.dtype))
            return strategy.experimental_distribute_values_from_function(
                lambda context: filled[context.replica_id_in_sync_group % num_parts :: num_parts]
            )

        def call(pixels: Any, labels: Any, size: Any) -> Any:
            sums = run(divide(pixels, 0), divide(labels, -1), size)
            return strategy.experimental_local_results(sums)[0]

        return call

    def _scores(self, pixels: Any) -> Any:
        """The outputs before the sigmoid or the softmax, float32 ``(n, units)``.

        ReLU comes after pooling, on a quarter of the values: as it is monotonic, outputs and
        gradients are the same to the last bit.
        """
        dtype = tf.float32 if self.dtype == "float32" else tf.bfloat16
        weights = [variable.value for variable in self.network.trainable_variables]
        *convs, hidden, last = zip(weights[::2], weights[1::2], strict=True)
        x = tf.cast(pixels, dtype) * tf.constant(1 / 255, dtype)
        for kernel, bias in convs:
            x = tf.nn.conv2d(x, tf.cast(kernel, dtype), strides=1, padding="VALID")
            x = tf.nn.bias_add(x, tf.cast(bias, dtype))
            x = tf.nn.relu(tf.nn.max_pool2d(x, ksize=2, strides=2, padding="VALID"))
        x = tf.reshape(x, (-1, hidden[0].shape[0]))
        x = tf.matmul(x, tf.cast(hidden[0], dtype))
        x = tf.nn.relu(tf.nn.bias_add(x, tf.cast(hidden[1], dtype)))
        return tf.nn.bias_add(tf.matmul(tf.cast(x, tf.float32), last[0]), last[1])

    def _losses(self, pixels: Any, labels: Any) -> tuple[Any, Any]:
        """The sum of the losses, and the same with the number of right answers.

        Pictures without a class, -1, count for nothing.
        """
        scores = self._scores(pixels)
        counts, labels = tf.cast(labels >= 0, tf.float32), tf.maximum(labels, 0)
        if scores.shape[1] == 1:
            answers = tf.cast(scores[:, 0] > 0, tf.int32)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(
                tf.cast(labels, tf.float32), scores[:, 0]
            )
        else:
            answers = tf.argmax(scores, axis=1, output_type=tf.int32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
        right = tf.cast(answers == labels, tf.float32)
        sums = [tf.reduce_sum(values * counts) for values in (losses, right)]
        return sums[0], tf.stack(sums)

    def _over_all(self, values: list[Any]) -> list[Any]:
        """The sums of values over all devices."""
        if self.strategy.num_replicas_in_sync == 1:
            return values
        context = tf.distribute.get_replica_context()
        return list(context.all_reduce(tf.distribute.ReduceOp.SUM, values))

    def _measure(self, pixels: Any, labels: Any, size: Any) -> Any:
        del size
        return self._over_all([self._losses(pixels, labels)[1]])[0]

    def _step(self, pixels: Any, labels: Any, size: Any) -> Any:
        weights = [variable.value for variable in self.network.trainable_variables]
        adam = self.network.optimizer
        with tf.GradientTape() as tape:
            total, sums = self._losses(pixels, labels)
            loss = total / size
        number = tf.cast(adam.iterations.value + 1, tf.float32)
        moments = [variable.value.handle for variable in adam.variables[2:]]
        *gradients, sums = self._over_all([*tape.gradient(loss, weights), sums])
        for weight, m, v, gradient in zip(
            weights, moments[::2], moments[1::2], gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(  # one pass over the weights; Keras' operations make ten
                var=weight.handle,
                m=m,
                v=v,
                beta1_power=adam.beta_1**number,
                beta2_power=adam.beta_2**number,
                lr=adam.learning_rate.value,
                beta1=adam.beta_1,
                beta2=adam.beta_2,
                epsilon=adam.epsilon,
                grad=gradient,
            )
        adam.iterations.value.assign_add(1)
        return sums

    def snapshot(self, history: tuple[dict[str, float], ...], best: Arrays = ()) -> Snapshot:
        """The state after an epoch, the last of a history."""
        adam = [variable.numpy() for variable in self.network.optimizer.variables]
        return Snapshot(self.network.get_weights(), adam, history, best)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to the state of a snapshot."""
        self.network.set_weights(snapshot.weights)
        for variable, value in zip(
            self.network.optimizer.variables, snapshot.optimizer, strict=True
        ):
            variable.assign(value)

    def fits(self, found: Snapshot) -> bool:
        """Whether a snapshot is of such a network."""
        own = (*self.network.weights, *self.network.optimizer.variables)
        expected = [tuple(variable.shape) for variable in own]
        return expected == [values.shape for values in (*found.weights, *found.optimizer)]


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


def _read_cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return ""


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
