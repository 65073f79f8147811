"""The prediction for one image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from candid.core.notebook import card
from candid.core.text import brief

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from candid.models.conformal import Verdict
    from candid.runs.explaining.explain import Explanation


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image; docs/predictions.md has a table of the fields.

    Attributes:
        source: The path as given, or the name of an opened file; empty for bytes and arrays.
        label: The class that the decision rule chose; None if the image can't be read.
        probability: Calibrated probability of ``label``, 0 to 1; with a threshold or costs, another
            class may have a higher one. None if the image can't be read.
        probabilities: Calibrated probability of each class, in the order of the classes; empty if
            the image can't be read.
        reason: Why there is no label, in one line; or that the image is blank, whose label means
            nothing; else None.
        verdict: ``sure``: the prediction set holds only ``label``; ``uncertain``: it holds others
            or none, or the image is near the limit of ``unknown``; ``unknown``: it is out of
            distribution or blank; ``unreadable``: there is no label. None if the classifier can't
            abstain, except for blank and unreadable ones.
        possible: The conformal prediction set at the chosen coverage.
        familiarity: 0 to 1, the share of in-distribution photos with at least this novelty.
        explanation: The evidence for ``label``, if requested.
    """

    source: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    reason: str | None = None
    verdict: Verdict | Literal["unreadable"] | None = None
    possible: tuple[str, ...] = ()
    familiarity: float | None = None
    explanation: Explanation | None = None

    #: A small JPEG of what was read, for notebooks; no field, as it is no part of the answer.
    thumbnail: ClassVar[bytes] = b""

    @classmethod
    def unreadable(cls, source: str, reason: str) -> Self:
        """The prediction for an image that can't be read."""
        return cls(source, None, None, {}, reason, "unreadable")

    def __repr__(self) -> str:
        label = f"{self.label!r}" + ("" if self.probability is None else f" {self.probability:.3f}")
        reason = "" if self.reason is None else f"reason={self.reason!r}"
        source = f"source={self.source!r}" if self.source else ""
        return brief("Prediction", label, self.verdict or "", source, reason)

    def _repr_html_(self) -> str:
        """The picture, the answer and the most probable classes, for a notebook."""
        ranked = sorted(self.probabilities.items(), key=lambda row: -row[1])[:_MOST_SHOWN]
        texts = {"verdict": self.verdict, "note": self.reason, "file": self.source}
        if self.explanation is not None:
            texts["evidence"] = self.explanation.where
        rows = [(name, text) for name, text in texts.items() if text]
        return card(self.answer, [*ranked, *rows], picture=self.thumbnail)

    def of(self, source: str, thumbnail: bytes) -> Self:
        """The same answer, with the name of the photo and a small JPEG of it."""
        named = replace(self, source=source)
        object.__setattr__(named, "thumbnail", thumbnail)
        return named

    @property
    def positive_probability(self) -> float | None:
        """With two classes, the probability of the alphabetically second one; else None.

        A threshold is compared with it.
        """
        shares = tuple(self.probabilities.values())
        return shares[1] if len(shares) == 2 else None

    @property
    def answer(self) -> str:
        """For people: ``happy``, ``uncertain: happy or sad``, ``unknown`` or ``unreadable``.

        A class may have such a name; programs read ``verdict`` and ``label``.
        """
        if self.label is None:
            return "unreadable"
        if self.verdict == "unknown":
            return "unknown"
        if self.verdict == "uncertain":
            others = self.possible if {*self.possible} - {self.label} else ()
            return f"uncertain: {' or '.join(others) or f'perhaps {self.label}'}"
        return self.label

    def to_json(self) -> dict[str, Any]:
        """JSON values, the same in the command line, the server and the web export."""
        values: dict[str, Any] = {
            "path": self.source,
            "answer": self.answer,
            "label": self.label,
            "probability": self.probability,
            "positive_probability": self.positive_probability,
            "probabilities": self.probabilities,
            "verdict": self.verdict,
            "possible": list(self.possible),
            "familiarity": self.familiarity,
            "reason": self.reason,
        }
        if self.explanation is not None:
            values["explanation"] = self.explanation.to_json()
        return values


_MOST_SHOWN: Final = 5
_NAMED_COLOURS = {(0, 0, 0): "black", (255, 255, 255): "white"}


def blank_reason(pixels: NDArray[np.uint8]) -> str | None:
    """That an image, uint8 ``(s, s, 3)``, has one colour alone: ``blank: every pixel is black``."""
    first = pixels[0, 0]
    if not (pixels[0] == first).all() or not (pixels == first).all():
        return None
    red, green, blue = first.tolist()
    colour = _NAMED_COLOURS.get((red, green, blue), f"#{red:02x}{green:02x}{blue:02x}")
    return f"blank: every pixel is {colour}"
