"""Freed memory is kept for what comes next, and no more of it than that."""

from __future__ import annotations

import ctypes
import subprocess
import sys


def test_memory_that_was_freed_is_kept_until_it_is_given_back() -> None:
    code = """
import psutil
from candid.core.freed_memory import keep_for_next_photo
rss = psutil.Process().memory_info
give_back = keep_for_next_photo()
blocks = [b"x" * 100_000 for _ in range(1000)]
full = rss().rss
del blocks[:-1]
kept = rss().rss
give_back()
print(full - kept, kept - rss().rss)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    at_once, later = map(int, done.stdout.split())
    if hasattr(ctypes.CDLL(None), "malloc_trim"):
        assert at_once < 10_000_000 < 80_000_000 < later


def test_threads_share_what_was_freed() -> None:
    code = """
import sys, threading, psutil
from candid.core.freed_memory import share_between_threads
if sys.argv[1] == "shared":
    share_between_threads()
gate = threading.Barrier(8)
def work():
    blocks = [b"x" * 100_000 for _ in range(300)]
    gate.wait()
    kept = blocks[-1]
    del blocks[:]
    gate.wait()
    return kept
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(open("/proc/self/maps").read().count(" ---p "))
"""
    if hasattr(ctypes.CDLL(None), "malloc_trim"):
        arenas = [
            int(subprocess.check_output([sys.executable, "-c", code, name]))
            for name in ("alone", "shared")
        ]
        assert arenas[0] > arenas[1] + 4
