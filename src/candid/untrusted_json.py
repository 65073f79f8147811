"""JSON that anybody may have written."""

from __future__ import annotations

import json
from typing import Any, Final

#: No amount of ours comes near, and every smaller number fits a float and a library's int64.
_TOO_LARGE: Final = 2**63


def parse(text: str | bytes) -> Any:
    """Parse JSON, but for whole numbers of 64 bits and more, in which Python has no limit.

    Raises:
        ValueError: It is no JSON, or has such a number.
        RecursionError: It is nested too deep.

    >>> parse('{"n": 3}')
    {'n': 3}
    >>> parse("10000000000000000000000000")
    Traceback (most recent call last):
    ValueError: it has a number of 26 digits
    """
    return json.loads(text, parse_int=_parse_int)


def _parse_int(digits: str) -> int:
    number = int(digits)
    if abs(number) >= _TOO_LARGE:
        raise ValueError(f"it has a number of {len(digits.lstrip('-'))} digits")
    return number
