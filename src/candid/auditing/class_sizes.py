"""How many different pictures each class has, which is what counts: copies teach nothing."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Bar, Chart

#: Of more classes, the chart shows as many of the largest and of the smallest.
MOST_BARS: Final = 40


def pictures_by_class(evidence: Evidence) -> dict[str, int]:
    """Different pictures of every class, empty ones too, in alphabetical order.

    A picture that sits in two classes counts in both.
    """
    pairs = np.unique(np.stack([evidence.labels, evidence.groups.of_photo], axis=1), axis=0)
    numbers = Counter(pairs[:, 0].tolist())
    return {name: numbers[place] for place, name in enumerate(evidence.classes)}


def chart_of(sizes: dict[str, int]) -> Chart:
    """Classes by size, the smallest emphasised."""
    ranked = sorted(sizes, key=lambda name: (-sizes[name], name))
    title = "Different pictures of each class"
    if len(ranked) > MOST_BARS:
        half = MOST_BARS // 2
        ranked = ranked[:half] + ranked[-half:]
        title = f"Different pictures of the {half} largest and the {half} smallest classes"
    least = min(sizes.values())
    uneven = least < max(sizes.values())
    bars = [Bar(name, sizes[name], emphasis=uneven and sizes[name] == least) for name in ranked]
    return Chart(title, tuple(bars), "count")
