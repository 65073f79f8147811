"""Models that are tried within a given time, and a leaderboard of them.

Candidates are compared on held-out photos of the
train and val parts, by the same folds, and the best so far is kept.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import plural
from candid.evaluation.assess import EvalContext
from candid.evaluation.estimate import proportion
from candid.models.recipes.abstaining_head import predict_by_folds
from candid.training.options import BUDGETS, Quality, Result

#: Seconds for a photo of the best plan, its views and six networks, on two cores.
_SECONDS_PER_PHOTO: Final = 0.9
#: Of the recipe transfer, from docs/cost.md: 18 s for 2,000 photos.
_SECONDS_TO_BEGIN: Final = 2.0
_SECONDS_TO_FIT: Final = 0.008
_SECONDS_TO_IMPORT: Final = 8.0  # TensorFlow


def say_what_more_time_brings(num_photos: int, most_s: float) -> str:
    """What a higher quality takes, of so many photos and at most so many seconds, and brought."""
    minutes = max(1, round(min(num_photos * _SECONDS_PER_PHOTO, most_s) / 60))
    return (
        f"--quality best would take about {plural(minutes, 'minute')}: it trains the backbone's "
        "last blocks too, if held-out photos say that this helps. It was right on 2 more photos in "
        "100 of hand signs, 1 more of weather, and as many of faces (benchmarks/README.md)."
    )


def expected_seconds(num_photos: int, quality: Quality) -> float:
    """About how long a training takes on two cores, of so many photos with known embeddings."""
    fast = _SECONDS_TO_BEGIN + _SECONDS_TO_FIT * num_photos
    if quality == "fast":
        return fast
    tuned = _SECONDS_TO_IMPORT + _SECONDS_PER_PHOTO * num_photos
    return min(max(tuned, fast), BUDGETS[quality])


class Clock:
    """The time that a training may take, from the making of the clock on.

    Args:
        seconds: In all.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._started = time.monotonic()

    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - self.spent()

    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started


@dataclass(frozen=True)
class Candidate:
    """A model that may be kept.

    Attributes:
        name: Recipe and backbone.
        result: The run to be.
        hits: bool ``(n,)``, whether it is right on each photo of the train and val parts, by folds.
        held_out: bool ``(n,)``, the photos that were held out; of others ``hits`` says nothing.
        seconds: What it took.
        is_kept: Whether it is better than those before it.
    """

    name: str
    result: Result
    hits: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    seconds: float
    is_kept: bool = False

    def beats(self, other: Candidate) -> bool:
        """Whether it is right at least as often, on the photos that both held out."""
        both = self.held_out & other.held_out
        return bool(self.hits[both].sum() >= other.hits[both].sum())


def to_lines(candidates: Sequence[Candidate], best: Candidate) -> tuple[str, ...]:
    """A leaderboard: each candidate with its accuracy on the photos that all of them held out."""
    all_held_out = np.logical_and.reduce([one.held_out for one in candidates])
    groups = context_of(best.result).data.take(best.result.fitted_on).groups[all_held_out]
    ranked = sorted(candidates, key=lambda one: (one is not best, -one.hits[all_held_out].sum()))
    return tuple(_to_line(one, one.hits[all_held_out], groups, one is best) for one in ranked)


def _to_line(
    one: Candidate, hits: NDArray[np.bool_], groups: NDArray[np.int64], is_best: bool
) -> str:
    accuracy = proportion(hits, groups)
    assert accuracy is not None  # a fold has photos
    return (
        f"{'kept' if is_best else 'tried'} {one.name}: right on {accuracy.value:.1%} "
        f"({accuracy.low:.1%} to {accuracy.high:.1%}) of {plural(accuracy.n, 'held-out photo')}, "
        f"in {one.seconds:,.0f} s"
    )


def context_of(result: Result) -> EvalContext:
    """What a result is measured on."""
    options = result.options
    return EvalContext(result.prepared.features, result.split, options.rule, options.split.seed)


def frozen_candidate(result: Result, seconds: float) -> Candidate | None:
    """A result of the recipe ``transfer``; None if no fold can be held out."""
    context = context_of(result)
    data = context.data.take(result.fitted_on)
    folded = predict_by_folds(data, seed=context.seed)
    if folded is None:
        return None
    hits = folded.answers.raw.argmax(axis=1) == data.labels
    name = f"transfer ({result.options.backbone})"
    return Candidate(name, result, hits, np.ones(len(hits), np.bool_), seconds)
