"""Does a classifier know what it does not know, and can its probabilities be taken at their word?

For each folder, over several deals of its photos (seven tenths to learn from, three to ask):

- coverage: how often the classes that can't be ruled out at 0.9 hold the true one;
- calibration error by cross-validation, before and after calibration, and their ratio;
- false alarms: how many photos of a known kind are called unknown, where 5 % are allowed;
- strangers: how many photos of the other folders are called unknown;
- one class left out of the training and then shown, each in turn: the area under the ROC curve of
  the novelty, and those of the distance to the nearest neighbour and of the largest logit.

    python benchmarks/abstention.py [FOLDER ...] [--deals 20] [--left-out-deals 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from candid.evaluation.scores import calibration_error
from candid.models.recipes.abstaining_head import AbstainingHead, fit_abstaining, predict_by_folds
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("happy_sad", "weather", "sign_digits"))
NUM_TENTHS = 10
NUM_HELD_OUT = 3


def main() -> None:
    """Measure each folder and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--deals", type=int, default=20)
    parser.add_argument("--left-out-deals", type=int, default=3)
    args = parser.parse_args()
    sets = {folder.name: read(folder) for folder in args.folders}
    for name, data in sets.items():
        print(f"\n{name}: {len(data.labels)} photos, {data.num_classes} classes")
        others = {other: row.embeddings for other, row in sets.items() if other != name}
        print_known(data, others, args.deals)
        print_calibration(data, min(args.deals, 5))
        if data.num_classes > 2:
            print_left_out(data, args.left_out_deals)


def read(folder: Path) -> Labelled:
    """The photos of a folder that are in a part."""
    prepared = prepare(folder)
    split = split_prepared(prepared, SplitOptions())
    return labelled(prepared.features, split.rows).take(split.places(*PARTS))


def deal(data: Labelled, seed: int) -> tuple[Labelled, Labelled]:
    """Photos to learn from, and photos to ask; copies on one side."""
    asked = data.folds(NUM_TENTHS, seed=seed) < NUM_HELD_OUT
    return data.take(np.flatnonzero(~asked)), data.take(np.flatnonzero(asked))


def print_known(data: Labelled, others: dict[str, NDArray[np.float32]], num_deals: int) -> None:
    """Coverage, false alarms and strangers, over some deals."""
    rows = []
    for seed in range(num_deals):
        learnt, asked = deal(data, seed)
        head = fit_abstaining(learnt, seed=seed)
        answers = head.answer(asked.embeddings)
        if answers.possible is None or answers.familiarity is None or head.abstention is None:
            print("too few photos")
            return
        allowed = head.abstention.false_alarms
        covered = answers.possible[np.arange(len(asked.labels)), asked.labels].mean()
        strange = [(familiar(head, other) <= allowed).mean() for other in others.values()]
        alarms = (answers.familiarity <= allowed).mean()
        rows.append([covered, answers.possible.sum(axis=1).mean(), alarms, *strange])
    mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
    names = ["coverage wanted 0.9", "classes in a set", "false alarms allowed 0.05"]
    for name, value, deviation in zip(
        [*names, *(f"called unknown: {other}" for other in others)], mean, spread, strict=True
    ):
        print(f"  {name:<28} {value:.3f}  (± {deviation:.3f} from deal to deal, {num_deals} deals)")


def familiar(head: AbstainingHead, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """How familiar pictures are."""
    found = head.answer(embeddings).familiarity
    return np.ones(len(embeddings), np.float32) if found is None else found


def print_calibration(data: Labelled, num_deals: int) -> None:
    """Cross-validated calibration error before and after."""
    rows = []
    for seed in range(num_deals):
        folded = predict_by_folds(data, seed=seed)
        if folded is None:
            return
        answers = folded.answers
        ones = np.ones((1, len(data.labels)))
        rows.append(
            [
                float(calibration_error(data.labels, probabilities, ones)[0])
                for probabilities in (answers.raw, answers.probabilities)
            ]
        )
    before, after = np.mean(rows, axis=0)
    print(
        f"  calibration error            {before:.4f} before, {after:.4f} after, "
        f"ratio {after / before:.2f} ({num_deals} deals)"
    )


def print_left_out(data: Labelled, num_deals: int) -> None:
    """Area under the ROC curve of photos of a class that was not trained on."""
    table = []
    for number in range(data.num_classes):
        areas = [left_out(data, number, seed) for seed in range(num_deals)]
        table.append(np.mean(areas, axis=0))
        novelty, nearest, logit = table[-1]
        print(
            f"  without class {number}: novelty {novelty:.3f}, nearest neighbour {nearest:.3f}, "
            f"largest logit {logit:.3f}"
        )
    novelty, nearest, logit = np.mean(table, axis=0)
    print(
        f"  mean: novelty {novelty:.3f}, nearest neighbour {nearest:.3f}, "
        f"largest logit {logit:.3f} ({num_deals} deals)"
    )


def left_out(data: Labelled, number: int, seed: int) -> Sequence[float]:
    """The areas of three scores, without one class."""
    learnt, asked = deal(data, seed)
    kept = learnt.take(np.flatnonzero(learnt.labels != number))
    names, labels = np.unique(kept.labels, return_inverse=True)
    known = Labelled(kept.embeddings, labels, kept.groups, kept.group_keys, len(names))
    head = fit_abstaining(known, seed=seed)
    strange = data.embeddings[data.labels == number]
    usual = asked.embeddings[asked.labels != number]
    shown = np.concatenate([usual, strange])
    truth = np.arange(len(shown)) >= len(usual)
    if head.novelty is None:
        raise SystemExit("a class is too small")
    scores = (head.novelty.scores(shown), nearest(known.embeddings, shown), -logits(head, shown))
    return [float(roc_auc_score(truth, score)) for score in scores]


def nearest(learnt: NDArray[np.float32], shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """The distance to the nearest photo that was learnt from."""
    products = shown @ learnt.T
    squares = np.square(learnt).sum(axis=1) - 2 * products
    return squares.min(axis=1) + np.square(shown).sum(axis=1)


def logits(head: AbstainingHead, shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest score of the head."""
    return head.head.scores(shown).max(axis=1)


if __name__ == "__main__":
    main()
