"""Number formats of the pages: percent and points in sentences, three decimals in tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from candid.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from candid.runs.manifest import MeasuredFigure

# A number and its unit stay on one line.
_SPACE: Final = "\u00a0"


def percent(share: float) -> str:
    """A share in whole percent, with one decimal below 1 % and above 99 %.

    Rounding those would turn 99.6 % into certain, and 0.4 % into impossible.

    >>> percent(0.863).replace(_SPACE, " "), percent(0.996).replace(_SPACE, " ")
    ('86 %', '99.6 %')
    """
    return f"{_percent_number(share)}{_SPACE}%"


def percent_interval(figure: Estimate) -> str:
    """The interval beside a chart: ``80 to 91 %``."""
    return f"{_percent_number(figure.low)} to {percent(figure.high)}"


def percent_between(figure: Estimate) -> str:
    """The interval in a sentence: ``between 80 and 91 %``."""
    return f"between {_percent_number(figure.low)} and {percent(figure.high)}"


def percent_with_interval(figure: Estimate) -> str:
    """Value and interval: ``86 % (80 to 91 %)``."""
    return f"{percent(figure.value)} ({percent_interval(figure)})"


def points(difference: float) -> str:
    """A difference of two shares without its sign: ``35 points``, ``1 point``, ``0.4 points``."""
    number = _points_number(difference)
    return f"{number}{_SPACE}{'point' if number == '1' else 'points'}"


def signed_points(difference: float) -> str:
    """A difference of two shares in percentage points with its sign: ``+4``, ``−0.4``, ``0``."""
    number = _points_number(difference)
    return number if number == "0" else f"{'+' if difference > 0 else '−'}{number}"


def signed_points_with_unit(difference: float) -> str:
    """A difference of two shares with its sign and unit: ``+4 points``, ``−1 point``."""
    number = signed_points(difference)
    return f"{number}{_SPACE}{'point' if number in ('+1', '−1') else 'points'}"


def photo_count(number: float) -> str:
    """A number of photos: ``1 photo``, ``12,345 photos``."""
    return f"{number:,.0f}{_SPACE}{'photo' if round(number) == 1 else 'photos'}"


def capitalise_first(text: str) -> str:
    """The text with its first letter in upper case; the rest unchanged."""
    return text[:1].upper() + text[1:]


def decimals(value: float) -> str:
    """A figure in a table: ``0.863``."""
    return f"{value:.3f}" if math.isfinite(value) else "–"


def decimals_with_n(figure: Estimate | MeasuredFigure) -> str:
    """A figure on a terminal: ``0.863 (0.808 to 0.905, n = 300)``."""
    interval = f"{decimals(figure.low)} to {decimals(figure.high)}"
    return f"{decimals(figure.value)} ({interval}, n = {figure.n})"


def _percent_number(share: float) -> str:
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{min(99.9, max(0.1, 100 * share)):.1f}"
    return f"{100 * share:.0f}"


def _points_number(difference: float) -> str:
    number = abs(100 * difference)
    return f"{number:.0f}" if number >= 9.95 else f"{number:.1f}".removesuffix(".0")
