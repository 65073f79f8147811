"""Notes on files of several pages, of which one is answered for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from candid.cli.predicting import STDIN, read_input
from candid.core.text import plural, sanitize
from candid.data.images import HEAD_BYTES, Reading, identify, inspect
from candid.errors import ImageError

_PAGED: Final = ("TIFF", "DICOM")


def note_pages(paths: Sequence[str], piped: bytes, reading: Reading) -> Iterator[str]:
    """Say which files have further pages, and how to choose one.

    Other files are only opened, to see by their first bytes that they have none.
    """
    counts = {path: count for path in paths if (count := _count(path, piped, reading)) > 1}
    if not counts:
        return
    page = reading.page or 1
    if len(counts) == 1:
        [(path, count)] = counts.items()
        yield f"{sanitize(path)} has {count} pages; this answers for page {page}, see --page"
        return
    path, count = next(iter(counts.items()))
    files = plural(len(counts), "file")
    yield (
        f"{files} have several pages, such as {sanitize(path)} ({count}); these answer for page "
        f"{page}, see --page"
    )


def _count(path: str, piped: bytes, reading: Reading) -> int:
    try:
        if path == STDIN:
            head = piped[:HEAD_BYTES]
        else:
            with Path(path).open("rb") as file:
                head = file.read(HEAD_BYTES)
        if identify(head) not in _PAGED:
            return 1
        return inspect(read_input(path, piped), max_pixels=reading.max_pixels).num_frames
    except (ImageError, OSError, ValueError):  # ValueError: a NUL in the path
        return 1
