"""Names in lines of text: some of many, as a sentence says them."""

from __future__ import annotations

from collections.abc import Sequence


def name_some(paths: Sequence[str], most: int = 3) -> str:
    """Name the first few and say how many there are besides.

    Args:
        paths: Names, the most important first.
        most: How many are named. One too many is named as well, as "and 1 more" saves nothing.

    Returns:
        ``a``, ``a and b``, ``a, b and c``, ``a, b, c and 12 more``; empty without names.
    """
    shown = list(paths if len(paths) <= most + 1 else paths[:most])
    if len(shown) < len(paths):
        shown.append(f"{len(paths) - len(shown)} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))
