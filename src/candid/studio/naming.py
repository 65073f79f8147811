"""Names of folders and files that the studio makes, from what people and browsers give."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from candid.core.text import sanitize
from candid.data.catalog import UNLABELLED
from candid.data.images import SUFFIXES, identify
from candid.data.parts import role_of
from candid.data.walk import is_hidden
from candid.errors import UsageError

_MOST_LETTERS: Final = 80
# Characters and names that one of the usual file systems has no files for.
_FORBIDDEN: Final = '<>:"/\\|?*'
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SUFFIX_OF: Final = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "GIF": ".gif",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JPEG2000": ".jp2",
    "PPM": ".ppm",
    "DICOM": ".dcm",
}


def same_name(name: str, other: str) -> bool:
    """Whether two names are one where case and the form of accents don't count."""
    return _normal(name) == _normal(other)


def folder_name(given: str, what: str) -> str:
    """A name for a new folder.

    Args:
        given: What a person typed.
        what: What it names, for the message: ``class``.

    Raises:
        UsageError: It is empty, too long, or no folder can be called so everywhere.

    >>> folder_name("  happy ", "class")
    'happy'
    """
    name = unicodedata.normalize("NFC", given).strip()
    if not name:
        raise UsageError(f"type a name for the {what}.")
    found = [character for character in _FORBIDDEN if character in name]
    if found:
        raise UsageError(f"a {what} can't have {found[0]} in its name; use letters and spaces.")
    if len(name) > _MOST_LETTERS or len(name.encode("utf-8", "replace")) > 2 * _MOST_LETTERS:
        raise UsageError(f"the name of a {what} has at most {_MOST_LETTERS} letters.")
    if is_hidden(name) or _DEVICE.fullmatch(name) or name.endswith(".") or name != sanitize(name):
        raise UsageError(
            f"a {what} can't be called {sanitize(name)!r}: computers keep such names for "
            "themselves. Choose another one."
        )
    return name


def class_name(given: str) -> str:
    """A name for a new class.

    Raises:
        UsageError: As `folder_name`, or the folder would mean something else to Candid.
    """
    name = folder_name(given, "class")
    if name.lower() in UNLABELLED:
        raise UsageError(f"{name!r} holds the photos without a class; choose another name.")
    if role_of(name):
        raise UsageError(
            f"a folder called {name!r} would be taken for a part of the photos (train, val or "
            "test); choose another name for the class."
        )
    return name


def file_name(given: str, data: bytes) -> str:
    """A name for a photo that came from elsewhere, for any file system.

    Args:
        given: The name that was sent, without folders; may be empty.
        data: Its bytes, for the suffix if there is none.

    >>> file_name("a:b.JPG", b"")
    'a_b.JPG'
    """
    shown = unicodedata.normalize("NFC", sanitize(given))
    name = "".join("_" if character in _FORBIDDEN else character for character in shown)
    stem, dot, suffix = name.strip(" .").rpartition(".")
    if f"{dot}{suffix}".lower() not in SUFFIXES or not stem:
        stem, suffix = name.strip(" ."), _SUFFIX_OF.get(identify(data) or "", "")[1:]
    stem = stem.strip(" .")[:_MOST_LETTERS]
    while len(stem.encode("utf-8")) > 2 * _MOST_LETTERS:
        stem = stem[:-1]
    if not stem or is_hidden(stem) or _DEVICE.fullmatch(stem):
        stem = f"photo{'-' * bool(stem)}{stem}"
    return f"{stem}.{suffix}" if suffix else stem


def numbered(name: str, number: int) -> str:
    """A name with a number before its suffix: ``a-2.jpg``; the first has none."""
    if number == 1:
        return name
    stem, dot, suffix = name.rpartition(".")
    return f"{stem or suffix}-{number}{dot if stem else ''}{suffix if stem else ''}"


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
