"""Images to compare an export with its run on, and what the run says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.artifact import GOLDEN
from candid.classifier import Classifier
from candid.errors import ArtifactError, ImageError
from candid.hashing import hash_bytes
from candid.images import decode, read_file
from candid.outputs import Outputs
from candid.split import Row, Split
from candid.wording import count_are

#: Of a larger test part, so many images are compared, spread evenly over its list.
MOST_IMAGES: Final = 300
_BATCH: Final = 16  # decoded pictures in memory


@dataclass(frozen=True)
class Batch:
    """Images and what the run says of them.

    Attributes:
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        expected: The run's answers.
    """

    pixels: NDArray[np.uint8]
    expected: Outputs


def read_golden(folder: Path) -> Batch:
    """Read the images and answers that a run keeps.

    Args:
        folder: The run's.

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
    """Photos of a run, where they are still as they were.

    Attributes:
        files: Where they lie.
        notes: What a person should know, such as photos that are gone.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]

    def batches(self, classifier: Classifier) -> Iterator[Batch]:
        """Decode them and ask the run's own model, a few at a time."""
        for start in range(0, len(self.files), _BATCH):
            pictures = []
            for file in self.files[start : start + _BATCH]:
                try:
                    pictures.append(decode(read_file(file), classifier.contract))
                except ImageError:  # gone since it was looked at
                    continue
            if pictures:
                pixels = np.stack(pictures)
                yield Batch(pixels, classifier.run(pixels))


def find_photos(
    folder: Path, dealt: Split, parts: Sequence[str] = ("test",), most: int | None = MOST_IMAGES
) -> Photos:
    """Find a run's photos in its data folder; the others are not looked at.

    Args:
        folder: The data folder; it may be gone.
        dealt: Where each photo went.
        parts: The parts that are wanted.
        most: The most photos, spread evenly over the list; None for all.

    Returns:
        Those whose bytes are what they were.
    """
    rows = [row for row in dealt.rows if row.part in parts]
    if most is not None and len(rows) > most:
        kept = np.linspace(0, len(rows) - 1, most).round().astype(np.int64)
        rows = [rows[place] for place in kept]
    if not folder.is_dir():
        gone = f"the photos of the run are not at {folder} any more: the test part is not compared"
        return Photos((), (gone,))
    found = tuple(file for row in rows if (file := _unchanged(folder, row)) is not None)
    missing = len(rows) - len(found)
    notes = (f"{count_are(missing, 'photo')} gone or changed, and not compared",) * bool(missing)
    return Photos(found, notes)


def _unchanged(folder: Path, row: Row) -> Path | None:
    file = folder / row.path
    try:
        same = hash_bytes(read_file(file)) == row.content
    except (ImageError, OSError):
        return None
    return file if same else None
