"""JSON that anybody may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

#: No amount of ours comes near, and every smaller number fits a float and a library's int64.
_TOO_LARGE: Final = 2**63
_MOST_BYTES: Final = 16 * 2**20


def read_object(file: Path, *, most_bytes: int = _MOST_BYTES) -> dict[str, Any]:
    """Read a file of JSON that holds an object.

    Args:
        file: The file, in UTF-8.
        most_bytes: A larger one is not read.

    Raises:
        OSError: It can't be read.
        ValueError: It is too large, no JSON, no object, nested too deep, or has a whole number of
            64 bits or more, in which Python has no limit.
    """
    if file.stat().st_size > most_bytes:
        raise ValueError("it is too large")
    try:
        values = json.loads(file.read_text(encoding="utf-8"), parse_int=_parse_int)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(values, dict):
        raise ValueError("it is no object")
    return values


def _parse_int(digits: str) -> int:
    number = int(digits)
    if abs(number) >= _TOO_LARGE:
        raise ValueError(f"it has a number of {len(digits.lstrip('-'))} digits")
    return number
