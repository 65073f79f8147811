"""How many photos it takes to see a difference between two classifiers."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

POWER: Final = 0.8


def photos_needed(
    *, difference: float, discordant: float, level: float = 0.05, power: float = POWER
) -> int:
    """The number of different photos with which McNemar's test would see a difference.

    n = (z_level √ψ + z_power √(ψ - δ²))² / δ² (Connor, 1987).

    Args:
        difference: δ, between the accuracies; not 0.
        discordant: ψ, the share of the images that only one of the two gets right, at least |δ|.
        level: Up to which p-value a difference is seen, two-sided.
        power: How often it is to be seen.

    Returns:
        How many, rounded up.

    >>> photos_needed(difference=0.4, discordant=0.5)
    23
    """
    normal = NormalDist()
    by_chance = normal.inv_cdf(1 - level / 2) * math.sqrt(discordant)
    beyond = normal.inv_cdf(power) * math.sqrt(max(0.0, discordant - difference**2))
    return math.ceil(((by_chance + beyond) / difference) ** 2)
