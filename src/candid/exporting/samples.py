"""Images to compare an export with its run on, and the run's answers to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.hashing import hash_bytes
from candid.core.text import plural_are
from candid.data.images import decode, read_file
from candid.errors import ArtifactError, ImageError
from candid.models.outputs import Outputs
from candid.runs.artifact import GOLDEN
from candid.runs.classifier import Classifier
from candid.splits.split import Row, Split

#: Of a larger test part, this many images are compared, spread evenly over its list.
MAX_IMAGES: Final = 300
#: How many decoded images are in memory at a time.
BATCH_SIZE: Final = 16


@dataclass(frozen=True)
class Batch:
    """Images and the run's answers to them."""

    pixels: NDArray[np.uint8]  # uint8 ``(n, s, s, 3)`` RGB, n from 1
    expected: Outputs  # the run's outputs


def read_golden(folder: Path) -> Batch:
    """Read the images and answers in a run's folder (``golden.npz``).

    Raises:
        ArtifactError: The file can't be read.
    """
    file = folder / GOLDEN
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as golden:
            novelty = golden.get("novelty")
            expected = Outputs(golden["probabilities"], golden["embedding"], novelty)
            return Batch(golden["image"], expected)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{file} can't be read ({error}); train again.") from error


@dataclass(frozen=True)
class Photos:
    """Photos of a run that are unchanged since its training."""

    files: tuple[Path, ...]  # their paths
    notes: tuple[str, ...]  # notes for the user, such as on missing photos

    def batches(self, classifier: Classifier) -> Iterator[Batch]:
        """Decode the photos and run the classifier on them, batch by batch."""
        for start in range(0, len(self.files), BATCH_SIZE):
            images = []
            for file in self.files[start : start + BATCH_SIZE]:
                try:
                    images.append(decode(read_file(file), classifier.contract))
                except ImageError:  # removed since it was found
                    continue
            if images:
                pixels = np.stack(images)
                yield Batch(pixels, classifier.model.run(pixels))


def find_photos(
    folder: Path, split: Split, parts: Sequence[str] = ("test",), most: int | None = MAX_IMAGES
) -> Photos:
    """Find a run's photos that are unchanged, by their SHA-256; the data folder may be gone.

    Of more than ``most``, that many are taken, spread evenly over the list; None takes all.
    """
    rows = [row for row in split.rows if row.part in parts]
    if most is not None and len(rows) > most:
        kept = np.linspace(0, len(rows) - 1, most).round().astype(np.int64)
        rows = [rows[place] for place in kept]
    if not folder.is_dir():
        gone = f"the run's photos are not at {folder} any more, so the test part was not compared"
        return Photos((), (gone,))
    found = tuple(folder / row.path for row in rows if read_unchanged(folder, row) is not None)
    return Photos(found, note_missing(len(rows) - len(found)))


def note_missing(num_missing: int) -> tuple[str, ...]:
    """A note on photos that could not be compared, if there are any."""
    if not num_missing:
        return ()
    return (f"{plural_are(num_missing, 'photo')} gone or changed, and not compared",)


def read_unchanged(folder: Path, row: Row) -> bytes | None:
    """The bytes of a photo of a split; None if it is gone or changed since the training."""
    try:
        data = read_file(folder / row.path)
    except (ImageError, OSError):
        return None
    return data if hash_bytes(data) == row.content else None
