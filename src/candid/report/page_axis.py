"""Axes of the charts of the page: values turned into places in percent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

_MOST_STEPS: Final = 6


@dataclass(frozen=True)
class Tick:
    """A line of the grid.

    Attributes:
        at: Its place, 0 to 100.
        text: What stands beside it.
    """

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """A straight axis.

    Attributes:
        low: What lies at its beginning.
        high: What lies at its end.
        step: How far apart the lines of the grid are.
    """

    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """The place of a value, 0 to 100; of one beyond the axis, its end."""
        share = (value - self.low) / (self.high - self.low) if math.isfinite(value) else 0.0
        return round(100 * min(1.0, max(0.0, share)), 2)

    def ticks(self, write: Callable[[float], str]) -> tuple[Tick, ...]:
        """The lines of the grid, each with its value as it is written."""
        first, last = (
            math.ceil(self.low / self.step - 1e-6),
            math.floor(self.high / self.step + 1e-6),
        )
        values = [number * self.step for number in range(first, last + 1)]
        return tuple(Tick(self.place(value), write(value)) for value in values)


def fit_scale(
    values: Iterable[float],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    most_steps: int = _MOST_STEPS,
) -> Scale:
    """Choose an axis of round numbers that holds all values.

    Args:
        values: What it holds; what is not finite is left out.
        least: It begins nowhere before.
        most: It ends nowhere beyond.
        most_steps: There are hardly more lines of the grid than these.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    step = _round_step((high - low) or abs(high) or 1.0, most_steps)
    low = max(least, math.floor(low / step + 1e-9) * step)
    high = min(most, math.ceil(high / step - 1e-9) * step)
    return Scale(low, high if high > low else low + step, step)


def _round_step(span: float, most: int) -> float:
    """1, 2 or 5 times a power of ten, so that a span has at most so many steps."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)


def write_share(value: float) -> str:
    """``85%``, or ``87.5%`` where lines lie closer than a point."""
    return f"{100 * value:.4g}%"
