"""Images to compare an export with its run on, and the run's answers to them.

By default a sample of the test part is compared, of each class and each kind of file in turn, as
some runtimes take a second for a photo. It depends on the photos' contents alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import plural, plural_are
from candid.data.file_reader import FileReader
from candid.data.images import decode, inspect, read_file
from candid.data.location import FindFile, PhotoFile, read_start
from candid.data.source import DataSource
from candid.data.sources import find_in
from candid.errors import ArtifactError, DataError, ImageError
from candid.models.outputs import Outputs
from candid.runs.artifact import GOLDEN
from candid.runs.classifier import Classifier
from candid.splits.split import Row, Split

#: A photo's kind of file is told by this many bytes.
_HEADER_BYTES: Final = 1 << 16
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

    files: tuple[PhotoFile, ...]  # where they are
    notes: tuple[str, ...]  # notes for the user, such as on missing photos
    num_listed: int = 0  # number of photos that they were chosen from

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


@dataclass(frozen=True)
class Asked:
    """How many photos the gate compared, of how many."""

    num_photos: int  # compared; fewer than chosen where some are gone
    num_listed: int  # of the parts
    most: int | None = None  # as many were chosen, of more
    parts: str = "test part"

    def to_text(self) -> str:
        """A line for a terminal."""
        listed = plural(self.num_listed, "photo")
        text = f"Asked about {self.num_photos} of {listed} of the {self.parts}"
        if self.most is None or self.num_listed <= self.most:
            return f"{text}."
        return f"{text}, of each class and kind of file in turn. --gate all asks about every one."

    def to_json(self) -> dict[str, int]:
        """JSON values."""
        return {"num_photos": self.num_photos, "num_listed": self.num_listed}


def find_photos(
    data: DataSource, split: Split, parts: Sequence[str] = ("test",), most: int | None = None
) -> Photos:
    """Find a run's photos that are unchanged, by their SHA-256; the data folder may be gone.

    Of more than ``most``, that many are taken, see `choose_rows`; None takes all.
    """
    listed = [row for row in split.rows if row.part in parts]
    try:
        find = find_in(data)
    except DataError:
        gone = f"the run's photos are not at {data} any more, so the test part was not compared"
        return Photos((), (gone,), len(listed))
    rows = choose_rows(find, listed, most)
    found = tuple(
        file
        for row in rows
        if read_unchanged(find, row) is not None and (file := find(row.path)) is not None
    )
    return Photos(found, note_missing(len(rows) - len(found)), len(listed))


def find_if_there(data: DataSource) -> FindFile:
    """`find_in`; of a source that is gone, nothing is found."""
    try:
        return find_in(data)
    except DataError:
        return lambda _: None


def choose_rows(find: FindFile, rows: Sequence[Row], most: int | None) -> Sequence[Row]:
    """Choose some photos of a split, of each class and kind of file in turn; None chooses all."""
    if most is None or len(rows) <= most:
        return rows
    strata: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=attrgetter("content")):
        strata.setdefault((row.label, _kind_of(find(row.path), row.path)), []).append(row)
    return list(islice(round_robin([strata[key] for key in sorted(strata)]), most))


def round_robin(lists: Sequence[Sequence[Row]]) -> Iterator[Row]:
    """The first of each list, then the second of each, and so on.

    Each round is sorted by content, so that one that is cut off favours no class by its name.
    """
    for place in range(max(map(len, lists), default=0)):
        turn = [rows[place] for rows in lists if place < len(rows)]
        yield from sorted(turn, key=attrgetter("content"))


def _kind_of(file: PhotoFile | None, name: str) -> str:
    """Format, colour mode and orientation, as far as a file tells them."""
    try:
        if file is None:
            return ""
        try:
            details = inspect(read_start(file, _HEADER_BYTES))
        except ImageError:  # WebP, AVIF and some TIFF need the whole file
            details = inspect(read_file(file))
    except (ImageError, OSError):
        return PurePosixPath(name).suffix.lower()
    return f"{details.format} {details.mode} {details.orientation}"


def note_missing(num_missing: int) -> tuple[str, ...]:
    """A note on photos that could not be compared, if there are any."""
    if not num_missing:
        return ()
    return (f"{plural_are(num_missing, 'photo')} gone or changed, and not compared",)


def read_unchanged(find: FindFile, row: Row) -> bytes | None:
    """The bytes of a photo of a split; None if it is gone or changed since the training."""
    file = find(row.path)
    try:
        return None if file is None else FileReader().read(file, row.content)
    except ImageError:
        return None
