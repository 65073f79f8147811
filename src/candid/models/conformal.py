"""When a classifier says that it does not know: stored in the artifact, and the same everywhere.

*Uncertain*: conformal prediction sets (Vovk, Gammerman and Shafer, 2005; Sadinle, Lei and
Wasserman, 2019). A class is possible unless its probability is lower than that of all but a few of
the held-out photos that truly were of it; so the possible classes hold the true one as often as
``coverage`` says, whatever the model, on photos like those it was trained on. Each class is held
against its own photos where there are enough of them, and against all others' where not.

*Unknown*: a photo whose novelty is higher than that of all but a few held-out photos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid.errors import UsageError

Verdict = Literal["sure", "uncertain", "unknown"]

#: How often the possible classes hold the true one.
COVERAGE: Final = 0.9
#: How often a photo of a known kind may be called unknown.
FALSE_ALARMS: Final = 0.05
#: Fewer held-out photos than these tell nothing.
LEAST_PHOTOS: Final = 20
_LEAST_OF_CLASS: Final = 50
_MOST_KEPT = 400  # order statistics that stand for a longer list

Sorted = NDArray[np.float32]


@dataclass(frozen=True)
class Abstention:
    """What is held against a photo.

    Attributes:
        nonconformity: For each class, ascending, 1 minus the probability that held-out photos of it
            got for it.
        novelty: Ascending, the novelty of held-out photos.
        coverage: How often the possible classes hold the true one, 0 to 1.
        false_alarms: How often a photo of a known kind may be called unknown, 0 to 1.
    """

    nonconformity: tuple[Sorted, ...]
    novelty: Sorted
    coverage: float = COVERAGE
    false_alarms: float = FALSE_ALARMS

    def with_coverage(self, coverage: float) -> Abstention:
        """The same with another coverage.

        Raises:
            UsageError: It is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise UsageError(f"the coverage is between 0 and 1, such as 0.9. Received: {coverage}.")
        return replace(self, coverage=coverage)

    def possible(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which classes can't be ruled out.

        Args:
            probabilities: float32 ``(n, k)``, calibrated.

        Returns:
            bool ``(n, k)``; all False where every class can be ruled out.
        """
        columns = [
            _share_at_least(known, 1 - probabilities[:, number])
            for number, known in enumerate(self.nonconformity)
        ]
        return np.stack(columns, axis=1) > 1 - self.coverage

    def familiarity(self, novelty: NDArray[np.float32]) -> NDArray[np.float32]:
        """The share of photos of a known kind that are at least as unusual, 0 to 1.

        Args:
            novelty: float32 ``(n,)``, an output of the graph.

        Returns:
            float32 ``(n,)``.
        """
        return _share_at_least(self.novelty, novelty).astype(np.float32)

    def verdicts(
        self,
        possible: NDArray[np.bool_],
        familiarity: NDArray[np.float32],
        predicted: NDArray[np.int64],
    ) -> tuple[Verdict, ...]:
        """What is to be said of each photo.

        Args:
            possible: bool ``(n, k)``.
            familiarity: float32 ``(n,)``.
            predicted: int64 ``(n,)``, the class that the decision rule chose.

        Returns:
            ``unknown`` before all; ``sure`` where the chosen class is the only possible one.
        """
        alone = (possible.sum(axis=1) == 1) & possible[np.arange(len(predicted)), predicted]
        strange = familiarity <= self.false_alarms
        return tuple(
            "unknown" if odd else "sure" if sure else "uncertain"
            for odd, sure in zip(strange, alone, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "coverage": self.coverage,
            "false_alarms": self.false_alarms,
            "nonconformity": list(_once_each(self.nonconformity)),
            "novelty": _listed(self.novelty),
        }

    @classmethod
    def from_json(cls, values: Any, num_classes: int) -> Abstention:
        """Read what `to_json` gave.

        Args:
            values: JSON values, from anybody.
            num_classes: How many classes there are.

        Raises:
            KeyError: It is not that; or TypeError, or ValueError.
        """
        nonconformity: list[Sorted] = []
        for row in values["nonconformity"]:
            nonconformity.append(nonconformity[_place(row)] if isinstance(row, int) else _read(row))
        if len(nonconformity) != num_classes:
            raise ValueError(f"{len(nonconformity)} classes can be ruled out, not {num_classes}")
        return cls(
            tuple(nonconformity),
            _read(values["novelty"]),
            _between_0_and_1(values["coverage"]),
            _between_0_and_1(values["false_alarms"]),
        )


def fit_abstention(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    novelty: NDArray[np.float32],
) -> Abstention | None:
    """Learn from held-out photos what is usual.

    Args:
        probabilities: float32 ``(n, k)``, calibrated, of models that did not see these photos.
        labels: int64 ``(n,)``.
        novelty: float32 ``(m,)``, by detectors that did not see the photos that these are of.

    Returns:
        What to hold against a photo, or None where there are too few.
    """
    if len(labels) < LEAST_PHOTOS or len(novelty) < LEAST_PHOTOS:
        return None
    scores = 1 - probabilities[np.arange(len(labels)), labels]
    of_class = [scores[labels == number] for number in range(probabilities.shape[1])]
    rows = [own if len(own) >= _LEAST_OF_CLASS else scores for own in of_class]
    return Abstention(tuple(_thin(row) for row in rows), _thin(novelty))


def _thin(values: NDArray[np.float32]) -> Sorted:
    """Sort, and let evenly spaced order statistics stand for a long list."""
    ordered = np.sort(values).astype(np.float32)
    if len(ordered) <= _MOST_KEPT:
        return ordered
    ranks = np.arange(1, _MOST_KEPT + 1) / (_MOST_KEPT + 1) * (len(ordered) + 1)
    return ordered[np.minimum(np.ceil(ranks), len(ordered)).astype(np.int64) - 1]


def _share_at_least(known: Sorted, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The conformal p-value: of what is known and the value itself, the share that is as high."""
    above = len(known) - np.searchsorted(known, values, side="left")
    return np.asarray((above + 1) / (len(known) + 1), np.float64)


def _once_each(rows: Sequence[Sorted]) -> Iterator[list[float] | int]:
    """Lists; of one that an earlier class has too, that class's number."""
    seen: dict[bytes, int] = {}
    for place, row in enumerate(rows):
        first = seen.setdefault(row.tobytes(), place)
        yield first if first < place else _listed(row)


def _place(number: int) -> int:
    if number < 0:
        raise ValueError(f"there is no class {number}")
    return number


def _listed(values: Sorted) -> list[float]:
    return [float(f"{value:.9g}") for value in values]


def _read(values: Sequence[float]) -> Sorted:
    row = np.array(values, np.float32)
    if row.ndim != 1 or not len(row) or not np.isfinite(row).all() or (np.diff(row) < 0).any():
        raise ValueError("a list of what is usual is not one of ascending numbers")
    return row


def _between_0_and_1(value: Any) -> float:
    if not 0 < float(value) < 1:
        raise ValueError(f"a share is not between 0 and 1: {value}")
    return float(value)
