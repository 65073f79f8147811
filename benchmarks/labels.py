"""How well `candid audit` finds wrong labels.

Of each folder, 5 % of the labels are replaced by another class at random, several times with
several seeds, and the photos are ranked by how much their label is doubted. Printed are the area
under the ROC curve of the ranking and the share of the replaced labels among as many top suspects:
by a plain out-of-fold probability, and by what the audit uses (`candid.auditing.label_errors`). At
last, how many the audit flags, and how much of that was replaced. Labels that the folder itself has
wrong count as false alarms.

    python benchmarks/labels.py [FOLDER ...] [--seeds 3] [--share 0.05]
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from candid.auditing.label_errors import STRENGTH, LabelErrors, find_label_errors
from candid.models.recipes.cross_validation import predict_held_out
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared

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
    args = parser.parse_args()
    for folder in args.folders:
        prepared = prepare(folder)
        data = labelled(prepared.features, split_prepared(prepared, SplitOptions()).rows)
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
