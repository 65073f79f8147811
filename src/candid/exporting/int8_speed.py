"""How many images a second a run and an export answer, asked in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_NUM_ROUNDS: Final = 25
_NUM_UNTIMED: Final = 3


@dataclass(frozen=True)
class Speed:
    """Images a second, of a single image a call.

    Attributes:
        run: The run's.
        export: The export's.
        ratio: How many times as fast the export is: the median over pairs of calls.
    """

    run: float
    export: float
    ratio: float

    def to_json(self) -> dict[str, float]:
        """JSON values."""
        return {"run": self.run, "int8": self.export, "ratio": self.ratio}


def measure_speed(
    run: Callable[[NDArray[np.uint8]], Any],
    export: Callable[[NDArray[np.uint8]], Any],
    pixels: NDArray[np.uint8],
) -> Speed:
    """Time two models alternately, so that a machine that slows down slows both.

    Args:
        run: A model.
        export: Another.
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1; they are asked about one at a time.
    """
    times: list[tuple[float, float]] = []
    for number in range(_NUM_UNTIMED + _NUM_ROUNDS):
        place = number % len(pixels)
        picture = pixels[place : place + 1]
        times.append((_time(run, picture), _time(export, picture)))
    first, second = zip(*times[_NUM_UNTIMED:], strict=True)
    ratio = statistics.median(a / b for a, b in zip(first, second, strict=True))
    return Speed(1 / statistics.median(first), 1 / statistics.median(second), ratio)


def _time(ask: Callable[[NDArray[np.uint8]], Any], pixels: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    ask(pixels)
    return time.perf_counter() - began
