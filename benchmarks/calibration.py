"""Can a probability be taken at its word, after a training on few photos?

Draws some photos of a folder, as many of each class, trains on them as `candid train` does (a tenth
is kept for its test part), asks all the others, and prints, over several draws:

- accuracy, log loss, and the share of the photos whose answer is shown as 1.000;
- how many of the mistakes were called *sure*;
- the calibration error: the mean distance between confidence and accuracy in ten bins of equal
  mass, where photos of equal confidence share a bin, with the standard error over the draws. Even
  exact probabilities have one, by chance: the mean of as many labels drawn from the answers
  themselves (copies are right together) is subtracted;
- what else would be above chance if nothing but the temperature of exact probabilities had been
  fitted, by maximum likelihood, to as many labels as were drawn;
- temperature and inverse strength of the regularisation: the median, the least and the largest.

Copies of a picture are on one side, and at most four fifths of a class are drawn. Features are
computed once; with `--recipe cnn` each draw takes half a minute. Draws differ more than codes do:
to compare two, `--save` the figures of one, and run the other `--against` them, which prints the
mean difference on the same draws.

    python benchmarks/calibration.py [FOLDER ...] [--classes NAME NAME] [--photos 60 100 300]
                                     [--seeds 5] [--first-seed 0] [--recipe transfer]
                                     [--save FILE] [--against FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import candid
from candid import TrainOptions
from candid.evaluation.scores import log_losses
from candid.models.recipes.abstaining_head import fit_abstaining
from candid.models.temperature import with_temperature
from candid.splits.grouped_split import (
    Labelled,
    count_by_group,
    random_ranks,
    sample_groups,
    split_groups,
)
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS, SHARES

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("happy_sad", "weather", "sign_digits"))
NUM_BINS = 10
SHOWN_AS_1 = 0.9995
NUM_CHANCE = 20  # draws of labels for the calibration error by chance
TEMPERATURES = tuple(np.geomspace(0.2, 5, 65))  # of the fit to labels drawn from the answers
MOST_DRAWN = 0.8  # of a class


@dataclass(frozen=True)
class Photos:
    """The photos of a folder, and their files."""

    data: Labelled
    files: tuple[Path, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """The answers to the photos that were not drawn."""

    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    sure: NDArray[np.bool_]
    temperature: float
    strength: float | None
    num_drawn: int  # different pictures trained on or tested


@dataclass(frozen=True)
class Figures:
    """Those of one draw."""

    accuracy: float
    log_loss: float
    shown: float  # share of the photos whose answer is shown as 1.000
    sure: float
    error: float  # of calibration
    chance: float  # of it
    few_labels: float  # above chance, of exact probabilities; see `by_few_labels`
    gap: float  # confidence less accuracy
    mistakes: int
    sure_mistakes: int

    @property
    def above(self) -> float:
        """The calibration error above that by chance."""
        return self.error - self.chance


def main() -> None:
    """Measure each folder and each number of photos, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--classes", nargs="+", help="only these")
    parser.add_argument("--photos", type=int, nargs="+", default=(60, 100, 300))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--recipe", choices=("transfer", "cnn"), default="transfer")
    parser.add_argument("--save", type=Path, help="write the figures of each draw here")
    parser.add_argument("--against", type=Path, help="compare with those saved here")
    args = parser.parse_args()
    before = json.loads(args.against.read_text()) if args.against else {}
    saved: dict[str, list[dict[str, float]]] = {}
    ask = {"transfer": ask_transfer, "cnn": ask_cnn}[args.recipe]
    for folder in args.folders:
        photos = read(folder, args.classes)
        title = " ".join([args.recipe, folder.name, *(args.classes or ())])
        for num in args.photos:
            seeds = range(args.first_seed, args.first_seed + args.seeds)
            draws = [ask(photos, num, seed) for seed in seeds]
            row = f"{title}, {num} photos"
            figures = [measure(each) for each in draws]
            print_row(row, draws, figures)
            if row in before:
                print_change([Figures(**values) for values in before[row]], figures)
            saved[row] = [asdict(each) for each in figures]
    if args.save:
        args.save.write_text(json.dumps(saved))


