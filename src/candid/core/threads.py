"""Map a function over items in threads: bounded look-ahead, results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def num_cores() -> int:
    """Number of processor cores, and so of useful threads."""
    return os.cpu_count() or 1


def map_ahead(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, num_ahead: int
) -> Iterator[_Result]:
    """Apply a function in as many threads as there are cores.

    Args:
        work: Called in the threads.
        items: Read lazily, in the caller's thread.
        num_ahead: Most items queued or running before the first result is read; bounds the memory.

    Yields:
        The results, in the order of the items. If the caller stops early, queued items are
        cancelled.
    """
    rest = iter(items)
    with ThreadPoolExecutor(max_workers=num_cores()) as pool:
        waiting = deque(pool.submit(work, item) for item in islice(rest, num_ahead))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
