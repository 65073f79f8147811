"""Several comparisons at once: one of twenty is "significant" by chance alone."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Correct p-values for their number (Holm, 1979).

    What is below 5 % afterwards is so with at most 5 % chance that any of it is due to chance,
    however the comparisons depend on one another.

    Args:
        p_values: 0 to 1.

    Returns:
        The corrected ones in the same order, each at least what it was and at most 1.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return tuple(corrected)
