"""What a classifier says of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candid.models.conformal import Verdict
    from candid.runs.explaining.explain import Explanation


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one image.

    Attributes:
        source: The path as it was given; empty for bytes and arrays.
        label: The best guess, or None where the image could not be read.
        probability: Two classes: of the alphabetically second one. More: of ``label``.
        probabilities: Of each class, calibrated.
        reason: Why there is no label, in one line; else None.
        verdict: ``sure``; ``uncertain`` where another class can't be ruled out, or every class can;
            ``unknown`` where the image is unlike anything that was trained on. None where the image
            could not be read or the classifier can't abstain.
        possible: The classes that can't be ruled out at the coverage that was asked for.
        familiarity: 0 to 1, the share of photos of a known kind that are at least as unusual.
        explanation: What spoke for ``label``, where that was asked for.
    """

    source: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    reason: str | None = None
    verdict: Verdict | None = None
    possible: tuple[str, ...] = ()
    familiarity: float | None = None
    explanation: Explanation | None = None

    @property
    def answer(self) -> str:
        """What to tell a person: ``happy``, ``uncertain: happy or sad``, ``unknown``."""
        if self.label is None:
            return "unreadable"
        if self.verdict == "unknown":
            return "unknown"
        if self.verdict == "uncertain":
            return f"uncertain: {' or '.join(self.possible) or f'perhaps {self.label}'}"
        return self.label

    def to_json(self) -> dict[str, Any]:
        """JSON values, the same everywhere."""
        values: dict[str, Any] = {
            "path": self.source,
            "answer": self.answer,
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "verdict": self.verdict,
            "possible": list(self.possible),
            "familiarity": self.familiarity,
            "reason": self.reason,
        }
        if self.explanation is not None:
            values["explanation"] = self.explanation.to_json()
        return values
