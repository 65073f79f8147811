"""From probabilities to a class: the most probable, by a threshold, or by least expected cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.errors import UsageError

DEFAULT_THRESHOLD: Final = 0.5
_COST = re.compile(r"(?P<true>.+?)\s*(?:→|->)\s*(?P<predicted>.+)=(?P<cost>[^=]+)")


@dataclass(frozen=True)
class DecisionRule:
    """How a class is chosen.

    Attributes:
        threshold: For two classes without costs: above it the alphabetically second one is chosen.
        costs: Cost of each (true class, predicted class). Mistakes not named cost 1, a correct
            answer 0. Without costs, the most probable class is chosen.

    Raises:
        UsageError: The threshold is not between 0 and 1.
    """

    threshold: float = DEFAULT_THRESHOLD
    costs: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise UsageError(
                f"the threshold must be a probability from 0 to 1. Received: {self.threshold}."
            )
        for (true, predicted), cost in self.costs.items():
            if not 0 <= cost < float("inf") or true == predicted:
                raise UsageError(
                    "a cost is a number from 0, for predicting one class where another is true. "
                    f"Received: {true}→{predicted}={cost}."
                )

    def require_fits(self, classes: Sequence[str]) -> None:
        """Check the rule for these classes.

        Raises:
            UsageError: A cost names another class, or there is a threshold for more than two.
        """
        if self.threshold != DEFAULT_THRESHOLD and len(classes) != 2:
            raise UsageError(
                f"a threshold is for two classes; there are {len(classes)}: {', '.join(classes)}."
            )
        if self.threshold != DEFAULT_THRESHOLD and self.costs:
            raise UsageError("a threshold and costs exclude each other; give one of them.")
        for name in (name for pair in self.costs for name in pair):
            if name not in classes:
                raise UsageError(
                    f"a cost names the class {name!r}; expected one of {', '.join(classes)}."
                )

    def decide(
        self, probabilities: NDArray[np.float32], classes: Sequence[str]
    ) -> NDArray[np.int64]:
        """Choose a class for each of n images.

        Args:
            probabilities: float32 ``(n, k)``.
            classes: Names of the k classes.

        Returns:
            int64 ``(n,)``.
        """
        exact = probabilities.astype(np.float64)
        if self.costs:
            matrix = 1 - np.eye(len(classes))  # by true and predicted class
            for (true, predicted), cost in self.costs.items():
                matrix[classes.index(true), classes.index(predicted)] = cost
            return np.asarray(matmul(exact, matrix).argmin(axis=1), np.int64)
        if len(classes) == 2:
            # In float64, as NumPy would round the threshold to compare it with float32.
            return (exact[:, 1] > self.threshold).astype(np.int64)
        return np.asarray(exact.argmax(axis=1), np.int64)

    def to_json(self) -> dict[str, Any]:
        """JSON values: the threshold and one row per cost."""
        rows = [
            {"true": true, "predicted": predicted, "cost": cost}
            for (true, predicted), cost in self.costs.items()
        ]
        return {"threshold": self.threshold, "costs": rows}

    @classmethod
    def from_json(cls, values: Any) -> DecisionRule:
        """Read the values of `to_json`.

        Raises:
            KeyError: They are invalid; or TypeError, or ValueError.
        """
        costs = {
            (str(row["true"]), str(row["predicted"])): float(row["cost"]) for row in values["costs"]
        }
        return cls(float(values["threshold"]), costs)


def parse_cost(text: str) -> tuple[tuple[str, str], float]:
    """Parse a cost from the command line, ``sad→happy=5`` or ``sad->happy=5``.

    Returns:
        The true and the predicted class, and the cost of that mistake.

    Raises:
        UsageError: It is not of that form, or the cost is not a finite number from 0.
    """
    match = _COST.fullmatch(text.strip())
    try:
        cost = float(match["cost"]) if match else float("nan")
    except ValueError:
        cost = float("nan")
    if match is None or not 0 <= cost < float("inf"):
        raise UsageError(
            f'a cost is given as TRUE→ANSWERED=NUMBER, such as "sad→happy=5". Received: {text!r}.'
        )
    return (match["true"].strip(), match["predicted"].strip()), cost
