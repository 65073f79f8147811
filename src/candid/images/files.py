"""The edge: a file's bytes, or a reason in one line."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from candid.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 512 * 1024**2


def read_file(path: Path) -> bytes:
    """Read a whole image file.

    Args:
        path: An existing regular file of at most `MAX_BYTES` bytes.

    Returns:
        Its bytes, at least one.

    Raises:
        ImageError: It is missing, not a regular file, not readable, empty or too large. The reason
            does not repeat the path, which the caller knows.
    """
    try:
        status = path.stat()
        # Asked before opening: reading a pipe would wait for ever.
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("is a folder; expected an image file")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("is not a regular file")
        if status.st_size > MAX_BYTES:
            limit = f"{MAX_BYTES / 1024**2:.0f} MiB"
            raise ImageError(f"too large: {status.st_size / 1024**2:.0f} MiB, limit {limit}")
        # One byte past the limit at most, should the file grow between the two calls.
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except PermissionError:
        raise ImageError("permission denied") from None
    except (OSError, ValueError, MemoryError) as error:
        # ValueError: a NUL in the path.
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ImageError(f"can't be read: {reason}") from None
    if not data:
        raise ImageError("empty file")
    if len(data) > MAX_BYTES:
        raise ImageError("too large: it grew while it was read")
    return data
