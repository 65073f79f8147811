"""An evaluation: every figure of a run, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from candid.evaluation.abstained import Abstained
from candid.evaluation.baselines import Baseline
from candid.evaluation.calibration import Calibration
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.learning_curve import LearningCurve
from candid.evaluation.measures import FIGURES, Measures

Estimate = Literal["test", "kfold"]


@dataclass(frozen=True)
class Evaluation:
    """How a classifier did on images that it never saw, nor any copy of them.

    Attributes:
        test: On the test part.
        kfold: By grouped cross-validation over all images, where the recipe gives it.
        baselines: What simple rules score on the images of the estimate to believe.
        leak_tax: What a random split would have claimed; None where it was not asked for.
        learning_curve: What more photos would bring; None where there are too few to tell.
        calibration: How far probabilities can be taken at their word, on the estimate to believe.
        abstained: What came of saying "uncertain" and "unknown", on the estimate to believe.
        baselines_on_test: What simple rules score on the test part, where that is not the estimate
            to believe.
    """

    test: Measures
    kfold: Measures | None = None
    baselines: tuple[Baseline, ...] = ()
    leak_tax: LeakTax | None = None
    learning_curve: LearningCurve | None = None
    calibration: Calibration | None = None
    abstained: Abstained | None = None
    baselines_on_test: tuple[Baseline, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in alphabetical order."""
        return self.test.classes

    @property
    def believe(self) -> Estimate:
        """Which estimate to believe."""
        return "test" if self.kfold is None else "kfold"

    @property
    def believed(self) -> Measures:
        """The figures of the estimate to believe."""
        return self.test if self.kfold is None else self.kfold

    @property
    def beats_all(self) -> bool:
        """Whether every simple rule is beaten by more than chance explains."""
        return bool(self.baselines) and all(baseline.beaten for baseline in self.baselines)

    @property
    def why(self) -> str:
        """Which estimate to believe and why, in a sentence."""
        if self.kfold is None:
            return (
                "There is only the test part: believe it within its interval, and measure on more "
                "photos with `candid evaluate RUN DATA`."
            )
        return (
            "Believe the cross-validated figures: every image was predicted by a model that saw no "
            f"copy of it, and there are {self.kfold.n} of them instead of {self.test.n}. Those "
            "models learnt from four fifths of the images, so the model itself is hardly worse."
        )

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON values, the test part's on top; null where one does not apply."""
        kfold = None if self.kfold is None else self.kfold.to_json()
        values = {
            **self.test.to_json(),
            "kfold_accuracy": None if kfold is None else kfold["accuracy"],
            "kfold": kfold,
            "believe": self.believe,
            "baselines": [row.to_json() for row in self.baselines],
            "baselines_on_test": [row.to_json() for row in self.baselines_on_test],
            **{
                name: None if value is None else value.to_json()
                for name, value in (
                    ("leak_tax", self.leak_tax),
                    ("learning_curve", self.learning_curve),
                    ("calibration", self.calibration),
                    ("abstained", self.abstained),
                )
            },
        }
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Lists for tuples, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader of a manifest wants to know, of what `Evaluation.to_json` gave."""
    names = ("kfold_accuracy", "believe")
    kfold = metrics.get("kfold")
    return {
        **{name: metrics.get(name) for name in (*FIGURES, *names)},
        "kfold": {name: kfold.get(name) for name in FIGURES} if isinstance(kfold, dict) else None,
    }
