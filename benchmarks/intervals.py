"""Do 95 % intervals hold the truth 95 times of 100?

Evaluations of known truth are simulated: classes are clouds that overlap, the classifier knows how
far, so its probabilities keep their word, or are spoilt by a factor on its scores; about half of
the images have copies, of the same class and of nearly the same probabilities. The truth of a
figure is its mean over ten sets of 100,000 such images. Classifiers of several accuracies take
turns. Printed
are, for each figure, how often its interval holds the truth, how often the truth lies below and
above it, and how wide it is on average.

    python benchmarks/intervals.py [--evaluations 400] [--images 30 300] [--classes 2 4]
        [--factors 1 0.6 1.5 3]
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.estimate import Estimate
from candid.evaluation.measures import FIGURES, Measures, measure
from candid.evaluation.scores import brier_scores, calibration_error, counts, log_losses, ranking

OF_CLASS = ("precision", "recall", "f1", "roc_auc", "average_precision")
#: Distances between the classes, and so about 77 to 97 % of right answers.
APART = {2: (1.5, 2.0, 2.6, 3.8), 4: (2.2, 2.8, 3.5, 4.4)}
LARGE, NUM_LARGE = 100_000, 10


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--images", type=int, nargs="+", default=[30, 300])
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 4], choices=sorted(APART))
    parser.add_argument("--factors", type=float, nargs="+", default=[1.0, 0.6, 1.5, 3.0])
    args = parser.parse_args()
    for num_classes in args.classes:
        for factor in args.factors:
            kinds = [Kind(num_classes, apart, factor) for apart in APART[num_classes]]
            for num_images in args.images:
                print_coverage(args.evaluations, num_images, kinds)


class Kind(NamedTuple):
    """How far the classes of a classifier lie apart, and what its scores are multiplied by."""

    num_classes: int
    apart: float
    factor: float


def print_coverage(num_evaluations: int, num_images: int, kinds: list[Kind]) -> None:
    """Simulate evaluations and print how often each interval holds the truth."""
    truths = [true_values(kind) for kind in kinds]
    rows: dict[str, list[tuple[bool, bool, float]]] = {}
    for number in range(num_evaluations):
        which = number % len(kinds)
        found = evaluate(num_images, kinds[which], seed=1 + number)
        for name, figure in figures(found).items():
            true = truths[which][name]
            row = true < figure.low, true > figure.high, figure.high - figure.low
            rows.setdefault(name, []).append(row)
    num_classes, _, factor = kinds[0]
    print(
        f"\n{num_evaluations} evaluations, {num_images} images, {num_classes} classes, "
        f"scores times {factor:g}"
    )
    print(f"{'figure':<30} holds  below  above  width")
    for name, row in rows.items():
        below, above, width = np.mean(row, axis=0)
        print(f"{name:<30} {1 - below - above:.3f}  {below:.3f}  {above:.3f}  {width:.3f}")


def figures(measures: Measures) -> dict[str, Estimate]:
    """All figures that there are, and those of the first class."""
    found = {name: getattr(measures, name) for name in FIGURES if name != "binary_accuracy"}
    first = measures.per_class[0]
    found |= {f"{name} of one class": getattr(first, name) for name in OF_CLASS}
    return {name: figure for name, figure in found.items() if figure is not None}


def true_values(kind: Kind) -> dict[str, float]:
    """Figures of so many images that chance hardly shows, without intervals."""
    rows = [values(*predictions(LARGE, kind, seed=-1 - draw)) for draw in range(NUM_LARGE)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def values(
    truth: NDArray[np.int64], probabilities: NDArray[np.float32], groups: NDArray[np.int64]
) -> dict[str, float]:
    """The values of all figures of one draw."""
    del groups
    num_classes, weights = probabilities.shape[1], np.ones((1, len(truth)))
    exact, predicted = probabilities.astype(np.float64), probabilities.argmax(axis=1)
    right, true, claimed = (row[0] for row in counts(truth, predicted, num_classes, weights))
    ranked = [ranking(truth == c, exact[:, c], weights) for c in range(num_classes)]
    by_class = {
        "precision": right / claimed,
        "recall": right / true,
        "f1": 2 * right / (true + claimed),
        "roc_auc": np.array([area[0] for area, _ in ranked]),
        "average_precision": np.array([average[0] for _, average in ranked]),
    }
    # Of two classes the second one's, of more their mean.
    whole = {n: row[1] if num_classes == 2 else row.mean() for n, row in by_class.items()}
    return {
        "accuracy": float((predicted == truth).mean()),
        "balanced_accuracy": by_class["recall"].mean(),
        **whole,
        "log_loss": log_losses(truth, exact).mean(),
        "brier_score": brier_scores(truth, exact).mean(),
        "calibration_error": calibration_error(truth, exact, weights)[0],
        **{f"{name} of one class": row[0] for name, row in by_class.items()},
    }


def evaluate(num_images: int, kind: Kind, *, seed: int) -> Measures:
    """Measure a simulated classifier."""
    truth, probabilities, groups = predictions(num_images, kind, seed=seed)
    names = [str(number) for number in range(kind.num_classes)]
    predicted = probabilities.argmax(axis=1)
    return measure(names, truth, probabilities, groups, predicted=predicted)


def predictions(
    num_images: int, kind: Kind, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Truth, probabilities and groups of images, the probabilities spoilt as the kind says."""
    truth, probabilities, groups = simulate(num_images, kind.num_classes, kind.apart, seed)
    spoilt = probabilities.astype(np.float64) ** kind.factor
    return truth, (spoilt / spoilt.sum(axis=1, keepdims=True)).astype(np.float32), groups


def simulate(
    num_images: int, num_classes: int, apart: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Truth, probabilities and groups of images; every third picture has two to four files."""
    rng = np.random.default_rng(abs(seed) + (seed < 0) * 1_000_000)
    centres = np.eye(num_classes) * apart / np.sqrt(2)
    sizes = np.where(rng.random(num_images) < 1 / 3, rng.integers(2, 5, num_images), 1)
    groups = np.repeat(np.arange(num_images), sizes)[:num_images]
    truth = rng.integers(num_classes, size=num_images)[groups]
    pictures = rng.normal(size=(num_images, num_classes))[groups]
    spread = 0.15  # how far copies lie apart
    rows = centres[truth] + pictures + spread * rng.normal(size=(num_images, num_classes))
    odds = np.exp((rows @ centres.T - np.square(centres).sum(axis=1) / 2) / (1 + spread**2))
    return truth, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), groups


if __name__ == "__main__":
    main()
