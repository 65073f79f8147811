"""What glibc keeps of memory that was freed; other C libraries are left as they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

# Parameters of mallopt(3), by their names in malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def share_between_threads() -> None:
    """Have all threads take memory from two arenas.

    By default each thread has one of its own, which keeps what was freed in it: a third of the
    memory of a training.
    """
    if library := _glibc():
        library.mallopt(_M_ARENA_MAX, 2)


def keep_for_next_photo() -> Callable[[], None]:
    """Keep more of it than by default, until the function is called that this returns.

    By default the buffers of a photo are returned to the system after each photo, and new pages
    take part of the time of decoding.
    """
    library = _glibc()
    if library:
        library.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        library.mallopt(_M_TRIM_THRESHOLD, 64 * 2**20)
    return give_back


def give_back() -> None:
    """Return to the system what was freed in small pieces, such as files that were read."""
    if library := _glibc():
        library.malloc_trim(0)


def _glibc() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
