"""Calibration and abstention from a few held-out folds, of a network that trains for minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows
from candid.models.conformal import Abstention, fit_abstention
from candid.models.ood import Novelty
from candid.models.recipes.abstaining_head import Answers, concatenate
from candid.models.recipes.logistic import softmax
from candid.models.temperature import (
    count_pictures,
    fit_temperature,
    smoothed_losses,
    with_temperature,
)

#: Shares of the trained layers to choose from; 0 is the frozen network.
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class FoldAnswers:
    """Answers of a network to m photos that it was not trained on.

    Attributes:
        places: int64 ``(m,)``, the photos.
        labels: int64 ``(m,)``.
        groups: int64 ``(m,)``.
        frozen: float32 ``(m, k)``, scores of a linear head on the frozen features.
        trained: float32 ``(m, k)``, scores of the trained layers.
        embeddings: float32 ``(m, d)``.
        detector: The OOD score, fitted to the photos that the network was trained on.
    """

    places: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    frozen: Rows
    trained: Rows
    embeddings: Rows
    detector: Novelty

    def raw(self, share: float) -> Rows:
        """Probabilities before calibration, float32 ``(m, k)``; see `choose_share`."""
        return softmax((1 - share) * self.frozen + share * self.trained)


def choose_share(folds: Sequence[FoldAnswers]) -> float:
    """The share of the trained layers with the smallest log loss on the held-out photos.

    Trained layers alone follow the photos closely, and the mean of both is right on more photos
    that are unlike them (as for averaged weights: Wortsman et al., "Robust fine-tuning of zero-shot
    models", 2022).
    """
    labels, groups = (np.concatenate([getattr(f, n) for f in folds]) for n in ("labels", "groups"))

    def loss(share: float) -> float:
        raw = np.concatenate([fold.raw(share) for fold in folds])
        calibrated = with_temperature(raw, fit_temperature(raw, labels, groups))
        scores = np.log(np.maximum(calibrated, np.finfo(np.float32).tiny))
        return float(smoothed_losses(scores, labels, count_pictures(groups)).mean())

    return min(SHARES, key=loss)


@dataclass(frozen=True)
class HeldOut:
    """The answers of some folds, joined; attributes as in `FoldAnswers`.

    Attributes:
        raw: float32 ``(m, k)``, probabilities before calibration.
        parts: int64 ``(m,)``, what is held out together to measure calibration and abstention.
        novelty: float32 ``(m,)``, the OOD scores, standardised alike in all folds.
    """

    places: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    raw: Rows
    parts: NDArray[np.int64]
    novelty: Rows

    def take(self, kept: NDArray[np.bool_]) -> HeldOut:
        """Some of the photos, bool ``(m,)``."""
        return HeldOut(*(getattr(self, field.name)[kept] for field in fields(self)))

    def fit(self) -> tuple[float, Abstention | None]:
        """Temperature and abstention; None of few photos."""
        temperature = fit_temperature(self.raw, self.labels, self.groups)
        calibrated = with_temperature(self.raw, temperature)
        return temperature, fit_abstention(calibrated, self.labels, self.novelty)

    def answers(self) -> Answers:
        """Answers to the photos, those of a part calibrated by the others."""
        joined: list[Answers] = []
        order: list[NDArray[np.intp]] = []
        for part in np.unique(self.parts):
            here = self.parts == part
            own = self.take(here)
            joined.append(calibrate(own.raw, own.novelty, *self.take(~here).fit()))
            order.append(np.flatnonzero(here))
        return join_answers(joined, np.concatenate(order))


def join_folds(
    folds: Sequence[FoldAnswers], halves: NDArray[np.int64], detector: Novelty, share: float
) -> tuple[HeldOut, Novelty]:
    """Join the answers of some folds.

    Args:
        folds: The answers of each.
        halves: int64 ``(m,)``, the parts to use if there is one fold only; no picture is in two.
        detector: The OOD score, fitted to the photos that the final network was trained on.
        share: Of `choose_share`.

    Returns:
        The answers, and the detector with the standardisation of the folds: its own photos are
        more usual to it than new ones are.
    """
    middle = np.stack([fold.detector.middle for fold in folds]).mean(axis=0)
    spread = np.stack([fold.detector.spread for fold in folds]).mean(axis=0)
    novelty = [
        replace(fold.detector, middle=middle, spread=spread).scores(fold.embeddings)
        for fold in folds
    ]
    numbers = [np.full(len(fold.places), number) for number, fold in enumerate(folds)]
    held_out = HeldOut(
        np.concatenate([fold.places for fold in folds]),
        np.concatenate([fold.labels for fold in folds]),
        np.concatenate([fold.groups for fold in folds]),
        np.concatenate([fold.raw(share) for fold in folds]),
        halves if len(folds) == 1 else np.concatenate(numbers),
        np.concatenate(novelty),
    )
    return held_out, replace(detector, middle=middle, spread=spread)


def calibrate(
    raw: Rows, novelty: Rows | None, temperature: float, abstention: Abstention | None
) -> Answers:
    """Answers from probabilities before calibration, float32 ``(n, k)``, and OOD scores."""
    calibrated = with_temperature(raw, temperature)
    if abstention is None or novelty is None:
        return Answers(calibrated, raw, None, None)
    possible, familiarity = abstention.possible(calibrated), abstention.familiarity(novelty)
    return Answers(calibrated, raw, possible, familiarity)


def join_answers(answers: Sequence[Answers], order: NDArray[np.integer[Any]]) -> Answers:
    """Join answers whose photos, one after the other, belong to some places; sorted by these."""
    return concatenate(answers).take(np.argsort(order, kind="stable"))
