"""How fast an export answers on this machine, in its own runtime."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import plural
from candid.exporting.format import Runner

_NUM_UNTIMED: Final = 3
_NUM_TIMED: Final = 25
#: A runtime that needs a second for an image is asked about fewer.
_MOST_S: Final = 3.0


@dataclass(frozen=True)
class Speed:
    """How fast a model answers, one image a call."""

    images_per_s: float  # by the median of the calls
    num_calls: int  # how many were timed

    def to_text(self) -> str:
        """A line for a terminal."""
        calls = plural(self.num_calls, "call")
        return (
            f"Speed on this machine: {self.images_per_s:.3g} images per second, one a call "
            f"(median of {calls})."
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def measure_speed(run: Runner, pixels: NDArray[np.uint8]) -> Speed:
    """Time a model, given ``pixels``, uint8 ``(n, s, s, 3)`` RGB, one image at a time."""
    seconds: list[float] = []
    end = time.perf_counter() + _MOST_S
    for number in range(_NUM_UNTIMED + _NUM_TIMED):
        place = number % len(pixels)
        start = time.perf_counter()
        run(pixels[place : place + 1])
        seconds.append(time.perf_counter() - start)
        if time.perf_counter() > end:
            break
    timed = seconds[_NUM_UNTIMED:] or seconds[-1:]
    return Speed(1 / statistics.median(timed), len(timed))
