"""A leak tax where the two test parts hold different images."""

from __future__ import annotations

import math

from candid.evaluation.figures import Figure
from candid.evaluation.leak_tax import LeakTax


def unpaired_tax(
    naive: Figure | None, honest: Figure | None, *, estimate: str, num_copies: int, num_images: int
) -> LeakTax | None:
    """Hold an accuracy against another one that was measured on other images.

    The interval of the difference is Newcombe's from both Wilson intervals (R. G. Newcombe,
    "Interval estimation for the difference between independent proportions", Statistics in
    Medicine, 1998, method 10).

    Args:
        naive: Where images were dealt one by one.
        honest: Where copies stayed together.
        estimate: What both were measured by.
        num_copies: How many images there are more than groups, in all parts.
        num_images: How many images there are in all parts.

    Returns:
        The tax, or None where either was not measured.
    """
    if naive is None or honest is None:
        return None
    value = naive.value - honest.value
    low = value - math.hypot(naive.value - naive.low, honest.high - honest.value)
    high = value + math.hypot(naive.high - naive.value, honest.value - honest.low)
    tax = Figure(value, low, high, min(naive.n, honest.n))
    return LeakTax(naive, honest, tax, estimate, num_copies, num_images)
