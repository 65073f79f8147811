"""Figures in sentences and in tables: percent where it is read, decimals where it is compared."""

from __future__ import annotations

import math
from typing import Final

from candid.evaluation.estimate import Estimate

# A number and its unit stay on one line.
_SPACE: Final = "\u00a0"


def percent(share: float) -> str:
    """A share as a sentence says it.

    Whole percent, but near the ends: those would make 99.6 % certain, and 0.4 % impossible.

    >>> percent(0.863).replace(_SPACE, " "), percent(0.996).replace(_SPACE, " ")
    ('86 %', '99.6 %')
    """
    return f"{_number(share)}{_SPACE}%"


def between(figure: Estimate) -> str:
    """The interval as a sentence says it: ``between 80 and 91 %``."""
    return f"between {_number(figure.low)} and {percent(figure.high)}"


def interval(figure: Estimate) -> str:
    """The interval as a chart has it beside it: ``80 to 91 %``."""
    return f"{_number(figure.low)} to {percent(figure.high)}"


def said(figure: Estimate) -> str:
    """Value and interval as a sentence says them: ``86 %, between 80 and 91 %``."""
    return f"{percent(figure.value)}, {between(figure)}"


def points(difference: float) -> str:
    """A difference of two shares, without its sign: ``35 points``, ``1 point``, ``0.4 points``."""
    number = abs(100 * difference)
    text = f"{number:.0f}" if number >= 9.95 else f"{number:.1f}".removesuffix(".0")
    return f"{text}{_SPACE}{'point' if text == '1' else 'points'}"


def signed_points(difference: float) -> str:
    """A difference of two shares in points with its sign: ``+4``, ``−0.4``, ``0``."""
    number = 100 * difference
    text = f"{abs(number):.0f}" if abs(number) >= 9.95 else f"{abs(number):.1f}".removesuffix(".0")
    sign = "" if text == "0" else "+" if number > 0 else "−"
    return sign + text


def gain(difference: float) -> str:
    """A difference of two shares in points with its sign and noun: ``+4 points``, ``−1 point``."""
    number = signed_points(difference)
    return f"{number}{_SPACE}{'point' if number in ('+1', '−1') else 'points'}"


def photos(number: float) -> str:
    """How many photos: ``1 photo``, ``12,345 photos``."""
    return f"{number:,.0f}{_SPACE}{'photo' if round(number) == 1 else 'photos'}"


def capitalised(text: str) -> str:
    """The same with a capital letter in front, as a line begins."""
    return text[:1].upper() + text[1:]


def decimals(value: float) -> str:
    """A figure in a table: ``0.863``."""
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _number(share: float) -> str:
    if not math.isfinite(share):
        return "–"
    near_end = 0 < share < 0.01 or 0.99 < share < 1
    return f"{100 * share:.1f}" if near_end else f"{100 * share:.0f}"
