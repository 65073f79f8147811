"""The tutorial's network in Keras: layers, what it is saved as. Importing it takes seconds.

Only `candid.models.recipes.cnn` imports it, when it trains.

The photos of a part, in batches for Keras, in an order that can be entered at any epoch.
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

from candid.models.checkpoint import Snapshot

SIZE_PX: Final = 256

_IMAGE_BYTES = SIZE_PX * SIZE_PX * 3
_CACHE_SHARE = 1 / 3  # of the machine's memory


@dataclass(frozen=True)
class Photos:
    """The photos of a part.

    The order of a pass is the next of a sequence that the seed decides. It is drawn when the first
    batch of the pass is asked for: however many iterators Keras makes, an epoch draws one.

    Attributes:
        batches: Of uint8 ``(n, 256, 256, 3)`` and float32 ``(n, 1)`` or int32 ``(n,)``.
        ordered: What draws an order whenever an iterator of it is made.
    """

    batches: tf.data.Dataset
    ordered: tf.data.Dataset

    def skip(self, num_orders: int) -> None:
        """Draw orders that no pass takes; no photo is read."""
        for _ in range(num_orders):
            iter(self.ordered)


def load(
    folder: Path, classes: Sequence[str], *, batch_size: int, shuffle_seed: int | None
) -> Photos:
    """Load one part of a tree that `candid.splits.split_export.write_pixels` wrote.

    The pictures stay in memory after the first pass, if they take less than a third of it.

    Args:
        folder: The part's folder.
        classes: The classes in order.
        batch_size: Pictures a batch; the last has what is left.
        shuffle_seed: Another order at each pass, from this seed; None for the order of the names.

    Returns:
        The photos.
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
    # The loader gives float32, four times the memory, of the same whole numbers.
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
    """Whether pictures are read once, and shuffled in memory."""
    return num_images * _IMAGE_BYTES < _memory_bytes() * _CACHE_SHARE


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        return 8 * 1024**3


NUM_FILTERS: Final = (16, 32, 16)
NUM_HIDDEN: Final = 256

# Read by TensorFlow and oneDNN: how many threads, and which instructions.
_VARIABLES: Final = ("OMP_NUM_THREADS", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")
_VARIABLES_OF: Final = ("TF_", "ONEDNN_", "DNNL_", "KMP_")


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
    """Save what there is as ``model.keras``.

    Args:
        file: Ends in ``.keras``.
        network: A ``keras.Sequential`` of `build_network`, whose weights are set.
        snapshot: What it is to hold.
    """
    restore(network, snapshot)
    network.save(file)


def restore(network: Any, snapshot: Snapshot) -> None:
    """Bring a network and its optimizer to where they were after an epoch."""
    network.set_weights(snapshot.weights)
    network.optimizer.build(network.trainable_variables)
    for variable, value in zip(network.optimizer.variables, snapshot.optimizer, strict=True):
        variable.assign(value)


def describe_machine() -> dict[str, object]:
    """What of this machine may change the last bits of the weights."""
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
            if name in _VARIABLES or name.startswith(_VARIABLES_OF)
        },
    }


def find_cpu_features(cpuinfo: str) -> set[str]:
    """Model and instruction sets, from the text of ``/proc/cpuinfo``: nothing that changes."""
    names = ("model name", "flags", "features")
    return {line for line in cpuinfo.splitlines() if line.lower().startswith(names)}


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
