"""Can a probability be taken at its word, after a training on few photos?

Draws some photos of a folder, as many of each class, trains on them as `candid train` does (a tenth
is kept for its test part), asks all the others, and prints, over several draws:

- accuracy, log loss, and the share of the photos whose answer is shown as 1.000;
- how many of the mistakes were called *sure*;
- the calibration error: the mean distance between confidence and accuracy in ten bins of equal
  mass, where photos of equal confidence share a bin. Even exact probabilities have one, by chance:
  that of as many labels drawn from the answers themselves is printed beside it;
- temperature and inverse strength of the regularisation: the median, the least and the largest.

Copies of a picture are on one side, and at most four fifths of a class are drawn. Features are
computed once; with `--recipe cnn` each draw takes half a minute.

    python benchmarks/calibration.py [FOLDER ...] [--classes NAME NAME] [--photos 60 100 300]
                                     [--seeds 5] [--first-seed 0] [--recipe transfer]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import candid
from candid import TrainOptions
from candid.evaluation.scores import log_losses
from candid.models.recipes.abstaining_head import fit_abstaining
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
    probabilities: NDArray[np.float32]
    sure: NDArray[np.bool_]
    temperature: float
    strength: float | None


def main() -> None:
    """Measure each folder and each number of photos, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--classes", nargs="+", help="only these")
    parser.add_argument("--photos", type=int, nargs="+", default=(60, 100, 300))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--recipe", choices=("transfer", "cnn"), default="transfer")
    args = parser.parse_args()
    ask = {"transfer": ask_transfer, "cnn": ask_cnn}[args.recipe]
    for folder in args.folders:
        photos = read(folder, args.classes)
        title = " ".join([args.recipe, folder.name, *(args.classes or ())])
        for num in args.photos:
            seeds = range(args.first_seed, args.first_seed + args.seeds)
            print_row(title, num, [ask(photos, num, seed) for seed in seeds])


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
    sure = np.ones(len(asked), np.bool_)
    if head.abstention and answers.possible is not None and answers.familiarity is not None:
        predicted = answers.probabilities.argmax(axis=1)
        verdicts = head.abstention.verdicts(answers.possible, answers.familiarity, predicted)
        sure = np.array(verdicts) == "sure"
    return Asked(
        data.labels[asked], answers.probabilities, sure, head.temperature, head.raw.strength
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
    sure = np.array([answer.verdict in ("sure", None) for answer in answers])
    temperature = classifier.require_manifest().calibration.temperature
    return Asked(photos.data.labels[asked], probabilities, sure, temperature, None)


def calibration_error(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> float:
    """Expected calibration error in bins of equal mass; ties share the bin of their middle rank."""
    values, number, count = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(confidence)
    bins = np.minimum((middle * NUM_BINS).astype(np.int64), NUM_BINS - 1)[number]
    gaps = np.bincount(bins, weights=right - values[number], minlength=NUM_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def by_chance(confidence: NDArray[np.float64], rng: np.random.Generator) -> float:
    """The calibration error of answers that are right exactly as often as they say."""
    drawn = rng.random((NUM_CHANCE, len(confidence))) < confidence
    return float(np.mean([calibration_error(right, confidence) for right in drawn]))


def print_row(title: str, num: int, draws: Sequence[Asked]) -> None:
    """Print the figures of one number of photos: means over the draws."""
    rng = np.random.default_rng(0)
    rows, mistakes, sure_mistakes = [], 0, 0
    for each in draws:
        confidence = each.probabilities.max(axis=1).astype(np.float64)
        right = each.probabilities.argmax(axis=1) == each.labels
        losses = log_losses(each.labels, each.probabilities.astype(np.float64))
        mistakes += int((~right).sum())
        sure_mistakes += int((~right & each.sure).sum())
        rows.append(
            [
                right.mean(),
                losses.mean(),
                (confidence >= SHOWN_AS_1).mean(),
                each.sure.mean(),
                calibration_error(right, confidence),
                by_chance(confidence, rng),
                confidence.mean() - right.mean(),
            ]
        )
    accuracy, loss, shown, sure, error, chance, gap = np.mean(rows, axis=0)
    print(
        f"{title}, {num} photos, {len(draws)} draws: accuracy {accuracy:.4f}, "
        f"log loss {loss:.4f}, shown as 1.000 {100 * shown:.1f} %, sure {100 * sure:.1f} %, "
        f"mistakes called sure {sure_mistakes} of {mistakes}, calibration error {error:.4f} "
        f"(by chance {chance:.4f}, confidence less accuracy {gap:+.4f}), "
        f"temperature {spread([each.temperature for each in draws])}, "
        f"strength {spread([each.strength for each in draws if each.strength])}",
        flush=True,
    )


def spread(values: Sequence[float]) -> str:
    """Median, least and largest."""
    if not values:
        return "none"
    return f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
