"""The photos of a part, in batches for Keras, in an order that can be entered at any epoch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tensorflow as tf
from tensorflow import keras

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
    """Load one part of a tree that `candid.layout.write_pixels` wrote.

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
