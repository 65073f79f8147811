"""Do the learning curve's forecasts come true?

Of each folder, some photos are drawn, whole groups at a time, and what more of them would bring is
forecast from those alone: of all classes, and of each class that the curve looks at. Then as many
of the other photos as the forecast speaks of are added, and both models, as they come, are measured
on others still: as many as were drawn at first, as the interval is one for that, weighted to the
mix of classes that these had. Printed are, by the number of photos, the mean forecast, what
happened on average, the mean interval, how often it held what happened, and by how many of the
interval's standard deviations the forecast was off (root mean square; 1 is as wide as it has to be,
less is wider); then the same for single classes, and the seconds that a curve takes.

With ``--luck``, what `learning_curve.luck_of` rests on: heads learn from several draws
of as many photos out of one half and are measured on the other; of the variance of their errors, as
much is subtracted as would be there if every photo's answer changed by itself.

    python benchmarks/learning.py [FOLDER ...] [--shares 0.2 0.3 0.4] [--trials 20] [--classes]
    python benchmarks/learning.py [FOLDER ...] --luck
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.learning_curve import SHARES, Forecast, Law, fit_law, learn, luck_of
from candid.evaluation.subsampling import Share, SubsampledHeads
from candid.models.recipes.linear_head import LinearHead, fit_head
from candid.models.recipes.logistic import Problem, fit
from candid.models.recipes.space import Space
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("weather", "sign_digits"))
STRENGTH = 30.0  # of the heads whose luck is measured
NUM_HALVES, NUM_DRAWS = 6, 20
HEADINGS = "photos  of       added  forecast  happened  interval            held     off  seconds"


class Came(NamedTuple):
    """A forecast and what happened."""

    forecast: Forecast
    happened: float

    @property
    def held(self) -> bool:
        """Whether the interval held it."""
        return self.forecast.gain.low <= self.happened <= self.forecast.gain.high

    @property
    def off(self) -> float:
        """By how many standard deviations of the interval the forecast was off."""
        gain = self.forecast.gain
        return (self.happened - gain.value) / ((gain.high - gain.low) / 3.92)


def main() -> None:
    """Forecast, add, measure, and print how often the interval was right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.2, 0.3, 0.4])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--classes", action="store_true", help="try single classes too (slower)")
    parser.add_argument("--luck", action="store_true", help="measure the constant of luck instead")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        prepared = prepare(folder)
        split = split_prepared(prepared, SplitOptions())
        data = labelled(prepared.features, split.rows).take(split.places(*PARTS))
        print(f"\n{folder.name}: {len(data.labels)} photos")
        if arguments.luck:
            print_luck(data)
            continue
        print(HEADINGS)
        for share in arguments.shares:
            measure(data, share, arguments.trials, by_class=arguments.classes)


def measure(data: Labelled, share: float, num_trials: int, *, by_class: bool) -> None:
    """Several trials with a share of the photos, and their lines of the table."""
    came: list[Came] = []
    seconds = []
    size = 0
    for trial in range(num_trials):
        rng = np.random.default_rng(trial)
        first = draw(data, np.arange(len(data.labels)), share, rng)
        size = int(first.sum())
        begin = data.take(np.flatnonzero(first))
        head = fit_head(begin, seed=trial).head
        started = time.perf_counter()
        curve = learn(begin, seed=trial, strength=head.strength)
        seconds.append(time.perf_counter() - started)
        if curve is None:
            print(f"{size:6}  too few photos of a class")
            return
        forecasts = curve.forecasts if by_class else curve.forecasts[:1]
        came += [
            Came(f, happened) for f in forecasts for happened in add(data, first, head, f, rng)
        ]
    print_line(size, "all", [row for row in came if row.forecast.label is None], seconds)
    if by_class:
        print_line(size, "a class", [row for row in came if row.forecast.label is not None], [])


