"""NumPy archives in MedMNIST's layout: ``train_images``, ``train_labels``, ``val_…``, ``test_…``.

https://medmnist.com. They become a folder of PNG files, one sub-folder per class, and a CSV of the
archive's own parts; everything else is then as for any folder. An image is read at a time, as the
larger sets don't fit into memory.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from candid.core.atomic_dir import write_atomic_dir
from candid.core.cache import default_folder
from candid.core.hashing import hash_bytes, hash_file
from candid.core.progress import Advance
from candid.core.text import sanitize
from candid.errors import DataError

PARTS: Final = ("train", "val", "test")
_CSV: Final = "parts.csv"
_COLUMNS: Final = ("path", "class", "part", "group", "content")
_KEY_CHARACTERS: Final = 24
_EXPECTED: Final = "expected train_images and train_labels, val_… and test_…, as MedMNIST has them"


@dataclass(frozen=True)
class Unpacked:
    """The photos of an archive.

    Attributes:
        folder: One sub-folder per class, named by its number.
        split: A split file, in the columns of `candid.splits.split`, with the archive's parts.
    """

    folder: Path
    split: Path


def is_archive(data: Path) -> bool:
    """Whether it is a file with the suffix of a NumPy archive."""
    return data.suffix.lower() == ".npz" and data.is_file()


def unpack(file: Path, *, to: Path | None = None, advance: Advance = lambda _: None) -> Unpacked:
    """Write the images of an archive as PNG files, unless that was done before.

    Args:
        file: The archive.
        to: A folder for all archives; by default beside the cache.
        advance: Called with the number of images just written.

    Raises:
        DataError: It is damaged, or of another layout: several labels an image, volumes, floats.
        UsageError: The folder can't be written.
    """
    folder = (to or default_folder() / "unpacked") / hash_file(file)[:_KEY_CHARACTERS]
    made = Unpacked(folder / file.stem, folder / _CSV)
    if made.folder.is_dir() and made.split.is_file():
        return made
    try:
        write_atomic_dir(
            folder, lambda partial: _fill(file, partial, advance), require_free=lambda _: None
        )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{file} can't be read: {sanitize(reason)}; {_EXPECTED}.") from error
    return made


def _fill(file: Path, partial: Path, advance: Advance) -> None:
    rows: list[tuple[str, str, str, str, str]] = []
    with zipfile.ZipFile(file) as archive:
        labels = {part: _read_labels(archive, part) for part in PARTS if _has(archive, part)}
        if "train" not in labels:
            raise DataError(f"{file} has no train_images; {_EXPECTED}.")
        most = max(int(found.max(initial=0)) for found in labels.values())
        for part, numbers in labels.items():
            with archive.open(f"{part}_images.npy") as stream:
                for place, pixels in enumerate(_read_images(stream, len(numbers))):
                    name = str(numbers[place]).zfill(len(str(most)))
                    path = f"{name}/{part}-{place:06}.png"
                    content = _write_png(partial / file.stem / path, pixels)
                    rows.append((path, name, part, "", content))
                    advance(1)
    with (partial / _CSV).open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([_COLUMNS, *rows])


def _has(archive: zipfile.ZipFile, part: str) -> bool:
    return f"{part}_images.npy" in archive.namelist()


def _read_labels(archive: zipfile.ZipFile, part: str) -> NDArray[np.int64]:
    with archive.open(f"{part}_labels.npy") as stream:
        labels = npy.read_array(stream, allow_pickle=False)
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{part}_labels has {labels.shape[1]} labels an image; one class an image is needed"
        )
    if labels.dtype.kind not in "iub" or labels.min(initial=0) < 0:
        raise ValueError(f"{part}_labels are {labels.dtype}; numbers of classes are needed")
    return labels.reshape(len(labels)).astype(np.int64)


def _read_images(stream: IO[bytes], count: int) -> Iterator[NDArray[np.generic]]:
    """The images of an array in a file, one by one."""
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = read(stream)
    is_colour = len(shape) == 4 and shape[3] == 3
    if is_fortran or not (len(shape) == 3 or is_colour) or shape[0] != count:
        raise ValueError(
            f"images of shape {shape}; ({count}, h, w) or ({count}, h, w, 3) is needed"
        )
    if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise ValueError(f"images of {dtype}; uint8 or uint16 is needed")
    num_bytes = int(np.prod(shape[1:])) * dtype.itemsize
    for _ in range(count):
        data = stream.read(num_bytes)
        if len(data) < num_bytes:
            raise EOFError("it ends before its images do")
        yield np.frombuffer(data, dtype).reshape(shape[1:])


def _write_png(file: Path, pixels: NDArray[np.generic]) -> str:
    """Write an image; returns the SHA-256 of the file."""
    import cv2

    file.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()
    file.write_bytes(data)
    return hash_bytes(data)