def read(folder: Path, classes: Sequence[str] | None) -> Photos:
    """The photos of a folder that are in a part, of some classes or of all."""
    prepared = prepare(folder)
    split = split_prepared(prepared, SplitOptions())
    catalog, places = prepared.catalog, split.places(*PARTS)
    chosen = sorted(map(catalog.classes.index, classes or catalog.classes))
    data = labelled(prepared.features, split.rows)
    places = places[np.isin(data.labels[places], chosen)]
    kept = data.take(places)
    kept = replace(kept, labels=np.searchsorted(chosen, kept.labels), num_classes=len(chosen))
    files = tuple(catalog.file(catalog.photos[place]) for place in places)
    return Photos(kept, files, tuple(catalog.classes[number] for number in chosen))


def draw(data: Labelled, num: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of about so many photos, as many of each class; and of those to ask."""
    ranks = random_ranks(data.group_keys, seed=seed)
    drawn = []
    for number in range(data.num_classes):
        places = np.flatnonzero(data.labels == number)
        most = min(round(num / data.num_classes), int(MOST_DRAWN * len(places)))
        drawn.append(sample_groups(places, data.groups, ranks, most=most))
    taken = np.concatenate(drawn)
    return taken, np.flatnonzero(~np.isin(data.groups, data.groups[taken]))


def ask_transfer(photos: Photos, num: int, seed: int) -> Asked:
    """Fit a head on some photos as `candid train` does, and ask the others."""
    data = photos.data
    drawn, asked = draw(data, num, seed)
    few = data.take(drawn)
    parts = split_groups(count_by_group(few.labels, few.groups), few.group_keys, SHARES, seed=seed)
    head = fit_abstaining(few.take(np.flatnonzero(parts[few.groups] < 2)), seed=seed)
    answers = head.answer(data.embeddings[asked])
    sure = np.zeros(len(asked), np.bool_)  # with too few photos there is no verdict
    if head.abstention and answers.possible is not None and answers.familiarity is not None:
        predicted = answers.probabilities.argmax(axis=1)
        verdicts = head.abstention.verdicts(answers.possible, answers.familiarity, predicted)
        sure = np.array(verdicts) == "sure"
    return Asked(
        data.labels[asked],
        data.groups[asked],
        answers.probabilities,
        sure,
        head.temperature,
        head.raw.strength,
        len(np.unique(data.groups[drawn])),
    )


def ask_cnn(photos: Photos, num: int, seed: int) -> Asked:
    """Train the network on some photos with `candid train`, and ask the others."""
    drawn, asked = draw(photos.data, num, seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "photos")
        for place in drawn:
            to = folder / photos.classes[photos.data.labels[place]]
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(photos.files[place], to / f"{place}{photos.files[place].suffix}")
        options = TrainOptions(recipe="cnn", split=SplitOptions(seed=seed))
        run = candid.train(folder, run=Path(scratch, "run"), options=options)
        classifier = run.classifier
        answers = list(classifier.stream(photos.files[place] for place in asked))
    probabilities = np.array(
        [[answer.probabilities[name] for name in photos.classes] for answer in answers]
    )
    sure = np.array([answer.verdict == "sure" for answer in answers])
    temperature = classifier.require_manifest().calibration.temperature
    labels, groups = photos.data.labels[asked], photos.data.groups
    num_drawn = len(np.unique(groups[drawn]))
    return Asked(labels, groups[asked], probabilities, sure, temperature, None, num_drawn)


def calibration_error(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> float:
    """Expected calibration error in bins of equal mass; ties share the bin of their middle rank."""
    values, number, count = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(confidence)
    bins = np.minimum((middle * NUM_BINS).astype(np.int64), NUM_BINS - 1)[number]
    gaps = np.bincount(bins, weights=right - values[number], minlength=NUM_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def by_chance(
    exact: NDArray[np.float64],
    confidence: NDArray[np.float64],
    groups: NDArray[np.int64],
    rng: np.random.Generator,
) -> float:
    """The calibration error of answers that are right with a known probability, copies together."""
    uniform = rng.random((NUM_CHANCE, int(groups.max()) + 1))[:, groups]
    return float(np.mean([calibration_error(right, confidence) for right in uniform < exact]))


def by_few_labels(asked: Asked, rng: np.random.Generator) -> float:
    """The calibration error above chance that fitting a temperature to few labels causes.

    The answers are taken to be exact. A temperature is fitted by maximum likelihood to some of
    them, as many as pictures were drawn, with labels drawn from themselves, and applied to all.
    """
    exact = asked.probabilities.astype(np.float64)
    confidence, above = exact.max(axis=1), []
    for _ in range(NUM_CHANCE):
        few = asked.probabilities[rng.integers(len(exact), size=asked.num_drawn)]
        labels = (few.cumsum(axis=1) > rng.random((len(few), 1))).argmax(axis=1)
        losses = [log_losses(labels, with_temperature(few, t)).mean() for t in TEMPERATURES]
        fitted = TEMPERATURES[int(np.argmin(losses))]
        said = with_temperature(asked.probabilities, fitted).max(axis=1).astype(np.float64)
        error = by_chance(confidence, said, asked.groups, rng)
        above.append(error - by_chance(said, said, asked.groups, rng))
    return float(np.mean(above))


def measure(asked: Asked) -> Figures:
    """The figures of one draw."""
    rng = np.random.default_rng(0)
    confidence = asked.probabilities.max(axis=1).astype(np.float64)
    right = asked.probabilities.argmax(axis=1) == asked.labels
    return Figures(
        accuracy=float(right.mean()),
        log_loss=float(log_losses(asked.labels, asked.probabilities.astype(np.float64)).mean()),
        shown=float((confidence >= SHOWN_AS_1).mean()),
        sure=float(asked.sure.mean()),
        error=calibration_error(right, confidence),
        chance=by_chance(confidence, confidence, asked.groups, rng),
        few_labels=by_few_labels(asked, rng),
        gap=float(confidence.mean() - right.mean()),
        mistakes=int((~right).sum()),
        sure_mistakes=int((~right & asked.sure).sum()),
    )


def print_row(row: str, draws: Sequence[Asked], figures: Sequence[Figures]) -> None:
    """Print the figures of one number of photos: means over the draws."""

    def mean(name: str) -> float:
        return float(np.mean([getattr(each, name) for each in figures]))

    print(
        f"{row}, {len(draws)} draws: accuracy {mean('accuracy'):.4f}, "
        f"log loss {mean('log_loss'):.4f}, shown as 1.000 {100 * mean('shown'):.1f} %, "
        f"sure {100 * mean('sure'):.1f} %, mistakes called sure "
        f"{sum(each.sure_mistakes for each in figures)} of "
        f"{sum(each.mistakes for each in figures)}, "
        f"calibration error {with_error([each.error for each in figures])}, "
        f"above chance {mean('above'):+.4f} "
        f"(exact but for a temperature fitted to few labels {mean('few_labels'):+.4f}), "
        f"confidence less accuracy {mean('gap'):+.4f}, "
        f"temperature {spread([each.temperature for each in draws])}, "
        f"strength {spread([each.strength for each in draws if each.strength])}",
        flush=True,
    )


def print_change(before: Sequence[Figures], after: Sequence[Figures]) -> None:
    """Print the mean differences on the same draws."""
    pairs = list(zip(before, after, strict=True))
    for name in ("log_loss", "error", "above"):
        changes = [getattr(new, name) - getattr(old, name) for old, new in pairs]
        print(f"    {name.replace('_', ' ')} changed by {with_error(changes)}", flush=True)


def with_error(values: Sequence[float]) -> str:
    """Mean and standard error."""
    return f"{np.mean(values):.4f} ± {np.std(values) / max(len(values) - 1, 1) ** 0.5:.4f}"


def spread(values: Sequence[float]) -> str:
    """Median, least and largest."""
    if not values:
        return "none"
    return f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
