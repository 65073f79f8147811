"""NumPy archives in MedMNIST's layout: ``train_images``, ``train_labels``, ``val_…``, ``test_…``.

https://medmnist.com. They become a folder of PNG files, ``train/0/000001.png``; everything else is
then as for any folder with parts of its own. An image is read at a time, as the larger sets don't
fit into memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from candid.core.atomic_dir import write_atomic_dir
from candid.core.cache import default_folder
from candid.core.hashing import hash_file
from candid.core.progress import Advance, Progress, Silent
from candid.core.text import sanitize
from candid.data.parts import PARTS
from candid.data.source import DataSource
from candid.errors import DataError

_KEY_CHARACTERS: Final = 24
_EXPECTED: Final = "expected train_images and train_labels, val_… and test_…, as MedMNIST has them"


def is_archive(data: Path) -> bool:
    """Whether it is a file with the suffix of a NumPy archive."""
    return data.suffix.lower() == ".npz" and data.is_file()


def unpacked(source: DataSource, *, progress: Progress | None = None) -> DataSource:
    """The source, or of an archive the folder that it was unpacked to."""
    path = source.path
    return (
        source
        if path is None or not is_archive(path)
        else DataSource(unpack(path, progress=progress))
    )


def unpack(data: Path, *, to: Path | None = None, progress: Progress | None = None) -> Path:
    """Write the images of an archive as PNG files, unless that was done before.

    Args:
        data: The archive; any other path is returned as it is.
        to: A folder for all archives; by default beside the cache.
        progress: Progress callback.

    Returns:
        The folder: ``train``, ``val`` and ``test``, each with one sub-folder per class, named by
        its number.

    Raises:
        DataError: It is damaged, or of another layout: several labels an image, volumes, floats.
        UsageError: The folder can't be written.
    """
    if not is_archive(data):
        return data
    folder = (to or default_folder() / "archives") / hash_file(data)[:_KEY_CHARACTERS]
    made = folder / data.stem
    if made.is_dir():
        return made
    try:
        with (progress or Silent()).step("Unpacking the images", 0) as advance:
            write_atomic_dir(
                folder, lambda partial: _fill(data, partial, advance), require_free=lambda _: None
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{data} can't be read: {sanitize(reason)}; {_EXPECTED}.") from error
    return made


def _fill(file: Path, partial: Path, advance: Advance) -> None:
    with zipfile.ZipFile(file) as archive:
        labels = {part: _read_labels(archive, part) for part in PARTS if _has(archive, part)}
        if "train" not in labels:
            raise DataError(f"{file} has no train_images; {_EXPECTED}.")
        most = max(int(found.max(initial=0)) for found in labels.values())
        for part, numbers in labels.items():
            with archive.open(f"{part}_images.npy") as stream:
                for place, pixels in enumerate(_read_images(stream, len(numbers))):
                    name = str(numbers[place]).zfill(len(str(most)))
                    _write_png(partial / file.stem / part / name / f"{place:06}.png", pixels)
                    advance(1)


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


def _write_png(file: Path, pixels: NDArray[np.generic]) -> None:
    import cv2

    file.parent.mkdir(parents=True, exist_ok=True)
    image = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    file.write_bytes(cv2.imencode(".png", image)[1].tobytes())
