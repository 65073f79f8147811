"""The tutorial's network in Keras, and its training in operations of TensorFlow.

Imported by `candid.models.recipes.cnn` only when it trains, as TensorFlow takes seconds to import.
Keras' own loop takes a tenth more per step and seconds to trace; what it computes is the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow import keras

from candid.models.checkpoint import Arrays, Snapshot

SIZE_PX: Final = 256
NUM_FILTERS: Final = (16, 32, 16)
NUM_HIDDEN: Final = 256

# Environment variables by which TensorFlow and oneDNN choose threads and instructions.
_VARIABLES: Final = ("OMP_NUM_THREADS", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")
_PREFIXES: Final = ("TF_", "ONEDNN_", "DNNL_", "KMP_")


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
