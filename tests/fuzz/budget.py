"""The budget of fuzz tests: a fixed number of examples, or a time limit.

``CANDID_FUZZ_SECONDS`` is the time limit per test, set by `make fuzz`. Without it, a few fixed
examples are tried.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

SECONDS: Final = float(os.environ.get("CANDID_FUZZ_SECONDS", "0"))
_A_ROUND: Final = 300
_SETTINGS: Final = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": False,
}
_STATUS: Final = Path("/proc/self/status")


def fuzz(check: Callable[..., None], *, examples: int, **strategies: SearchStrategy[Any]) -> None:
    """Try a check on examples; each that fails is made small and shown.

    Args:
        check: Takes what the strategies draw, by name.
        examples: How many, where there is no time given.
        strategies: What to draw.
    """
    if not SECONDS:
        # Always the same examples: what fails fails for everybody.
        phases = [phase for phase in Phase if phase is not Phase.explain]
        few = settings(max_examples=examples, derandomize=True, phases=phases, **_SETTINGS)
        few(given(**strategies)(check))()
        return
    began, rounds = time.monotonic(), 0
    while time.monotonic() < began + SECONDS:
        many = settings(max_examples=_A_ROUND, **_SETTINGS)
        number = int.from_bytes(os.urandom(6), "big")
        seed(number)(many(given(**strategies)(_copy(check))))()
        rounds += 1
    print(f"{check.__qualname__}: about {rounds * _A_ROUND} examples")


def _copy(check: Callable[..., None]) -> Callable[..., None]:
    """Hypothesis notes its settings on the function itself, once."""

    def checked(**drawn: Any) -> None:
        check(**drawn)

    return checked


@contextmanager
def bounded_memory(limit_mib: int) -> Iterator[None]:
    """Fail where this process's memory rises by more, at any moment, than it had before."""
    if not Path("/proc/self/clear_refs").exists():
        yield
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        pytest.skip("the peak of the memory can't be reset here")
    before = _kib("VmRSS")
    yield
    assert (_kib("VmHWM") - before) / 1024 < limit_mib


def _kib(name: str) -> int:
    return int(_STATUS.read_text().split(f"{name}:")[1].split()[0])
