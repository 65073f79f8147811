"""Read image files, and identify their format by their first bytes, never by the suffix."""

from __future__ import annotations

import errno
import re
import stat
from typing import TYPE_CHECKING

from candid.data.images.foreign import CAMERA_RAW, identify_foreign, is_raw, remedy
from candid.data.location import Location
from candid.errors import ImageError, ReadError

if TYPE_CHECKING:
    from pathlib import Path

    from candid.data.location import PhotoFile

MAX_BYTES = 512 * 1024**2
#: Reason of a file that is missing.
NO_FILE = "no such file"
#: Errors of a path that no second try mends.
_LASTING = frozenset((errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR))
_LIMIT = f"{MAX_BYTES / 1024**2:.0f} MiB"


def read_file(path: PhotoFile) -> bytes:
    """Read a whole image file.

    Args:
        path: An existing regular file of at most `MAX_BYTES` bytes, or a location of as many.

    Returns:
        Its bytes, at least one.

    Raises:
        ImageError: It is missing, not a regular file, not readable, empty or too large. The
            message does not repeat the path. `ReadError` if trying again may help.
    """
    try:
        data = path.read(MAX_BYTES + 1) if isinstance(path, Location) else _read_path(path)
    except FileNotFoundError:
        raise ImageError(NO_FILE) from None
    except PermissionError:
        raise ImageError("permission denied") from None
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or type(error).__name__
        stays = isinstance(error, ValueError) or getattr(error, "errno", None) in _LASTING
        raise (ImageError if stays else ReadError)(f"can't be read: {reason}") from None
    if not data:
        raise ImageError("empty file")
    if len(data) > MAX_BYTES:
        raise ImageError(f"too large: more than {_LIMIT}")
    return data


def _read_path(path: Path) -> bytes:
    """The bytes of a file, at most one past the limit, should it grow after it was looked at."""
    status = path.stat()
    # Checked before opening: reading a pipe would block.
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("is a folder; expected an image file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("is not a regular file")
    if status.st_size > MAX_BYTES:
        raise ImageError(f"too large: {status.st_size / 1024**2:.0f} MiB, limit {_LIMIT}")
    with path.open("rb") as file:
        # Asked for the limit, Python maps as much memory for each file, and a process may have
        # 65,530 mappings.
        data = file.read(status.st_size + 1)
        grown = len(data) > status.st_size
        return data + file.read(MAX_BYTES + 1 - len(data)) if grown else data


_EVERYDAY = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
FORMATS = (*_EVERYDAY, "JPEG2000", "PPM", "DICOM")

#: Bytes at the beginning of a file that `identify` looks at.
HEAD_BYTES = 132

_COMMON = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif")
_RARER = (".tif", ".tiff", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif")
_SCIENTIFIC = (".dcm", ".dicom")
_JPEG2000 = (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx")
_PPM = (".ppm", ".pgm", ".pbm", ".pnm")
SUFFIXES = frozenset((*_COMMON, *_RARER, *_JPEG2000, *_PPM, *_SCIENTIFIC))

_MAGIC = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG2000": (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xffO\xffQ"),
}

# PBM, PGM and PPM, plain or not: a number or a comment follows, as text may begin so too.
_PPM_START = re.compile(rb"P[1-6]\s+[\d#]")

# Possible sizes of the header after a BMP's 14 bytes; text may begin with "BM" too.
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF_BRANDS |= {b"mif1", b"msf1", b"mif2"}


def identify(data: bytes) -> str | None:
    r"""Name the format of an image by its content.

    Args:
        data: The file's bytes; the first `HEAD_BYTES` are enough.

    Returns:
        One of `FORMATS`, or None.

    >>> identify(b"\x89PNG\r\n\x1a\n")
    'PNG'
    """
    for name, magic in _MAGIC.items():
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if _PPM_START.match(data):
        return "PPM"
    # DICOM PS3.10, 7.1: a preamble of any 128 bytes, then the mark.
    return "DICOM" if data[128:132] == b"DICM" else _identify_iso_media(data)


def is_picture(data: bytes) -> bool:
    """Whether a file is an image or a camera raw file, by its first `HEAD_BYTES`.

    Both belong among photos, though the second has a reason instead of pixels.
    """
    return identify(data) is not None or is_raw(data)


def refusal(data: bytes) -> str:
    """One line on why bytes that `identify` does not know are refused."""
    if not data:
        return "empty file"
    if is_raw(data):
        return CAMERA_RAW
    if foreign := identify_foreign(data):
        return f"{foreign} is not supported: {remedy(foreign)}"
    start = "".join(chr(byte) if 31 < byte < 127 else "·" for byte in data[:12])
    return f'not an image: it starts with "{start}"; expected one of {", ".join(FORMATS)}'


def _identify_iso_media(data: bytes) -> str | None:
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), 256)
    # At offset 12 is a version, not a brand.
    brands = {data[at : at + 4] for at in (8, *range(16, end, 4))}
    # AVIF first: its files list mif1 too, which stands for any HEIF.
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None
