"""A calibrated linear head that can abstain, and its cross-validation.

Strength, temperature and thresholds are fitted by cross-validation within the images that the head
is fitted on. So `predict_by_folds` tests all of it on images that no part of it was fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows
from candid.core.stored_rows import ManyRows, blocks_of
from candid.models.conformal import Abstention, fit_abstention
from candid.models.ood import Novelty, fit_novelty
from candid.models.recipes.cross_validation import Fold, run_folds, without
from candid.models.recipes.linear_head import HeadFit, LinearHead, Trial, fit_head, fit_heads
from candid.models.recipes.logistic import matrix_threads
from candid.models.temperature import fit_temperature, with_temperature
from candid.splits.grouped_split import Labelled, in_order

# Novelty thresholds come from held-out folds. With few photos, a fit without a fifth of them gives
# new photos a much higher novelty than the final fit does: 1.5 % instead of 5 % false alarms on the
# tutorial's photos, where twenty folds give 4.4 %.
_FEW_IMAGES: Final = 600
_MANY_FOLDS: Final = 20


@dataclass(frozen=True)
class Answers:
    """The answers of a head to n images.

    Attributes:
        probabilities: float32 ``(n, k)``, calibrated.
        raw: float32 ``(n, k)``, not calibrated.
        possible: bool ``(n, k)``, the prediction sets; None if the head can't abstain.
        familiarity: float32 ``(n,)``, see `candid.models.conformal.Abstention`; None likewise.
    """

    probabilities: Rows
    raw: Rows
    possible: NDArray[np.bool_] | None
    familiarity: Rows | None

    def take(self, which: NDArray[Any]) -> Answers:
        """Those of some images."""
        some: dict[str, Any] = {
            name: None if rows is None else rows[which] for name, rows in vars(self).items()
        }
        return Answers(**some)


def concatenate(parts: Sequence[Answers]) -> Answers:
    """Answers one after another; what one part lacks, all of them lack."""

    def join(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if any(value is None for value in values) else np.concatenate(values)

    return Answers(*(join(field.name) for field in fields(Answers)))


@dataclass(frozen=True)
class AbstainingHead:
    """A head with its calibration and abstention."""

    raw: LinearHead  # the head before calibration
    temperature: float  # the divisor of its scores
    trials: tuple[Trial, ...]  # the strengths tried
    novelty: Novelty | None  # OOD score; None if a class is too small for folds
    abstention: Abstention | None  # when it abstains; None if too few images were held out
    is_balanced: bool = False  # whether every class had the same weight in the fit

    @property
    def head(self) -> LinearHead:
        """The calibrated head."""
        return self.raw.divided_by(self.temperature)

    def answer(self, embeddings: ManyRows) -> Answers:
        """Answer n images, float32 ``(n, d)``."""
        return concatenate([self._answer(embeddings[block]) for block in blocks_of(embeddings)])

    def _answer(self, embeddings: Rows) -> Answers:
        probabilities = self.head.probabilities(embeddings)
        raw = self.raw.probabilities(embeddings)
        if self.abstention is None or self.novelty is None:
            return Answers(probabilities, raw, None, None)
        return Answers(
            probabilities,
            raw,
            self.abstention.possible(probabilities),
            self.abstention.familiarity(self.novelty.scores(embeddings)),
        )


@dataclass(frozen=True)
class CrossValidated:
    """The held-out answers of a cross-validation to n images."""

    answers: Answers
    folds: NDArray[np.int64]  # (n,), the fold of each image
    heads: tuple[LinearHead, ...]  # the calibrated head of each fold


def fit_abstaining(data: Labelled, *, seed: int = 0) -> AbstainingHead:
    """Fit a head, its temperature and abstention, all by grouped cross-validation."""
    return _add_abstention(data, fit_head(data, seed=seed, with_held_out=True), seed=seed)


def _add_abstention(data: Labelled, fitted: HeadFit, *, seed: int) -> AbstainingHead:
    held = fitted.held_out
    if held is None:
        return AbstainingHead(fitted.head, 1.0, fitted.trials, None, None, fitted.is_balanced)
    labels = data.labels[held.places]
    temperature = fit_temperature(held.probabilities, labels, data.groups[held.places])
    num_folds = data.num_folds()
    if len(data.labels) <= _FEW_IMAGES:
        num_folds = min(_MANY_FOLDS, data.fewest_groups())
    folds = data.folds(num_folds, seed=seed)
    with matrix_threads(data.embeddings.size, data.num_classes):
        novelty, held_out_novelty = fit_novelty(data.embeddings, data.labels, data.groups, folds)
    calibrated = with_temperature(held.probabilities, temperature)
    abstention = fit_abstention(calibrated, labels, held_out_novelty)
    return AbstainingHead(
        fitted.head, temperature, fitted.trials, novelty, abstention, fitted.is_balanced
    )


def predict_by_folds(data: Labelled, *, seed: int = 0) -> CrossValidated | None:
    """Answer every image by a head that was fitted neither on it nor on its group.

    Returns:
        None if a class is too small for two folds.
    """

    def answer(folds: list[Fold]) -> list[tuple[Answers, LinearHead]]:
        sets = [without(fold) for fold in folds]
        fitted = fit_heads(sets, seed=seed + 1, with_held_out=True)
        heads = [_add_abstention(*each, seed=seed + 1) for each in zip(sets, fitted, strict=True)]
        return [
            (head.answer(data.embeddings.take(np.flatnonzero(held_out), axis=0)), head.head)
            for head, (data, held_out) in zip(heads, folds, strict=True)
        ]

    done = run_folds([data], answer, seed=seed)
    if done is None:
        return None
    [(folds, results)] = done

    def join(name: str) -> Any:
        """None if any fold has none."""
        parts = [getattr(answers, name) for answers, _ in results]
        return None if any(part is None for part in parts) else in_order(folds, parts)

    answers = Answers(*(join(field.name) for field in fields(Answers)))
    return CrossValidated(answers, folds, tuple(head for _, head in results))
