"""A leak tax where the two test parts hold different images.

What a random split of the images would have claimed, next to what is true.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.estimate import (
    Estimate,
    effective_size,
    paired_difference,
    proportion,
    wilson,
)
from candid.models.recipes.logistic import Rows
from candid.splits.grouped_split import Labelled

#: Deals of the images one by one, over which the claim is averaged, while images are few.
NUM_DEALS: Final = 3
_HARDLY_ANY: Final = 0.02  # of the images
_FEW_IMAGES: Final = 1000  # beyond, one deal is steady enough, and three take too long


@dataclass(frozen=True)
class LeakTax:
    """The same recipe on the same images, dealt at random and dealt in groups.

    Attributes:
        naive: Accuracy where images are dealt one by one, so that copies sit on both sides; the
            mean of three deals where there are at most 1,000 images.
        honest: Accuracy where copies stay together.
        tax: The first minus the second, paired by image.
        estimate: What both were measured by: ``5-fold`` or ``test part``.
        num_copies: How many images there are more than groups.
        num_images: Of how many, where that is not what was measured on.
    """

    naive: Estimate
    honest: Estimate
    tax: Estimate
    estimate: str
    num_copies: int = 0
    num_images: int = 0

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """For instance ``A random split would have said 0.92; it is 0.86: too much by …``."""
        naive, honest = f"{self.naive.value:.2f}", f"{self.honest.value:.2f}"
        low, high = _points(self.tax.low), _points(self.tax.high)
        copies, size = self.num_copies, self.num_images or self.honest.n
        same = f"A random split would have said the same, {honest}"
        if not copies and not self.tax.value:
            return f"{same}: there are no copies."
        if naive == honest and copies <= _HARDLY_ANY * size:
            return f"{same}: there are hardly any copies ({copies} of {size} images)."
        if naive == honest:
            are = "is a copy" if copies == 1 else "are copies"
            return f"{same}, though {copies} of {size} images {are} ({low} to {high} points)."
        differs = f"A random split would have said {naive}; it is {honest}"
        if self.tax.low > 0:
            return f"{differs}: too much by {low.lstrip('+')} to {high.lstrip('+')} points."
        return f"{differs}. The difference ({low} to {high} points) may be chance."


def _points(share: float) -> str:
    """Percentage points with their sign; 0 has none."""
    points = round(100 * share)
    return f"{points:+d}" if points else "0"


@dataclass(frozen=True)
class _DealtApart(Labelled):
    """Images that are dealt one by one, into as many folds as when they are dealt in groups."""

    folds: int

    def num_folds(self) -> int:
        """As many as the groups allow."""
        return self.folds


def measure_leak_tax(
    data: Labelled,
    honest: NDArray[np.bool_],
    *,
    seed: int,
    predict: Callable[[Labelled], Rows | None],
) -> LeakTax | None:
    """Measure what a random split would have claimed of the same recipe on the same images.

    Every image becomes a unit of its own, so that copies are dealt apart: by the cross-validation,
    and by the choice of the strength within it. A deal is luck; three are averaged where there are
    at most 1,000 images. Where no image has a copy, both splits are one and nothing is fitted.

    Args:
        data: n images, their copies in one unit.
        honest: bool ``(n,)``, where cross-validation in whole units was right.
        seed: Another seed, other deals.
        predict: Cross-validates: float32 ``(n, k)`` of n images, or None where it can't.

    Returns:
        The tax; None where the cross-validation gives nothing.
    """
    num_folds, size = data.num_folds(), len(data.labels)
    true = proportion(honest, data.groups)
    if true is None or num_folds < 2:
        return None
    estimate, num_copies = f"{num_folds}-fold", size - len(np.unique(data.groups))
    if not num_copies:
        return LeakTax(true, true, Estimate(0.0, 0.0, 0.0, size), estimate)
    num_deals = NUM_DEALS if size <= _FEW_IMAGES else 1
    claimed = np.zeros(size)
    for deal in range(num_deals):
        probabilities = predict(_deal_apart(data, f"{seed}:{deal}"))
        if probabilities is None:
            return None
        claimed += (probabilities.argmax(axis=1) == data.labels) / num_deals
    naive = wilson(float(claimed.sum()), size, effective_n=effective_size(data.groups))
    tax = paired_difference(claimed, honest, data.groups)
    if naive is None or tax is None:
        return None
    return LeakTax(naive, true, tax, estimate, num_copies)


def _deal_apart(data: Labelled, prefix: str) -> Labelled:
    """The same images, each a unit with a key of its own that depends on what it shows."""
    seen: Counter[str] = Counter()
    keys = []
    for row in data.embeddings:
        digest = hashlib.blake2b(row.tobytes(), digest_size=8).hexdigest()
        seen[digest] += 1  # equal files have equal embeddings, and are to be dealt apart too
        keys.append(f"{prefix}:{digest}:{seen[digest]}")
    units = np.arange(len(keys))
    return _DealtApart(
        data.embeddings, data.labels, units, keys, data.num_classes, folds=data.num_folds()
    )


def unpaired_tax(
    naive: Estimate | None,
    honest: Estimate | None,
    *,
    estimate: str,
    num_copies: int,
    num_images: int,
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
    tax = Estimate(value, low, high, min(naive.n, honest.n))
    return LeakTax(naive, honest, tax, estimate, num_copies, num_images)
