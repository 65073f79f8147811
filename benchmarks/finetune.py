"""What training the last blocks too brings, beside the frozen network with a linear head.

Of each folder, grouped 5-fold: each fold's networks are trained on the other folds. Printed are,
for each seed of the folds and each share of the trained layers in the scores (0 is the frozen
network), accuracy and log loss after a temperature of its own, then means with standard errors over
the seeds, and the processor's seconds of a network.

    python benchmarks/finetune.py [FOLDER ...] [--seeds 3] [--folds 5] [--epochs 10] [--varied 8]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from candid.core.progress import Silent
from candid.data.images import PixelContract
from candid.features.backbones.weights import load_weights
from candid.models.checkpoint import Checkpoints
from candid.models.recipes.finetune import DIVISION, Tuner, compute_views
from candid.models.recipes.finetune_keras import Schedule, Tail
from candid.models.recipes.folded import SHARES, FoldAnswers
from candid.models.temperature import fit_temperature, with_temperature
from candid.splits.grouped_split import NUM_FOLDS
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("happy_sad", "weather", "sign_digits"))


@contextmanager
def make_tuner(folder: Path, epochs: int, num_varied: int) -> Iterator[Tuner]:
    """A tuner of all photos of a folder that are in a part."""
    prepared = prepare(folder)
    split = split_prepared(prepared, SplitOptions())
    places = split.places(*PARTS)
    data = labelled(prepared.features, split.rows).take(places)
    weights, reading = load_weights(DIVISION.spec), prepared.features.contract
    contract = PixelContract.of(reading, DIVISION.spec.size_px, reading.fit)
    layers = DIVISION.layers_of(weights)
    tail = Tail(DIVISION, layers, data.num_classes, Schedule(epochs))
    with compute_views(
        prepared.catalog, places, contract, weights, num_varied=num_varied, progress=Silent()
    ) as views:
        data = replace(data, embeddings=views.embeddings)
        yield Tuner(tail, views.middle, data, 0, Checkpoints(), Silent(), int)


def measure(folds: list[FoldAnswers], share: float) -> tuple[float, float]:
    """Accuracy and log loss."""
    raw = np.concatenate([fold.raw(share) for fold in folds])
    labels = np.concatenate([fold.labels for fold in folds])
    groups = np.concatenate([fold.groups for fold in folds])
    calibrated = with_temperature(raw, fit_temperature(raw, labels, groups))
    of_label = np.maximum(calibrated[np.arange(len(labels)), labels], 1e-7)
    return float((raw.argmax(axis=1) == labels).mean()), float(-np.log(of_label).mean())


def main() -> None:
    """Print the table of each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=NUM_FOLDS, help="of five, to hold out")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--varied", type=int, default=8, help="varied views of a photo")
    options = parser.parse_args()
    for folder in options.folders:
        with make_tuner(folder, options.epochs, options.varied) as tuner:
            start, rows = time.process_time(), []
            for seed in range(options.seeds):
                of = tuner.data.folds(NUM_FOLDS, seed=seed)
                folds = [tuner.held_out(of, fold) for fold in range(options.folds)]
                rows.append([measure(folds, share) for share in SHARES])
                print(folder.name, "seed", seed, np.round(rows[-1], 4).tolist(), flush=True)
            seconds = (time.process_time() - start) / options.seeds / options.folds
        figures = np.array(rows)
        spread = figures.std(axis=0, ddof=1) if len(rows) > 1 else np.full(figures[0].shape, np.nan)
        errors = spread / np.sqrt(len(rows))
        for share, mean, error in zip(SHARES, figures.mean(axis=0), errors, strict=True):
            print(
                f"{folder.name:12} {share:4.2f} trained: accuracy {mean[0]:.4f} ± {error[0]:.4f}, "
                f"log loss {mean[1]:.3f} ± {error[1]:.3f}"
            )
        print(f"{folder.name}: {seconds:.0f} s of the processor for a network", flush=True)


if __name__ == "__main__":
    main()
