"""Trains on 300 photos of one class and 12 of another; counts what is found of photos never used.

Classes are made from those of the data sets: the common one may hold several. "Before" is without
class weights; "offered" is the option that the run prints, or the default where it prints none, and
"said" is what it prints about it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.measures import measure_predictions
from candid.evaluation.rare_class import rare_class, with_offer
from candid.evaluation.scores import Predictions
from candid.models.decision_rule import DecisionRule
from candid.models.recipes import linear_head
from candid.models.recipes.abstaining_head import fit_abstaining, predict_by_folds
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared

CLASSES: Final = ("common", "rare")
#: Data set, classes of the common class, class of the rare one.
TASKS: Final = (
    ("weather", ("cloud",), "shine"),
    ("weather", ("sunrise",), "cloud"),
    ("weather", ("cloud", "shine", "sunrise"), "rain"),
    ("sign_digits", ("6", "7"), "8"),
    ("sign_digits", ("0", "2", "3", "4", "5"), "1"),
    ("sign_digits", ("0", "1", "2", "3", "5"), "4"),
)


@dataclass(frozen=True)
class Drawn:
    """A training set, and the embeddings of photos that show none of its pictures."""

    data: Labelled
    common: NDArray[np.float32]
    rare: NDArray[np.float32]


@dataclass(frozen=True)
class Counted:
    """Shares of unused photos, before, after and with the offered option, and its promises."""

    recall: tuple[float, float, float]
    false: tuple[float, float, float]
    loss: tuple[float, float]
    said: tuple[float, float]
    is_offered: bool
    is_balanced: bool


def draw(
    data: Labelled,
    names: tuple[str, ...],
    common: tuple[str, ...],
    rare: str,
    sizes: list[int],
    seed: int,
) -> Drawn:
    """Draw whole groups of photos for training; what is left of the two classes is for testing."""
    rng = np.random.default_rng(seed)
    numbers = [[names.index(name) for name in side] for side in (common, (rare,))]
    used, left = [], []
    for side, size in zip(numbers, sizes, strict=True):
        places = np.flatnonzero(np.isin(data.labels, side))
        order = rng.permutation(np.unique(data.groups[places]))
        ranks = np.argsort(order)[np.searchsorted(np.sort(order), data.groups[places])]
        # At least a fifth of the photos are kept for testing.
        last = np.sort(ranks)[min(size, len(places) * 4 // 5) - 1]
        used.append(places[ranks <= last])
        left.append(data.embeddings[places[ranks > last]])
    taken = data.take(np.concatenate(used))
    labels = np.repeat([0, 1], list(map(len, used)))
    return Drawn(
        Labelled(taken.embeddings, labels, taken.groups, taken.group_keys, 2), left[0], left[1]
    )


def count(drawn: Drawn) -> Counted:
    """Train without and with weights, and ask about the photos that are left."""
    with patch.object(linear_head, "UNBALANCED", float("inf")):
        heads = [fit_abstaining(drawn.data)]
    heads.append(fit_abstaining(drawn.data))
    folded = predict_by_folds(drawn.data)
    if folded is None:
        raise SystemExit("a class is too small for folds")
    answers = folded.answers
    predictions = Predictions(
        tuple(map(str, range(len(drawn.data.labels)))),
        drawn.data.labels,
        drawn.data.groups,
        DecisionRule().decide(answers.probabilities, CLASSES),
        **vars(answers),
    )
    found = rare_class(measure_predictions(CLASSES, predictions))
    if found is None:
        raise SystemExit("the classes are balanced")
    offer = with_offer(found, CLASSES, predictions, folded.folds).offer
    threshold = 0.5 if offer is None else float(offer.options.split()[1])
    tries = [(heads[0], 0.5), (heads[1], 0.5), (heads[1], threshold)]
    shares = np.bincount(drawn.data.labels) / len(drawn.data.labels)
    recalls, false, losses = [], [], []
    for head, limit in tries:
        common, rare = (
            head.answer(rows).probabilities[:, 1].astype(np.float64)
            for rows in (drawn.common, drawn.rare)
        )
        recalls.append(float((rare > limit).mean()))
        false.append(float((common > limit).mean()))
        means = [-np.log(np.maximum(p, 1e-12)).mean() for p in (1 - common, rare)]
        losses.append(float(shares @ means))
    said = (0.0, 0.0)
    if offer is not None:
        said = (offer.recall.value, offer.num_false / offer.num_others)
    return Counted(
        (recalls[0], recalls[1], recalls[2]),
        (false[0], false[1], false[2]),
        (losses[0], losses[1]),
        said,
        offer is not None,
        heads[1].is_balanced,
    )


def tasks(folder: Path, sizes: list[int], seeds: int) -> Iterator[tuple[str, list[Counted]]]:
    """The name of each task and its counts by seed."""
    sets: dict[str, tuple[Labelled, tuple[str, ...]]] = {}
    for name, common, rare in TASKS:
        if name not in sets:
            prepared = prepare(folder / name)
            rows = split_prepared(prepared, SplitOptions()).rows
            sets[name] = labelled(prepared.features, rows), prepared.catalog.classes
        drawn = (draw(*sets[name], common, rare, sizes, seed) for seed in range(seeds))
        yield f"{name}: {'+'.join(common)} / {rare}", [count(one) for one in drawn]


def to_line(title: str, rows: list[Counted]) -> str:
    """The means of a task as a row of a table."""
    recall, false, loss = (
        np.mean([getattr(row, name) for row in rows], axis=0)
        for name in ("recall", "false", "loss")
    )
    said = np.mean([row.said for row in rows if row.is_offered] or [(np.nan, np.nan)], axis=0)
    tries = " | ".join(f"{r:.2f} / {f:.3f}" for r, f in zip(recall, false, strict=True))
    return (
        f"| {title} | {tries} | {said[0]:.2f} / {said[1]:.3f} | {loss[0]:.3f} → {loss[1]:.3f} "
        f"| {sum(row.is_balanced for row in rows)}, {sum(row.is_offered for row in rows)} "
        f"of {len(rows)} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds weather and sign_digits")
    parser.add_argument("--common", type=int, default=300)
    parser.add_argument("--rare", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    print("Recall of the rare class / share of the common one called rare, on photos not used")
    print(
        "| common / rare | before | default | offered | said of it | log loss | weighted, offered |"
    )
    print("|---|---|---|---|---|---|---|")
    every: list[Counted] = []
    sizes = [arguments.common, arguments.rare]
    for title, rows in tasks(arguments.folder, sizes, arguments.seeds):
        every += rows
        print(to_line(title, rows), flush=True)
    print(to_line("all", every))


if __name__ == "__main__":
    main()
