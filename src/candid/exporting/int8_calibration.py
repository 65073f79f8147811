"""Photos of a run for a quantised export: some to calibrate it with, others to measure it on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import DataError, ImageError
from candid.exporting.source import Source
from candid.hashing import hash_bytes
from candid.images import PixelContract, decode, read_file
from candid.split import Row, Split

#: With how many photos the ranges of activations are found; more change little and take time.
MOST_PHOTOS: Final = 100
_LEAST_PHOTOS: Final = 8
_AT_ONCE: Final = 16  # decoded pictures in memory


def read_calibration(source: Source, dealt: Split) -> NDArray[np.uint8]:
    """Read training photos, as many of each class as there are, at most 100 in all.

    Which they are depends on their contents and nothing else; of more than 100 classes, too.

    Args:
        source: The run.
        dealt: Where each of its photos went.

    Returns:
        uint8 ``(n, s, s, 3)`` RGB, 8 photos at least.

    Raises:
        DataError: They are gone, or too few are left as they were.
    """
    by_class: dict[str, dict[str, Row]] = {}
    for row in dealt.rows:
        if row.part == "train":
            by_class.setdefault(row.label, {}).setdefault(row.content, row)
    lists = [[rows[content] for content in sorted(rows)] for _, rows in sorted(by_class.items())]
    contract = source.classifier.contract
    pictures: list[NDArray[np.uint8]] = []
    for row in _take_turns(lists):
        picture = read_unchanged(source.data_folder, row, contract)
        pictures += [] if picture is None else [picture]
        if len(pictures) == MOST_PHOTOS:
            break
    if len(pictures) < _LEAST_PHOTOS:
        raise DataError(_too_few(len(pictures), sum(map(len, lists)), source.data_folder))
    return np.stack(pictures)


def _too_few(num_found: int, num_dealt: int, folder: Path) -> str:
    why = f"--int8 is calibrated with {_LEAST_PHOTOS} photos of the training part or more"
    if num_dealt < _LEAST_PHOTOS:
        return f"{why}, and the run has {num_dealt}. Export without --int8, or train with more."
    return (
        f"{why}, and {num_found} of {num_dealt} are as they were in {folder}. "
        "Bring the photos back, or export without --int8."
    )


@dataclass(frozen=True)
class Asked:
    """Photos that nothing of a quantised export was made from.

    Attributes:
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        labels: int64 ``(n,)``, their classes.
        groups: int64 ``(n,)``; photos of one group show the same picture.
        tested: bool ``(n,)``, whether they are of the test part.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    tested: NDArray[np.bool_]


def read_asked(source: Source, rows: Sequence[Row]) -> Iterator[Asked]:
    """Read photos, some at a time; those that are gone or changed are left out.

    Args:
        source: The run.
        rows: What is to be read, in classes of the run.
    """
    classes, contract = source.classifier.classes, source.classifier.contract
    names = sorted({row.group for row in rows})
    numbers = {name: number for number, name in enumerate(names)}
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        read = [(row, read_unchanged(source.data_folder, row, contract)) for row in some]
        found = [(row, picture) for row, picture in read if picture is not None]
        if found:
            yield Asked(
                np.stack([picture for _, picture in found]),
                np.array([classes.index(row.label) for row, _ in found], np.int64),
                np.array([numbers[row.group] for row, _ in found], np.int64),
                np.array([row.part == "test" for row, _ in found], np.bool_),
            )


def read_unchanged(folder: Path, row: Row, contract: PixelContract) -> NDArray[np.uint8] | None:
    """Decode a photo, or None where it is not what the run was made from."""
    try:
        data = read_file(folder / row.path)
        same = hash_bytes(data) == row.content
        return decode(data, contract) if same else None
    except (ImageError, OSError):
        return None


def _take_turns(lists: Sequence[Sequence[Row]]) -> Iterator[Row]:
    """The first of each list, then the second of each, and so on.

    A turn goes by the photos' contents, so that one that is cut off favours no class by its name.
    """
    for place in range(max(map(len, lists), default=0)):
        turn = [rows[place] for rows in lists if place < len(rows)]
        yield from sorted(turn, key=attrgetter("content"))
