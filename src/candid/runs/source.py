"""What a prediction is made of: a file, its bytes, an image of Pillow's or an array, as pixels."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from candid.core.text import cut, first_line
from candid.core.threads import map_ahead
from candid.data.images import MAX_BYTES, PixelContract, read_file
from candid.data.images.decode import decode_pillow, decode_upright, open_pillow
from candid.data.location import Location, PhotoFile
from candid.data.walk import find_files, is_folder
from candid.errors import ImageError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

_File: TypeAlias = "str | os.PathLike[str] | Location | bytes | bytearray | memoryview | IO[bytes]"
Source: TypeAlias = "_File | Image | NDArray[np.uint8]"

_ALONE: Final = (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray, Mapping)
_EXPECTED: Final = (
    "expected a path, a file's bytes, a file opened with 'rb', an image of Pillow's, or uint8 "
    "(h, w), (h, w, 1) or (h, w, 3) in RGB order, 0 to 255; or a list of those"
)
_LONGEST_PATH: Final = 4096
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)


class Photo(NamedTuple):
    """A source that is ready to be decoded in any thread: the name of its file, and what it holds.

    An array is uint8 ``(h, w, 3)``.
    """

    name: str
    content: PhotoFile | bytes | Image | NDArray[np.uint8] | ImageError

    def read(self, contract: PixelContract) -> NDArray[np.uint8]:
        """Decode it to uint8 ``(h, w, 3)`` RGB, upright, perhaps at a reduced size.

        Raises:
            ImageError: It can't be read; the text is the reason, in one line.
        """
        content = self.content
        if isinstance(content, ImageError):
            raise content
        if isinstance(content, np.ndarray):
            return content
        if isinstance(content, (Path, Location)):
            content = read_file(content)
        if isinstance(content, bytes):
            return decode_upright(content, contract)
        return decode_pillow(content, contract)


def fetched_ahead(photos: Iterable[Photo], first: Iterable[Photo]) -> Iterable[Photo]:
    """The same photos in order; if the first ones are at an address, all are fetched ahead."""

    def fetch(photo: Photo) -> Photo:
        if not isinstance(photo.content, Location):
            return photo
        try:
            return Photo(photo.name, read_file(photo.content))
        except ImageError as error:
            return Photo(photo.name, error)

    if not any(isinstance(photo.content, Location) for photo in first):
        return photos
    from candid.data.address import num_readers  # which files need not

    number = num_readers(photo.content for photo in first)
    if number is None:
        return photos
    return map_ahead(fetch, photos, num_threads=number, num_ahead=2 * number)


def is_several(source: object) -> TypeGuard[Iterable[Source]]:
    """Whether it is a list, another sequence or an iterator of sources, rather than one."""
    # Tensors and tables are iterable too; a column of a table has one dimension.
    is_one = isinstance(source, _ALONE) or _is_file(source) or getattr(source, "ndim", 1) != 1
    return isinstance(source, Iterable) and not is_one


def files_of(source: object) -> list[Path] | None:
    """The files of a folder at any depth, without hidden ones; None if it is no path to a folder.

    Raises:
        UsageError: There is none.
    """
    if not isinstance(source, (str, os.PathLike)) or not is_folder(_path(source)):
        return None
    files = find_files(_path(source))
    if not files:
        raise UsageError(f"the folder {source} has no file in it.")
    return files


def take(source: object) -> Photo:
    """Check one source, and read what is opened: files and images can't be shared by threads.

    Raises:
        UsageError: It is of a type or form that is not taken.
    """
    if isinstance(source, Location):
        return Photo(source.address, source)
    if isinstance(source, (str, os.PathLike)):
        return Photo(os.fsdecode(source), _path(source))
    if isinstance(source, np.ndarray):
        rgb = _to_rgb(source)
        # The next frame of a video may be written into the same array while this one waits.
        return Photo("", rgb.copy() if rgb is source else rgb)
    if isinstance(source, memoryview) and (source.ndim, source.itemsize) != (1, 1):
        raise _refuse(f"a memoryview of shape {source.shape}, format {source.format!r}")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Photo("", bytes(source))
    if _is_file(source):
        return Photo(_name_of(source), _read_opened(source))
    from PIL.Image import Image

    if not isinstance(source, Image):
        raise _refuse(type(source).__name__)
    try:
        content: bytes | Image | ImageError = open_pillow(source)
    except ImageError as error:
        content = error
    return Photo(_name_of(source), content)


def _path(source: str | os.PathLike[str]) -> Path:
    """A path; a text that can't be one is a mistake of the caller, not a file that is missing."""
    if isinstance(source, str):
        if _ADDRESS.match(source):
            raise _refuse(f"the address {cut(source, 80)}; download it and give its bytes")
        if not source or len(source) > _LONGEST_PATH or "\0" in source or "\n" in source:
            raise _refuse(
                f"a text of {len(source)} characters that is no path: {cut(source, 80)!r}"
            )
    return Path(os.fsdecode(source))


def _to_rgb(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    is_grey = array.ndim == 2 or array.shape[2:] == (1,)
    if array.dtype != np.uint8 or not array.size or not (is_grey or array.shape[2:] == (3,)):
        raise _refuse(f"{array.dtype} {array.shape}")
    return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2) if is_grey else array


def _is_file(source: object) -> TypeGuard[IO[bytes]]:
    return callable(getattr(source, "read", None)) and not isinstance(source, type)


def _read_opened(file: IO[bytes]) -> bytes | ImageError:
    """Read an open file from its start, as Pillow does, wherever it was read or written before."""
    if inspect.iscoroutinefunction(file.read):
        raise _refuse(f"{type(file).__name__}, which is asynchronous; give `await file.read()`")
    parts = [b""]
    try:
        with suppress(AttributeError, OSError):  # a pipe has no start to go back to
            file.seek(0)
        left = MAX_BYTES + 1
        while left > 0 and (part := file.read(left)):
            if not isinstance(part, bytes):
                how = "opened as text; open it with 'rb'" if isinstance(part, str) else ""
                raise _refuse(
                    f"a {type(file).__name__} {how or f'that gives {type(part).__name__}'}"
                )
            parts.append(part)
            left -= len(part)
    except (OSError, ValueError, MemoryError) as error:  # ValueError: it is closed
        return ImageError(f"can't be read: {first_line(error)}")
    data = b"".join(parts)
    return ImageError("too large, or never ends") if len(data) > MAX_BYTES else data


def _name_of(source: object) -> str:
    """The name of an opened file; Flask calls the form's field ``name``."""
    names = (getattr(source, attribute, None) for attribute in ("filename", "name"))
    return next((name for name in names if name and isinstance(name, str)), "")


def _refuse(received: str) -> UsageError:
    return UsageError(f"this can't be predicted: {_EXPECTED}. Received: {received}")
