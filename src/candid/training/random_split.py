"""The split that everybody else makes: photos dealt one by one, copies wherever they fall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from candid.dealing import count_by_unit, deal
from candid.split import PARTS, SHARES, Split


def deal_at_random(dealt: Split, *, seed: int) -> Split:
    """Deal the photos of a split anew, one by one, 70 / 20 / 10 and stratified.

    Args:
        dealt: A split whose parts keep copies together.
        seed: Another seed, another deal.

    Returns:
        The same rows; those that are in no part stay out.
    """
    places = dealt.places(*PARTS)
    names = sorted({dealt.rows[place].label for place in places})
    labels = np.array([names.index(dealt.rows[place].label) for place in places], np.int64)
    units = np.arange(len(places))
    keys = [f"{dealt.rows[place].content}:{dealt.rows[place].path}" for place in places]
    parts = deal(count_by_unit(labels, units), keys, SHARES, seed=seed)
    rows = list(dealt.rows)
    for place, part in zip(places, parts, strict=True):
        rows[place] = replace(rows[place], part=PARTS[part])
    return replace(dealt, rows=tuple(rows))
