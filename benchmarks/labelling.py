"""How many labels the order of `candid.models.labelling` saves, and how long it takes.

Of each folder, half of the pictures are the pool and the others the test part, in ten ways. Labels
are given to the pool in random order, and in the order that the studio proposes: batches that share
a guess, each given their true classes, then new suggestions. Printed is how many labels it takes
until a head is as accurate as 95 % of what it reaches with the labels of the whole pool: by the
accuracy averaged over the ten ways, and of each way by itself (the median, the least and the most);
the ratios of both; and how many of the photos of all batches until there had the class that was
guessed, so that Enter was right for them. The head is that of ``candid train``; with ``--quick`` it
is the quick one that makes the suggestions.

    python benchmarks/labelling.py [FOLDER ...] [--trials 10] [--quick]
    python benchmarks/labelling.py --seconds

With ``--seconds``, the time from 24 labels to new suggestions among 5,000 drawn embeddings.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.models.labelling import BATCH, Labelling
from candid.models.recipes.linear_head import fit_head
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("weather", "sign_digits"))
WANTED = 0.95
STEP = 6
NUM_PHOTOS, WIDTH, NUM_CLASSES = 5000, 1608, 10

Places = NDArray[np.int64]
#: The accuracy on the test part of a head that learnt from some photos.
Measure = Callable[[Places], float]


def main() -> None:
    """Label in both orders, and print how many labels each needed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="measure with the quick head")
    parser.add_argument("--seconds", action="store_true", help="measure the time instead")
    arguments = parser.parse_args()
    if arguments.seconds:
        print_seconds()
        return
    print("folder          full  random: mean, median  proposed               ratios     guessed")
    for folder in arguments.folders:
        prepared = prepare(folder)
        split = split_prepared(prepared, SplitOptions())
        data = labelled(prepared.features, split.rows).take(split.places(*PARTS))
        print_line(folder.name, data, arguments.trials, quick=arguments.quick)


def print_line(name: str, data: Labelled, num_trials: int, *, quick: bool) -> None:
    """A line of the table."""
    orders: list[list[Iterator[Places]]] = [[], []]
    measures, full, proposals = [], [], []
    for trial in range(num_trials):
        rng = np.random.default_rng(trial)
        in_pool = rng.permutation(len(data.group_keys))[data.groups] < len(data.group_keys) / 2
        pool, test = data.take(np.flatnonzero(in_pool)), data.take(np.flatnonzero(~in_pool))
        measures.append(quick_measure(pool, test) if quick else real_measure(pool, test))
        full.append(measures[-1](np.arange(len(pool.labels))))
        proposals.append(Proposed(pool))
        orders[0].append(iter([rng.permutation(len(pool.labels))]))
        orders[1].append(proposals[-1].batches())
    random, ours = (reach(measures, full, each) for each in orders)
    told = [f"{n.on_average:4} {median(n.each):4.0f} ({min(n.each)} to {max(n.each)})"
            for n in (random, ours)]  # fmt: skip
    ratios = random.on_average / ours.on_average, median(random.each) / median(ours.each)
    right = mean(share for each in proposals for share in each.right)
    print(
        f"{name:<12} {100 * mean(full):6.1f}%  {told[0]:<22} {told[1]:<22} "
        f"{ratios[0]:5.2f} {ratios[1]:5.2f}  {100 * right:10.0f}%",
        flush=True,
    )


class Needed(NamedTuple):
    """How many labels were needed, by the average of the trials, and in each."""

    on_average: int
    each: list[int]


class Proposed:
    """The proposed order of a pool, made while it is asked for, as labels are given.

    Attributes:
        right: Of each batch so far, the share of photos that had the class that was guessed.
    """

    def __init__(self, pool: Labelled) -> None:
        self._pool = pool
        self.right: list[float] = []

    def batches(self) -> Iterator[Places]:
        """The photos of each batch."""
        truth, labelling = self._pool.labels, Labelling(self._pool.embeddings)
        labels = np.full(len(truth), -1)
        while (labels < 0).any():
            batch = labelling.suggest(labels, self._pool.num_classes)
            labels[batch.places] = truth[batch.places]
            if batch.guess >= 0:
                self.right.append(float((truth[batch.places] == batch.guess).mean()))
            yield batch.places


def reach(
    measures: Sequence[Measure], full: Sequence[float], orders: Sequence[Iterator[Places]]
) -> Needed:
    """Give labels in all trials, a few at a time, until the wanted accuracy is reached."""
    known = [np.empty(0, np.int64) for _ in orders]
    each, on_average, size = [0] * len(orders), 0, 0
    while not on_average or not all(each):
        size += max(STEP, size // 16)
        shares = []
        for trial, order in enumerate(orders):
            while len(known[trial]) < size and (more := next(order, None)) is not None:
                known[trial] = np.concatenate([known[trial], more])
            shares.append(measures[trial](known[trial][:size]) / full[trial])
            if shares[-1] >= WANTED and not each[trial]:
                each[trial] = size
        if mean(shares) >= WANTED and not on_average:
            on_average = size
    return Needed(on_average, each)


def real_measure(pool: Labelled, test: Labelled) -> Measure:
    """By heads of ``candid train``."""

    def measure(places: Places) -> float:
        learnt = pool.take(places)
        present, labels = np.unique(learnt.labels, return_inverse=True)
        if len(present) < 2:
            return float((test.labels == present[0]).mean())
        data = Labelled(learnt.embeddings, labels, learnt.groups, learnt.group_keys, len(present))
        answers = fit_head(data).head.scores(test.embeddings[:]).argmax(axis=1)
        return float((present[answers] == test.labels).mean())

    return measure


def quick_measure(pool: Labelled, test: Labelled) -> Measure:
    """By the quick heads that make suggestions."""
    size = len(pool.labels)
    labelling = Labelling(np.concatenate([pool.embeddings[:], test.embeddings[:]]))

    def measure(places: Places) -> float:
        chances = labelling.predict(
            places, pool.labels[places], np.arange(size, size + len(test.labels)), pool.num_classes
        )
        return float((chances.argmax(axis=1) == test.labels).mean())

    return measure


def print_seconds() -> None:
    """Time what follows a batch of labels."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 6 * NUM_CLASSES, NUM_PHOTOS)
    centres = rng.normal(0, 0.6, (6 * NUM_CLASSES, WIDTH))
    embeddings = (centres[kind] + rng.normal(size=(NUM_PHOTOS, WIDTH))).astype(np.float32)
    truth = kind // 6
    started = time.perf_counter()
    labelling = Labelling(embeddings)
    print(f"{NUM_PHOTOS:,} photos, once: {time.perf_counter() - started:.2f} s")
    for num in (0, 24, 240, 2400, NUM_PHOTOS - BATCH):
        labels = np.full(NUM_PHOTOS, -1)
        known = rng.permutation(NUM_PHOTOS)[:num]
        labels[known] = truth[known]
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            labelling.suggest(labels, NUM_CLASSES, size=BATCH)
            seconds.append(time.perf_counter() - started)
        told = f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
        print(f"{num:5} labels: new suggestions in {told}")


if __name__ == "__main__":
    main()
