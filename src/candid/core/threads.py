"""Threads: a function mapped over items with bounded look-ahead, and jobs that end together."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
#: What ended the jobs of this thread, the cause first.
_ENDED: ContextVar[list[BaseException]] = ContextVar("_ENDED")


def num_cores() -> int:
    """Number of processor cores, and so of useful threads."""
    return os.cpu_count() or 1


def map_ahead(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    num_ahead: int | None = None,
    num_threads: int | None = None,
) -> Iterator[_Result]:
    """Apply a function in threads.

    Args:
        work: Called in the threads.
        items: Read lazily, in the caller's thread.
        num_ahead: Most items queued or running before the first result is read, which bounds the
            memory; by default four for each core, so that a large one keeps no other core waiting.
        num_threads: By default as many as there are cores.

    Yields:
        The results, in the order of the items. If the caller stops early, queued items are
        cancelled.
    """
    rest, most = iter(items), num_ahead or 4 * num_cores()
    with ThreadPoolExecutor(max_workers=num_threads or num_cores()) as pool:
        waiting = deque(pool.submit(work, item) for item in islice(rest, most))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def go_on() -> None:
    """Raise `CancelledError` in a thread of a `joint_pool` that was ended."""
    if _ENDED.get([]):
        raise CancelledError


@contextmanager
def joint_pool(max_workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads whose jobs end together: after an error or Ctrl-C none is begun any more.

    Those in progress end where they call `go_on`, as do the jobs of pools opened within the block
    or a job. The block then raises the first error.
    """
    ended = _ENDED.get([])
    token = _ENDED.set(ended)
    with ThreadPoolExecutor(max_workers, initializer=_ENDED.set, initargs=(ended,)) as pool:
        try:
            yield pool
        except BaseException as error:
            ended.append(error)
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, CancelledError) and token.old_value is token.MISSING:
                raise ended[0] from None
            raise
        finally:
            _ENDED.reset(token)
