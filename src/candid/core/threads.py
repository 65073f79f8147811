"""Work shared by threads, a bounded number of items ahead, with results in order."""

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
    """As many threads as are worth having."""
    return os.cpu_count() or 1


def map_ahead(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, num_ahead: int
) -> Iterator[_Result]:
    """Apply a function in as many threads as there are cores.

    Args:
        work: Called in the threads.
        items: Taken in the thread of the caller, as results are taken.
        num_ahead: Items that are begun, or wait to be, before the first result is taken; bounds
            what is in memory.

    Yields:
        The results, in the order of the items. Who stops taking them, or is interrupted, ends the
        threads: what has not begun by then is not begun.
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
