"""The rarest of unbalanced classes: how often it is found, and which option finds it more often."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.estimate import Estimate, proportion
from candid.evaluation.measures import Measures
from candid.evaluation.scores import Predictions
from candid.models.decision_rule import DecisionRule
from candid.models.recipes.linear_head import UNBALANCED

# Probabilities from which the rare class of two is predicted, and costs of missing one of more
# classes: a short list of round numbers leaves little to overfit.
_CUTOFFS: Final = (0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)
_COSTS: Final = (2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0)
_MOST_CLASSES: Final = 20  # a cost for each of more others is no command to type
#: Share of the rare class that the offered option must find among the predictions it is chosen on.
LEAST_FOUND: Final = 0.9


@dataclass(frozen=True)
class Offer:
    """An option with which more of the rare class is found.

    It is chosen on all cross-validated predictions. The counts are cross-fitted: for each fold, the
    option is chosen on the other folds and counted on this one.

    Attributes:
        options: As typed: ``--threshold 0.2``, or ``--cost 'rare->common=5'``, repeated.
        recall: Share of the rare class that is found.
        num_found: The number of those photos.
        num_false: Photos of other classes that are called the rare one.
        num_false_before: The same without the option.
        num_others: Photos of other classes.
    """

    options: str
    recall: Estimate
    num_found: int
    num_false: int
    num_false_before: int
    num_others: int


@dataclass(frozen=True)
class RareClass:
    """The class with the fewest photos, of classes that are unbalanced.

    Attributes:
        name: Its name.
        others: What the other photos are called: the other class of two, or ``other``.
        recall: The share of its photos that are found.
        num_found: The number of those photos.
        offer: An option that finds more; None if there is none, or none was looked for.
    """

    name: str
    others: str
    recall: Estimate
    num_found: int
    offer: Offer | None = None

    def to_text(self) -> str:
        """``Rarest class: rare, finds 1 of 12 (8 %, 1 to 35 %)``, and the offer if there is one."""
        recall, offer = self.recall, self.offer
        low, high = 100 * recall.low, 100 * recall.high
        line = (
            f"Rarest class: {self.name}, finds {self.num_found} of {recall.n} "
            f"({100 * recall.value:.0f} %, {low:.0f} to {high:.0f} %)"
        )
        if offer is None:
            return f"{line}."
        return (
            f"{line}; {offer.options} finds {offer.num_found} of {offer.recall.n}, and calls "
            f"{offer.num_false} of {offer.num_others} {self.others} photos {self.name} (now "
            f"{offer.num_false_before})."
        )


def rare_class(measures: Measures) -> RareClass | None:
    """The rarest class of unbalanced ones, without an offer; None for balanced classes."""
    sizes = measures.confusion.sum(axis=1)
    present = np.flatnonzero(sizes)
    if len(present) < 2 or sizes.max() <= UNBALANCED * sizes[present].min():
        return None
    found = np.diag(measures.confusion)
    # Of equally rare classes, the one that is found the least.
    rarest = min(present.tolist(), key=lambda c: (sizes[c], found[c]))
    recall = measures.per_class[rarest].recall
    if recall is None:
        return None
    others = measures.classes[1 - rarest] if len(measures.classes) == 2 else "other"
    return RareClass(measures.classes[rarest], others, recall, int(found[rarest]))


def with_offer(
    rare: RareClass, classes: Sequence[str], predictions: Predictions, folds: NDArray[np.int64]
) -> RareClass:
    """Offer an option that finds more of the rare class, if there is one and classes are few.

    Args:
        rare: The rare class.
        classes: Names of the k classes.
        predictions: Cross-validated predictions of n photos by the likeliest class.
        folds: int64 ``(n,)``, the fold of each photo.
    """
    if len(classes) > _MOST_CLASSES:
        return rare
    number = classes.index(rare.name)
    rules = tuple(_rules(classes, number))
    hits = np.stack([r.decide(predictions.probabilities, classes) == number for r in rules])
    true = predictions.truth == number
    said = np.zeros(len(true), np.bool_)
    for fold in np.unique(folds):
        here = folds == fold
        said[here] = hits[_choose(hits[:, ~here], true[~here])][here]
    recall, num_found = proportion(said[true], predictions.groups[true]), int(said[true].sum())
    if recall is None or num_found <= rare.num_found:
        return rare
    offer = Offer(
        _options(rules[_choose(hits, true)]),
        recall,
        num_found,
        num_false=int(said[~true].sum()),
        num_false_before=int((predictions.predicted[~true] == number).sum()),
        num_others=int((~true).sum()),
    )
    return replace(rare, offer=offer)


def _rules(classes: Sequence[str], number: int) -> Iterator[DecisionRule]:
    """Rules that call ever more photos the rare class."""
    if len(classes) == 2:
        yield from (DecisionRule(c if number == 1 else round(1 - c, 3)) for c in _CUTOFFS)
        return
    others = [name for name in classes if name != classes[number]]
    for cost in _COSTS:
        yield DecisionRule(costs={(classes[number], other): cost for other in others})


def _choose(hits: NDArray[np.bool_], true: NDArray[np.bool_]) -> int:
    """The rule with the best balanced accuracy of those that find `LEAST_FOUND` of the class.

    If none does, it is the one that finds the most.

    Args:
        hits: bool ``(r, n)``, whether each rule calls each photo the rare class.
        true: bool ``(n,)``, whether it is.
    """
    found = hits[:, true].mean(axis=1) if true.any() else np.zeros(len(hits))
    false = hits[:, ~true].mean(axis=1)
    enough = found >= min(LEAST_FOUND, float(found.max()))
    return int(np.where(enough, found - false, -np.inf).argmax())


def _options(rule: DecisionRule) -> str:
    if not rule.costs:
        return f"--threshold {rule.threshold:g}"
    return " ".join(
        f"--cost {shlex.quote(f'{true}->{predicted}={cost:g}')}"
        for (true, predicted), cost in rule.costs.items()
    )
