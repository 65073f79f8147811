"""When a classifier abstains: conformal prediction sets and out-of-distribution detection.

*Uncertain*: conformal prediction sets (Vovk, Gammerman and Shafer, 2005; Sadinle, Lei and
Wasserman, 2019). A class is ruled out if its probability is lower than for all but a few held-out
photos of that class. So the set of possible classes contains the true one at a rate of
``coverage``, for any model, on photos like the training photos. Each class is calibrated on its
own photos, or on those of all classes if it has too few.

*Unknown*: a photo whose novelty is higher than that of all but a few held-out photos. How many are
as novel is uncertain if few were held out, so a photo near that limit is no *sure* answer either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid.errors import UsageError

Verdict = Literal["sure", "uncertain", "unknown"]

#: How often the possible classes contain the true one.
COVERAGE: Final = 0.9
#: How often a photo of a known kind may be called unknown.
FALSE_ALARMS: Final = 0.05
#: Least number of held-out photos to calibrate on.
LEAST_PHOTOS: Final = 20
_LEAST_OF_CLASS: Final = 50
_CONFIDENCE: Final = 0.95  # that a sure photo is not too novel
_MOST_KEPT = 400  # order statistics kept of a longer list

Sorted = NDArray[np.float32]


@dataclass(frozen=True)
class Abstention:
    """Calibration scores of held-out photos, and the rates at which to abstain.

    Attributes:
        nonconformity: For each class, ascending, 1 minus the probability of that class for held-out
            photos of it.
        novelty: Ascending, the novelty of held-out photos.
        coverage: How often the possible classes contain the true one, 0 to 1.
        false_alarms: How often a photo of a known kind may be called unknown, 0 to 1.
        sure_above: The familiarity above which an answer may be sure, 0 to 1.
    """

    nonconformity: tuple[Sorted, ...]
    novelty: Sorted
    coverage: float = COVERAGE
    false_alarms: float = FALSE_ALARMS
    sure_above: float = 0.0

    def with_coverage(self, coverage: float) -> Abstention:
        """A copy with another coverage.

        Raises:
            UsageError: It is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise UsageError(
                f"the coverage must be between 0 and 1, such as 0.9. Received: {coverage}."
            )
        return replace(self, coverage=coverage)

    def possible(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """The prediction set of each photo.

        Args:
            probabilities: float32 ``(n, k)``, calibrated.

        Returns:
            bool ``(n, k)``; a row is all False if every class is ruled out.
        """
        columns = [
            _share_at_least(known, 1 - probabilities[:, number])
            for number, known in enumerate(self.nonconformity)
        ]
        return np.stack(columns, axis=1) > 1 - self.coverage

    def familiarity(self, novelty: NDArray[np.float32]) -> NDArray[np.float32]:
        """Share of photos of a known kind with at least this novelty, float32 ``(n,)``, 0 to 1."""
        return _share_at_least(self.novelty, novelty).astype(np.float32)

    def verdicts(
        self,
        possible: NDArray[np.bool_],
        familiarity: NDArray[np.float32],
        predicted: NDArray[np.int64],
    ) -> tuple[Verdict, ...]:
        """The verdict on each photo.

        Args:
            possible: bool ``(n, k)``.
            familiarity: float32 ``(n,)``.
            predicted: int64 ``(n,)``, the class that the decision rule chose.

        Returns:
            ``unknown`` first; ``sure`` if the chosen class is the only possible one and the photo
            is familiar enough.
        """
        certain = (possible.sum(axis=1) == 1) & possible[np.arange(len(predicted)), predicted]
        certain &= familiarity > self.sure_above
        ood = familiarity <= self.false_alarms
        return tuple(
            "unknown" if is_ood else "sure" if is_certain else "uncertain"
            for is_ood, is_certain in zip(ood, certain, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "coverage": self.coverage,
            "false_alarms": self.false_alarms,
            "sure_above": self.sure_above,
            "nonconformity": list(_without_repeats(self.nonconformity)),
            "novelty": _to_list(self.novelty),
        }

    @classmethod
    def from_json(cls, values: Any, num_classes: int) -> Abstention:
        """Read the values of `to_json`, which are not trusted.

        Raises:
            KeyError: They are invalid; or IndexError, TypeError, or ValueError.
        """
        nonconformity: list[Sorted] = []
        for row in values["nonconformity"]:
            if isinstance(row, int) and row < 0:
                raise ValueError(f"expected the index of an earlier class, received {row}")
            nonconformity.append(nonconformity[row] if isinstance(row, int) else _from_list(row))
        if len(nonconformity) != num_classes:
            raise ValueError(f"expected {num_classes} classes, received {len(nonconformity)}")
        coverage, false_alarms = float(values["coverage"]), float(values["false_alarms"])
        sure_above = float(values.get("sure_above", 0))  # runs of earlier versions have none
        if not (0 < coverage < 1 and 0 < false_alarms < 1 and 0 <= sure_above < 1):
            raise ValueError(
                "expected shares between 0 and 1, received "
                f"{coverage}, {false_alarms} and {sure_above}"
            )
        novelty = _from_list(values["novelty"])
        return cls(tuple(nonconformity), novelty, coverage, false_alarms, sure_above)


def fit_abstention(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    novelty: NDArray[np.float32],
) -> Abstention | None:
    """Calibrate on held-out photos.

    Args:
        probabilities: float32 ``(n, k)``, calibrated, of models that were not fitted on them.
        labels: int64 ``(n,)``.
        novelty: float32 ``(m,)``, of detectors that were not fitted on the photos scored.

    Returns:
        None if there are too few photos.
    """
    if len(labels) < LEAST_PHOTOS or len(novelty) < LEAST_PHOTOS:
        return None
    scores = 1 - probabilities[np.arange(len(labels)), labels]
    of_class = [scores[labels == number] for number in range(probabilities.shape[1])]
    rows = [own if len(own) >= _LEAST_OF_CLASS else scores for own in of_class]
    return Abstention(
        tuple(_subsample(row) for row in rows),
        _subsample(novelty),
        sure_above=_familiar_enough(len(novelty)),
    )


def _familiar_enough(num_photos: int) -> float:
    """The familiarity above which a photo is less novel than `FALSE_ALARMS` of the known ones.

    With a confidence of 95 %, given so many held-out photos (Clopper and Pearson, 1934): 0.19 for
    20, 0.12 for 50, 0.07 for 300.
    """
    above = np.arange(1, num_photos + 1)
    ways = np.cumsum(np.log((num_photos + 1 - above) / above))
    chances = np.exp(
        ways + above * np.log(FALSE_ALARMS) + (num_photos - above) * np.log1p(-FALSE_ALARMS)
    )
    at_least = np.cumsum(chances[::-1])[::-1]
    return float((at_least > 1 - _CONFIDENCE).sum() + 1) / (num_photos + 1)


def _subsample(values: NDArray[np.float32]) -> Sorted:
    """Sort, and keep evenly spaced order statistics of a long list."""
    ordered = np.sort(values).astype(np.float32)
    if len(ordered) <= _MOST_KEPT:
        return ordered
    ranks = np.arange(1, _MOST_KEPT + 1) / (_MOST_KEPT + 1) * (len(ordered) + 1)
    return ordered[np.minimum(np.ceil(ranks), len(ordered)).astype(np.int64) - 1]


def _share_at_least(known: Sorted, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The conformal p-value: the share of known values and the value itself that is as high."""
    above = len(known) - np.searchsorted(known, values, side="left")
    return np.asarray((above + 1) / (len(known) + 1), np.float64)


def _without_repeats(rows: Sequence[Sorted]) -> Iterator[list[float] | int]:
    """Lists, or the index of an earlier class with the same list."""
    seen: dict[bytes, int] = {}
    for place, row in enumerate(rows):
        first = seen.setdefault(row.tobytes(), place)
        yield first if first < place else _to_list(row)


def _to_list(values: Sorted) -> list[float]:
    return [float(f"{value:.9g}") for value in values]


def _from_list(values: Sequence[float]) -> Sorted:
    row = np.array(values, np.float32)
    if row.ndim != 1 or not len(row) or not np.isfinite(row).all() or (np.diff(row) < 0).any():
        raise ValueError("expected a list of finite, ascending calibration scores")
    return row
