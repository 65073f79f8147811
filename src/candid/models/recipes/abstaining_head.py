"""A linear head that is calibrated and knows when to say nothing, and its cross-validation.

Everything that is learnt from held-out images (strength, temperature, what is usual) is learnt
within the images that the head is fitted on. So `predict_by_folds` holds the whole of it against
images that nothing of it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.models.conformal import Abstention, fit_abstention
from candid.models.ood import Novelty, fit_novelty
from candid.models.recipes.linear_head import LinearHead, Trial, fit_head
from candid.models.recipes.logistic import Rows, fits_at_once, matrix_threads
from candid.models.temperature import fit_temperature, with_temperature
from candid.splits.grouped_split import Labelled, grouped_folds

# What is usual is learnt from photos that a fold did not see. Of few photos, a fold that leaves out
# a fifth of them finds new photos much stranger than all of them together do: 1.5 % of false alarms
# for 5 % on the tutorial's photos, where twenty folds give 4.4 %.
_FEW_IMAGES: Final = 600
_MANY_FOLDS: Final = 20


@dataclass(frozen=True)
class Answers:
    """What a head says of n images.

    Attributes:
        probabilities: float32 ``(n, k)``, calibrated.
        raw: float32 ``(n, k)``, not calibrated.
        possible: bool ``(n, k)``, the classes that can't be ruled out; None where it can't tell.
        familiarity: float32 ``(n,)``, see `candid.models.conformal.Abstention`; None likewise.
    """

    probabilities: Rows
    raw: Rows
    possible: NDArray[np.bool_] | None
    familiarity: Rows | None


@dataclass(frozen=True)
class AbstainingHead:
    """A head with all that was learnt about it.

    Attributes:
        raw: The head as it was fitted.
        temperature: What its scores are divided by.
        trials: The strengths that were tried.
        novelty: How unlike the training images an embedding is; None where a class is too small for
            folds.
        abstention: When it says that it does not know; None where too little was held out.
    """

    raw: LinearHead
    temperature: float
    trials: tuple[Trial, ...]
    novelty: Novelty | None
    abstention: Abstention | None

    @property
    def head(self) -> LinearHead:
        """The calibrated head."""
        return self.raw.divided_by(self.temperature)

    def answer(self, embeddings: Rows) -> Answers:
        """Answer n images, float32 ``(n, d)``."""
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
    """What a cross-validation says of n images.

    Attributes:
        answers: The answers.
        folds: int64 ``(n,)``, which fold each image was held out in.
        heads: The calibrated head of each fold.
    """

    answers: Answers
    folds: NDArray[np.int64]
    heads: tuple[LinearHead, ...]


def fit_abstaining(data: Labelled, *, seed: int = 0) -> AbstainingHead:
    """Fit a head, calibrate it and learn what is usual, all by grouped cross-validation.

    Args:
        data: What to fit it on.
        seed: Deals the folds.
    """
    fitted = fit_head(data, seed=seed, with_held_out=True)
    held = fitted.held_out
    if held is None:
        return AbstainingHead(fitted.head, 1.0, fitted.trials, None, None)
    labels = data.labels[held.places]
    temperature = fit_temperature(held.probabilities, labels, data.units[held.places])
    num_folds = data.num_folds()
    if len(data.labels) <= _FEW_IMAGES:
        num_folds = min(_MANY_FOLDS, data.fewest_units())
    folds = grouped_folds(data.labels, data.units, data.keys, num_folds=num_folds, seed=seed)
    with matrix_threads(data.embeddings.size):
        novelty, usual = fit_novelty(data.embeddings, data.labels, folds)
    calibrated = with_temperature(held.probabilities, temperature)
    abstention = fit_abstention(calibrated, labels, usual)
    return AbstainingHead(fitted.head, temperature, fitted.trials, novelty, abstention)


def predict_by_folds(data: Labelled, *, seed: int = 0) -> CrossValidated | None:
    """Answer every image by a head that saw neither it nor any of its unit.

    Args:
        data: All the images.
        seed: Deals the folds.

    Returns:
        The answers and who gave them, or None where a class is too small for two folds.
    """
    num_folds = data.num_folds()
    if num_folds < 2:
        return None
    folds = grouped_folds(data.labels, data.units, data.keys, num_folds=num_folds, seed=seed)

    def answer(fold: int) -> tuple[Answers, LinearHead]:
        fitted = fit_abstaining(data.take(np.flatnonzero(folds != fold)), seed=seed + 1)
        return fitted.answer(data.embeddings[folds == fold]), fitted.head

    at_once = fits_at_once(data.embeddings.size)
    with matrix_threads(0), ThreadPoolExecutor(at_once) as pool:
        answers, heads = zip(*pool.map(answer, range(num_folds)), strict=True)
    return CrossValidated(_gather(answers, folds), folds, heads)


def _gather(answers: Sequence[Answers], folds: NDArray[np.int64]) -> Answers:
    """Put what each fold said back into the images' order."""
    order = np.argsort(np.concatenate([np.flatnonzero(folds == f) for f in range(len(answers))]))

    def join(rows: list[Rows]) -> Rows:
        return np.concatenate(rows)[order]

    able = [a for a in answers if a.possible is not None and a.familiarity is not None]
    whole = len(able) == len(answers)
    return Answers(
        join([a.probabilities for a in answers]),
        join([a.raw for a in answers]),
        np.concatenate([a.possible for a in able if a.possible is not None])[order]
        if whole
        else None,
        join([a.familiarity for a in able if a.familiarity is not None]) if whole else None,
    )
