"""How right models of 20 photos a class are: the frozen network, and with its last blocks trained.

Of each folder, ten draws of 20 photos of each class, each of a picture of its own; all photos of
other pictures are answered. Printed are the accuracy of the frozen network with a linear head, of
the trained layers and of the mean of both, with mean gains and standard errors over the draws.

    python benchmarks/small_folders.py [FOLDER ...] [--draws 10] [--photos 20] [--epochs 10 40]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from finetune import SETS, make_tuner
from numpy.typing import NDArray

from candid.models.recipes.finetune import Tuner
from candid.models.recipes.logistic import softmax
from candid.splits.grouped_split import Labelled


def draw(data: Labelled, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the drawn photos, and of those of other pictures."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for label in range(data.num_classes):
        places = rng.permutation(np.flatnonzero(data.labels == label))
        firsts = np.sort(np.unique(data.groups[places], return_index=True)[1])
        drawn += places[firsts][:count].tolist()
    others = ~np.isin(data.groups, data.groups[drawn])
    return np.array(sorted(drawn), np.int64), np.flatnonzero(others).astype(np.int64)


def measure(tuner: Tuner, drawn: NDArray[np.int64], others: NDArray[np.int64]) -> list[float]:
    """Accuracy of the frozen network, of the trained layers, and of the mean of both."""
    _, head = tuner.tune(drawn, "training")
    _, trained = tuner.answer(others)
    frozen = head.scores(tuner.data.embeddings[others])
    answers = (frozen, trained, (frozen + trained) / 2)
    labels = tuner.data.labels[others]
    return [float((softmax(one).argmax(axis=1) == labels).mean()) for one in answers]


def main() -> None:
    """Print a line a folder and number of epochs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=SETS)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--photos", type=int, default=20, help="of a class")
    parser.add_argument("--epochs", type=int, nargs="+", default=[10])
    parser.add_argument("--varied", type=int, default=8, help="varied views of a photo")
    options = parser.parse_args()
    for folder in options.folders:
        with make_tuner(folder, 1, options.varied) as tuner:
            for epochs in options.epochs:
                tuner.tail.schedule = replace(tuner.tail.schedule, epochs=epochs)
                rows = np.array(
                    [
                        measure(tuner, *draw(tuner.data, options.photos, seed))
                        for seed in range(options.draws)
                    ]
                )
                gains = rows[:, 1:] - rows[:, :1]
                errors = gains.std(axis=0, ddof=1) / np.sqrt(len(rows))
                means = rows.mean(axis=0)
                print(
                    f"{folder.name:12} {epochs:3} epochs: frozen {means[0]:.3f}; "
                    f"trained {means[1]:.3f} ({100 * gains[:, 0].mean():+.1f} ± "
                    f"{100 * errors[0]:.1f}); both {means[2]:.3f} ({100 * gains[:, 1].mean():+.1f} "
                    f"± {100 * errors[1]:.1f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
