"""How well `candid audit` finds wrong labels, and what they cost a training.

Of each folder, 5 % of the labels are replaced by another class at random, several times with
several seeds, and the photos are ranked by how much their label is doubted. Printed are the area
under the ROC curve of the ranking and the share of the replaced labels among as many top suspects:
by a plain out-of-fold probability, and by what the audit uses (`candid.auditing.label_errors`). At
last, how many the audit flags, and how much of that was replaced. Labels that the folder itself has
wrong count as false alarms.

With ``--train``, instead: the heads of `transfer`, calibrated as in a run, in grouped 5-fold, where
the labels to learn from have been replaced, those to be tested on have not. Beside them heads that
learned from the labels as they are.

    python benchmarks/labels.py [FOLDER ...] [--seeds 3] [--share 0.05] [--train]
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from candid.auditing.label_errors import STRENGTH, LabelErrors, find_label_errors
from candid.evaluation.scores import log_losses
from candid.models.recipes.cross_validation import predict_held_out
from candid.models.recipes.linear_head import fit_head
from candid.models.temperature import fit_temperature
from candid.splits.grouped_split import NUM_FOLDS, Labelled, in_order
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("weather", "sign_digits"))


class Score(NamedTuple):
    """How a ranking did: area under the ROC curve, and share found among as many top suspects."""

    area: float
    among_top: float


def main() -> None:
    """Measure each folder and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--train", action="store_true", help="measure what they cost a training")
    args = parser.parse_args()
    for folder in args.folders:
        prepared = prepare(folder)
        split = split_prepared(prepared, SplitOptions())
        data = labelled(prepared.features, split.rows)
        if args.train:
            measure_training(folder, data.take(split.places(*PARTS)), args.seeds, args.share)
        else:
            measure(folder, data, args.seeds, args.share)


def measure(folder: Path, data: Labelled, num_seeds: int, share: float) -> None:
    """Replace labels, rank, and print the figures of each seed and their mean."""
    print(f"\n{folder.name}: {len(data.labels)} photos, {share:.0%} of the labels replaced")
    print("seed   plain          audit            flagged  of these replaced  found")
    rows = []
    for seed in range(num_seeds):
        noisy, replaced = replace_labels(data, share, seed)
        errors = find_label_errors(noisy)
        if errors is None:
            print("too few pictures")
            return
        rows.append(row := figures(noisy, replaced, errors))
        print(f"{seed:4}   " + as_text(row))
    print("mean   " + as_text(np.mean(rows, axis=0)))


def measure_training(folder: Path, data: Labelled, num_seeds: int, share: float) -> None:
    """Learn from replaced labels and from the others, and print accuracy and log loss of each."""
    print(f"\n{folder.name}: {len(data.labels)} photos, {share:.0%} of the labels replaced")
    print("seed   as they are     replaced        loss")
    rows = []
    for seed in range(num_seeds):
        sides = data, replace_labels(data, share, seed)[0]
        rows.append([*learn_and_test(sides[0], data, seed), *learn_and_test(sides[1], data, seed)])
        print(f"{seed:4}   {as_costs(rows[-1])}", flush=True)
    print(f"mean   {as_costs(np.mean(rows, axis=0))}")
    spread = "   ".join(f"{each:.4f}" for each in np.std(rows, axis=0, ddof=1))
    print(f"±      {spread}   {100 * np.std([row[0] - row[2] for row in rows], ddof=1):5.2f}")


def learn_and_test(given: Labelled, truth: Labelled, seed: int) -> tuple[float, float]:
    """Accuracy and log loss of heads that learned from given labels."""
    folds, answers = truth.folds(NUM_FOLDS, seed=seed), []  # of the true labels on both sides
    for fold in range(NUM_FOLDS):
        learned = given.take(np.flatnonzero(folds != fold))
        fitted = fit_head(learned, seed=seed + 1, with_held_out=True)
        held = fitted.held_out
        if held is None:
            raise SystemExit("too few pictures")
        labels, groups = (each[held.places] for each in (learned.labels, learned.groups))
        temperature = fit_temperature(held.probabilities, labels, groups)
        head = fitted.head.divided_by(temperature)
        answers.append(head.probabilities(truth.embeddings[folds == fold]))
    probabilities = in_order(folds, answers)
    hits = probabilities.argmax(axis=1) == truth.labels
    return float(hits.mean()), float(log_losses(truth.labels, probabilities.astype(float)).mean())


def as_costs(row: Sequence[float]) -> str:
    """Accuracy and log loss of both sides, and the accuracy that was lost, in points."""
    return "   ".join(f"{each:.4f}" for each in row) + f"   {100 * (row[0] - row[2]):5.2f}"


def replace_labels(data: Labelled, share: float, seed: int) -> tuple[Labelled, NDArray[np.bool_]]:
    """Give a share of the photos one of the other classes, each as likely."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(data.labels))[: round(share * len(data.labels))]
    labels = data.labels.copy()
    shift = rng.integers(1, data.num_classes, len(places))
    labels[places] = (labels[places] + shift) % data.num_classes
    replaced = np.zeros(len(labels), np.bool_)
    replaced[places] = True
    return dataclasses.replace(data, labels=labels), replaced


def figures(
    noisy: Labelled, replaced: NDArray[np.bool_], errors: LabelErrors
) -> NDArray[np.float64]:
    """All figures of one seed."""
    rows = np.arange(len(noisy.labels))
    everything = np.ones(len(rows), np.bool_)
    plain = predict_held_out(noisy, seeds=[0], strength=STRENGTH, learn_from=everything)
    scores = (
        score(-plain[rows, noisy.labels], replaced),
        score(-errors.quality, replaced),
    )
    flagged = errors.flagged
    found = (flagged & replaced).sum()
    return np.array(
        [*sum(scores, ()), flagged.sum(), found / max(flagged.sum(), 1), found / replaced.sum()]
    )


def score(doubt: NDArray[np.floating], replaced: NDArray[np.bool_]) -> Score:
    """Compare a ranking, the most doubtful highest, with what was replaced."""
    top = np.argsort(-doubt, kind="stable")[: replaced.sum()]
    return Score(float(roc_auc_score(replaced, doubt)), float(replaced[top].mean()))


def as_text(row: NDArray[np.float64]) -> str:
    """A line of the table."""
    pairs = "   ".join(f"{area:.4f} {top:.3f}" for area, top in row[:4].reshape(2, 2))
    return f"{pairs}   {row[4]:7.1f}  {row[5]:17.3f}  {row[6]:5.3f}"


if __name__ == "__main__":
    main()
