"""Every figure of a run as one value, as JSON, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from candid.core.notebook import card
from candid.core.safe_json import read_as
from candid.core.text import brief, plural
from candid.evaluation import plots
from candid.evaluation.baselines import Baseline
from candid.evaluation.estimate import Estimate, EstimateSource
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.learning_curve import LearningCurve
from candid.evaluation.measures import FIGURES, Measures, worst_pairs
from candid.evaluation.rare_class import RareClass
from candid.evaluation.reliability import Abstained, Calibration
from candid.models.decision_rule import DecisionRule
from candid.splits.own_parts import OwnParts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What figures are measured on, if not by cross-validation or on another folder.
TEST_PART: Final = "Test part"

_MOST_IN_MATRIX: Final = 12  # classes; a wider table does not fit a terminal


@dataclass(frozen=True)
class Refits:
    """The cross-validation of a model that takes minutes to train again.

    Attributes:
        folds: Folds whose photos were held out in turn, as many as the time allowed.
        num_folds: Folds in all.
        others: The recipe that leak tax and learning curve were measured with instead.
    """

    folds: int
    num_folds: int
    others: str = "transfer"

    def __str__(self) -> str:
        if self.folds == self.num_folds:
            return ""
        return (
            f" The time allowed {self.folds} of {self.num_folds} folds, so fewer photos were held "
            "out and the interval is wider."
        )


@dataclass(frozen=True)
class Evaluation:
    """Figures of a classifier on images that it was not trained on, nor on copies of them.

    Attributes:
        test: On the test part.
        kfold: By grouped cross-validation over all images, if the recipe has it.
        baselines: Simple rules on the images of the estimate to believe.
        leak_tax: Accuracy with a random split; None if not asked for.
        learning_curve: Accuracy by number of photos; None if there are too few.
        calibration: Calibration error before and after, on the estimate to believe.
        abstained: The answers "uncertain" and "unknown", on the estimate to believe.
        baselines_on_test: Simple rules on the test part, if that is not the estimate to believe.
        rare: The rarest class, on the estimate to believe; None if the classes are balanced.
        rule: How a class was chosen; with costs or a threshold, not to be right most often.
        refits: How it was cross-validated, if that takes minutes and was not done in full.
        own: The parts that the folder came with. Figures of a test part of its own are those to
            believe: it may hold other people, days or cameras on purpose.
    """

    test: Measures
    kfold: Measures | None = None
    baselines: tuple[Baseline, ...] = ()
    leak_tax: LeakTax | None = None
    learning_curve: LearningCurve | None = None
    calibration: Calibration | None = None
    abstained: Abstained | None = None
    baselines_on_test: tuple[Baseline, ...] = ()
    rare: RareClass | None = None
    rule: DecisionRule = field(default_factory=DecisionRule)
    own: OwnParts | None = None
    refits: Refits | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in alphabetical order."""
        return self.test.classes

    @property
    def believe(self) -> EstimateSource:
        """Which estimate to believe."""
        return "test" if self.kfold is None else "kfold"

    @property
    def believed(self) -> Measures:
        """The figures of the estimate to believe."""
        return self.test if self.kfold is None else self.kfold

    @property
    def why(self) -> str:
        """Which estimate to believe and why, in a sentence."""
        if self.own is not None and self.own.has_test:
            return f"They are of the test part that the folder came with.{self.leak}"
        if self.kfold is None:
            return (
                "Only the test part was measured: believe it within its interval, and measure on "
                "more photos with `candid evaluate RUN DATA`."
            )
        return (
            f"Believe the cross-validated figures: they are of {plural(self.kfold.n, 'photo')} "
            f"instead of {self.test.n}, each predicted by a model that was not trained on it or a "
            "copy of it. Each of those models was trained on a part of the photos, so the final "
            f"one is hardly worse.{self.refits or ''}"
        )

    @property
    def leak(self) -> str:
        """A sentence if the model was tested on copies of training photos; else empty."""
        if self.own is None or not self.own.are_leaking:
            return ""
        return (
            f" {self.own.num_copies:,} of its {plural(self.test.n, 'photo')} show a picture that "
            "the model was trained on (--own-parts as-is), so the figures are too good."
        )

    def __repr__(self) -> str:
        classes = plural(len(self.classes), "class", "classes")
        accuracy = " ".join(f"accuracy {self.believed.accuracy}".split())
        return brief("Evaluation", accuracy, self.believe, classes)

    def _repr_html_(self) -> str:
        """The figures to believe, for a notebook."""
        of = "Test part" if self.kfold is None else "Grouped cross-validation"
        figures = [(title, str(figure)) for title, figure in _titled(self.believed) if figure]
        return card(f"{of}: {plural(self.believed.n, 'photo')}", figures)

    def plot_confusion(self, axes: Axes | None = None) -> Axes:
        """Plot the confusion matrix of the estimate to believe: rows are true classes.

        Args:
            axes: Matplotlib's axes to draw on; by default a new figure's.

        Returns:
            The axes; a cell is darker for a larger share of its row.

        Raises:
            DependencyError: Matplotlib is not installed; likewise below.
        """
        return plots.plot_confusion(self.believed, axes)

    def plot_reliability(self, axes: Axes | None = None) -> Axes:
        """Plot accuracy by confidence, with 95 % intervals; as `plot_confusion`."""
        return plots.plot_reliability(self.believed.reliability, axes)

    def plot_learning_curve(self, axes: Axes | None = None) -> Axes:
        """Plot accuracy by number of training photos, and beyond; as `plot_confusion`.

        Raises:
            UsageError: It was not measured: there are too few photos.
        """
        return plots.plot_learning_curve(self.learning_curve, axes)

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON values, the test part's at the top level; null if not measured."""
        kfold = None if self.kfold is None else self.kfold.to_json()
        values = {
            **self.test.to_json(),
            "kfold_accuracy": None if kfold is None else kfold["accuracy"],
            "kfold": kfold,
            "believe": self.believe,
            "baselines": [row.to_json() for row in self.baselines],
            "baselines_on_test": [row.to_json() for row in self.baselines_on_test],
        }
        for name in ("leak_tax", "learning_curve", "calibration", "abstained"):
            value = getattr(self, name)
            values[name] = None if value is None else asdict(value)
        for name in ("rare", "own", "refits"):
            if (value := getattr(self, name)) is not None:
                values[name] = asdict(value)
        return {name: _plain(value) for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Any, classes: tuple[str, ...], rule: DecisionRule) -> Evaluation:
        """Read the values of `to_json`, which are not trusted, and lack classes and rule.

        Raises:
            KeyError: They are invalid; or TypeError or ValueError.
        """
        kfold = values.get("kfold")
        others = {
            name: read_as(kind, values[name], name)
            for name, kind in get_type_hints(cls).items()
            if name in values and name not in ("test", "kfold", "rule")
        }
        return cls(
            test=Measures.from_json(values, classes),
            kfold=None if kfold is None else Measures.from_json(kfold, classes),
            rule=rule,
            **others,
        )


