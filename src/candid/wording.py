"""Numbers and names in lines of text, as a sentence says them."""

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


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 picture``, ``3 pictures``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def count_are(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun and verb: ``1 picture is``, ``3 pictures are``."""
    return f"{count(number, one, many)} {'is' if number == 1 else 'are'}"


def count_have(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun and verb: ``1 picture has``, ``3 pictures have``."""
    return f"{count(number, one, many)} {'has' if number == 1 else 'have'}"
