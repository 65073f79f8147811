"""Our L-BFGS (`candid.models.recipes.logistic.minimise`) and SciPy's L-BFGS-B on the same fits.

Both minimise the same loss on the same rows, alternately, from zero to the same relative gradient:
ours with the diagonal scale that `fit` passes; SciPy's with the variables divided by the root of
that scale, which is equivalent, and without. Printed are the least milliseconds per fit, the
number of evaluations, how far the final value lies above the best of the three, and the largest
element of the final gradient relative to that at zero.

    python benchmarks/lbfgs.py [FOLDER] [--rows 300] [--features 1408] [--classes 2] [--repeats 7]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from candid.models.recipes import logistic
from candid.models.recipes.lbfgs import minimise
from candid.models.recipes.logistic import Problem
from candid.models.recipes.space import Space
from candid.splits.prepare import prepare
from candid.splits.split import label_numbers

STRENGTHS = (1.0, 30.0, 1000.0)
TOLERANCE = 1e-4


Vector = np.ndarray
Loss = Callable[[Vector], tuple[float, Vector]]


def capture(
    space: Space, labels: np.ndarray, num_classes: int, strength: float
) -> tuple[Loss, Vector]:
    """The loss and the scale that `fit` passes to `minimise`."""
    passed: list[tuple[Any, Vector]] = []

    def record(loss: Any, start: Vector, *, scale: Vector, enough: Vector) -> Vector:  # noqa: ARG001
        passed.append((loss, scale))
        return start

    logistic.minimise, kept = record, logistic.minimise
    try:
        weights = np.ones(len(labels), np.float32)
        problem = Problem(space, labels, weights, num_classes)
        logistic.fit([problem], strength, tolerance=TOLERANCE)
    finally:
        logistic.minimise = kept
    [(loss, scale)] = passed

    def one(point: Vector) -> tuple[float, Vector]:
        values, gradients = loss(point[None], np.arange(1))
        return float(values[0]), gradients[0]

    return one, scale[0]


def solvers(loss: Loss, scale: Vector) -> dict[str, Callable[[Loss], Vector]]:
    """Minimise from zero until the gradient is `TOLERANCE` times that at zero."""
    zero, root = np.zeros_like(scale), np.sqrt(scale)
    gradient = np.abs(loss(zero)[1])

    def scipy(loss: Loss, by: Vector, largest: float) -> Vector:
        def scaled(point: Vector) -> tuple[float, Vector]:
            value, gradient = loss(point * by)
            return value, gradient * by

        options = {"maxcor": 10, "maxiter": 500, "ftol": 0, "gtol": TOLERANCE * largest}
        return minimize(scaled, zero, jac=True, method="L-BFGS-B", options=options).x * by

    def ours(loss: Loss) -> Vector:
        def many(points: Vector, _: Vector) -> tuple[Vector, Vector]:
            value, slope = loss(points[0])
            return np.array([value]), slope[None]

        enough = np.array([TOLERANCE * gradient.max()])
        return minimise(many, zero[None], scale=scale[None], enough=enough)[0]

    return {
        "ours": ours,
        "SciPy, scaled": lambda loss: scipy(loss, root, float((gradient * root).max())),
        "SciPy": lambda loss: scipy(loss, np.ones_like(scale), float(gradient.max())),
    }


def import_seconds() -> float:
    """Least CPU seconds to import scipy.optimize in a new process, beyond NumPy."""
    code = (
        "import time, numpy; started = time.process_time(); import scipy.optimize; "
        "print(time.process_time() - started)"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(7)]
    return min(float(run.stdout) for run in runs)


def timed(solve: Callable[[Loss], Vector], loss: Loss) -> tuple[float, int, Vector]:
    """Seconds, number of evaluations and result of one fit."""
    count = 0

    def counted(point: Vector) -> tuple[float, Vector]:
        nonlocal count
        count += 1
        return loss(point)

    started = time.perf_counter()
    found = solve(counted)
    return time.perf_counter() - started, count, found


def embeddings(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Those of a folder, or random ones, with their labels."""
    if options.folder:
        features = prepare(options.folder).features
        return features.embeddings, label_numbers(features.catalog)
    rng = np.random.default_rng(0)
    labels = np.arange(options.rows) % options.classes
    centres = 0.3 * rng.gamma(1.0, size=(options.classes, options.features))
    rows = centres[labels] + rng.gamma(0.5, size=(options.rows, options.features))
    return rows.astype(np.float32), labels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    for name, default in (("rows", 300), ("features", 1408), ("classes", 2), ("repeats", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    rows, labels = embeddings(options)
    space = Space(rows)
    print(f"{rows.shape[0]} x {rows.shape[1]}, import scipy.optimize: {import_seconds():.2f} s CPU")
    print("strength  solver         ms/fit  evaluations  above best  gradient")
    for strength in STRENGTHS:
        loss, scale = capture(space, labels, int(labels.max()) + 1, strength)
        ways = solvers(loss, scale)
        with threadpool_limits(1):
            runs = [
                {name: timed(solve, loss) for name, solve in ways.items()}
                for _ in range(options.repeats)
            ]
        at_zero = np.abs(loss(np.zeros_like(scale))[1]).max()
        ends = {name: loss(found) for name, (_, _, found) in runs[0].items()}
        least = min(value for value, _ in ends.values())
        for name, (value, gradient) in ends.items():
            milliseconds = 1000 * min(run[name][0] for run in runs)
            print(
                f"{strength:8g}  {name:13}  {milliseconds:6.2f}  {runs[0][name][1]:11}  "
                f"{value / least - 1:10.1e}  {np.abs(gradient).max() / at_zero:.1e}"
            )


if __name__ == "__main__":
    main()