def _plain(value: Any) -> Any:
    """Replace tuples by lists, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def headline(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of `Evaluation.to_json` that the manifest repeats; None if nothing was measured."""
    kfold = metrics.get("kfold")
    if metrics.get("accuracy") is None and not kfold:
        return None
    names = ("kfold_accuracy", "believe")
    return {
        **{name: metrics.get(name) for name in (*FIGURES, *names)},
        "kfold": {name: kfold.get(name) for name in FIGURES} if isinstance(kfold, dict) else None,
    }


def write_text(evaluation: Evaluation, of: str = TEST_PART) -> str:
    """Tables of all figures, those to believe first; ``of`` is what the others were measured on."""
    lines: list[str] = []
    if evaluation.kfold is not None:
        count = plural(evaluation.kfold.n, "photo")
        lines += [f"Grouped cross-validation: {'' if evaluation.refits else 'all '}{count}", ""]
        lines += [*_measures_lines(evaluation.kfold), ""]
    lines += [f"{of}: {plural(evaluation.test.n, 'photo')}", ""]
    return "\n".join([*lines, *_measures_lines(evaluation.test)])


def _titled(measures: Measures) -> list[tuple[str, Estimate | None]]:
    """The figures with their titles; those of the Keras tutorial come first."""
    two = len(measures.classes) == 2
    of = f" of {measures.classes[1]!r}" if two else ", mean of classes"
    accuracy = ("Accuracy", measures.accuracy)
    first = [("Binary accuracy", measures.binary_accuracy)] if two else []
    if measures.accuracy != measures.binary_accuracy:
        first.append(accuracy)
    return [
        (f"Precision{of}", measures.precision),
        (f"Recall{of}", measures.recall),
        *first,
        ("Balanced accuracy", measures.balanced_accuracy),
        (f"F1{of}", measures.f1),
        ("ROC AUC" + ("" if two else of), measures.roc_auc),
        ("Average precision" + ("" if two else of), measures.average_precision),
        ("Log loss", measures.log_loss),
        ("Brier score", measures.brier_score),
        ("Calibration error", measures.calibration_error),
    ]


def _measures_lines(measures: Measures) -> Iterator[str]:
    figures = [(title, figure) for title, figure in _titled(measures) if figure is not None]
    width = max((len(title) for title, _ in figures), default=0)
    for title, figure in figures:
        yield f"  {title:<{width}}  {figure}"
    if len(measures.classes) > 2:
        yield ""
        yield from _per_class_lines(measures)
    yield ""
    if len(measures.classes) <= _MOST_IN_MATRIX:
        yield from _confusion_lines(measures)
    else:
        yield "  most frequent mistakes"
        yield from (f"  {line}" for line in name_pairs(measures))


def name_pairs(measures: Measures) -> Iterator[str]:
    """The most frequent mistakes: ``3 of cat, predicted dog``."""
    for true, predicted in worst_pairs(measures.confusion):
        count = measures.confusion[true, predicted]
        yield f"{count} of {measures.classes[true]}, predicted {measures.classes[predicted]}"


def _per_class_lines(measures: Measures) -> Iterator[str]:
    rows = measures.worst_classes
    if len(rows) < len(measures.classes):
        yield f"  {len(rows)} of {len(measures.classes)} classes, those with the lowest recall"
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        precision, recall = row.precision or "none predicted", row.recall or "no images"
        yield f"  {row.name:<{width}}  precision {precision}   recall {recall}"


def _confusion_lines(measures: Measures) -> Iterator[str]:
    width = max(5, *(len(name) for name in measures.classes))
    head = " ".join(f"{name:>{width}}" for name in measures.classes)
    yield f"  {'true, then predicted':<{width}}"
    yield f"  {'':<{width}} {head}"
    for name, row in zip(measures.classes, measures.confusion, strict=True):
        yield f"  {name:<{width}} " + " ".join(f"{count:>{width}}" for count in row)