def draw(
    data: Labelled, places: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw a share of some photos, class by class, whole groups at a time: bool ``(n,)``."""
    drawn = np.zeros(len(data.labels), np.bool_)
    for label in range(data.num_classes):
        of_class = places[data.labels[places] == label]
        units = rng.permutation(np.unique(data.groups[of_class]))
        sizes = np.cumsum(np.bincount(data.groups[of_class])[units])
        taken = units[: np.searchsorted(sizes, share * len(of_class)) + 1]
        drawn[places[np.isin(data.groups[places], taken)]] = True
    return drawn


def add(
    data: Labelled,
    first: NDArray[np.bool_],
    head: LinearHead,
    forecast: Forecast,
    rng: np.random.Generator,
) -> Iterator[float]:
    """What adding the photos that a forecast speaks of brings on the others; nothing if too few."""
    rest = np.flatnonzero(~first)
    if forecast.label is not None:
        rest = rest[data.labels[rest] == int(forecast.label)]
    if forecast.num_more > len(rest) * 2 / 3:
        return
    added = draw(data, rest, forecast.num_more / len(rest), rng)
    more = fit_head(data.take(np.flatnonzero(first | added))).head
    left = np.flatnonzero(~first & ~added)
    left = np.flatnonzero(draw(data, left, min(1.0, first.sum() / len(left)), rng))
    labels = data.labels[left]
    rows = data.embeddings[left]
    right = [h.probabilities(rows).argmax(axis=1) == labels for h in (more, head)]
    mix = np.bincount(data.labels[first], minlength=data.num_classes) / first.sum()
    weights = mix[labels] / np.bincount(labels, minlength=data.num_classes)[labels]
    yield float(weights @ right[0] - weights @ right[1])


def print_line(size: int, of: str, came: list[Came], seconds: list[float]) -> None:
    """A line of the table, accuracies in points."""
    if not came:
        return
    gains = [row.forecast.gain for row in came]
    rows = [
        (row.forecast.num_more, gain.value, row.happened, gain.low, gain.high)
        for row, gain in zip(came, gains, strict=True)
    ]
    added, value, happened, low, high = np.mean(rows, axis=0)
    held = f"{sum(row.held for row in came)} of {len(came)}"
    off = np.sqrt(np.mean([row.off**2 for row in came]))
    interval = f"{100 * low:+5.1f} to {100 * high:+5.1f}"
    print(
        f"{size:6}  {of:<7}  {added:5.0f}  {100 * value:+8.1f}  {100 * happened:+8.1f}  {interval}"
        f"  {held:>10}  {off:6.2f}" + (f"  {np.median(seconds):7.2f}" if seconds else "")
    )


def print_luck(data: Labelled) -> None:
    """Print how far heads differ that learnt from as many photos, as a share of their excess."""
    law = law_of(data)
    print("photos   error   luck  excess  luck / excess · √(classes - 1)")
    for share in (0.05, 0.1, 0.2):
        size = round(share * len(data.labels))
        found = [luck_once(data, share, half) for half in range(NUM_HALVES)]
        variance, error = np.mean(found, axis=0)
        luck, excess = np.sqrt(max(variance, 0)), float(np.median(law.excess_at(size)))
        constant = luck / excess * np.sqrt(data.num_classes - 1)
        print(f"{size:6}  {error:6.3f}  {luck:.4f}  {excess:6.3f}  {constant:6.3f}", flush=True)


def law_of(data: Labelled) -> Law:
    """The law of all photos."""
    found = SubsampledHeads(data, seed=0, strength=STRENGTH).mistakes(
        [Share(share) for share in SHARES], enough=len(data.labels)
    )
    covariance = np.cov(found.wrong.T) / len(found.wrong)
    independent = found.num_heads / np.maximum(1 - np.array(SHARES), 1e-3)
    errors = found.wrong.mean(axis=0)
    return fit_law(found.sizes, errors, covariance, independent, luck=luck_of(data.num_classes))


def luck_once(data: Labelled, share: float, seed: int) -> tuple[float, float]:
    """Of draws from one half: the variance of the error beyond that of single photos; the error."""
    rng = np.random.default_rng(seed)
    everything = np.arange(len(data.labels))
    half = draw(data, everything, 0.5, rng)
    asked = np.flatnonzero(~half)
    _, units = np.unique(data.groups[asked], return_inverse=True)
    wrong = np.array([wrong_of(data, half, 2 * share, asked, rng) for _ in range(NUM_DRAWS)])
    by_unit = np.zeros((NUM_DRAWS, units.max() + 1))
    np.add.at(by_unit.T, units, (wrong - wrong.mean(axis=0)).T)
    of_photos = np.square(by_unit).sum() / (NUM_DRAWS - 1) / len(asked) ** 2
    # Draws from a half overlap, which makes them more alike than draws from all the world.
    variance = (wrong.mean(axis=1).var(ddof=1) - of_photos) / (1 - 2 * share)
    return float(variance), float(wrong.mean())


def wrong_of(
    data: Labelled,
    half: NDArray[np.bool_],
    share: float,
    asked: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """What a head gets wrong that learnt from a share of a half, bool ``(len(asked),)``."""
    learnt = data.take(np.flatnonzero(draw(data, np.flatnonzero(half), share, rng)))
    space = Space(learnt.embeddings)
    weights = np.ones(len(learnt.labels), np.float32)
    problem = Problem(space, learnt.labels, weights, data.num_classes)
    fit([problem], STRENGTH, tolerance=1e-3)
    kernel, bias = space.to_embeddings(problem.fitted)
    return (data.embeddings[asked] @ kernel.T + bias).argmax(axis=1) != data.labels[asked]


if __name__ == "__main__":
    main()
