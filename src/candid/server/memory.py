"""Lets the C library give memory back that large bodies and photos took."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# Parameters of mallopt(3), by the names that they have in malloc.h.
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_MMAP_FROM_BYTES: Final = 256 * 2**10
_MOST_ARENAS: Final = 2


def give_memory_back() -> None:
    """Let what is large be given back to the system once it is freed; of glibc only.

    By default glibc keeps blocks of up to 32 MiB once some of that size were freed, in an arena for
    each of many threads: after a burst of large bodies a server would hold on to a third more.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM_BYTES)
        mallopt(_M_ARENA_MAX, _MOST_ARENAS)
