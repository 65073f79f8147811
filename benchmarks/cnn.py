"""Does the recipe `cnn` lose by computing in bfloat16, and what do its options bring?

Trains the network on a folder's train part in float32 and in bfloat16, alternately, in one process,
once per seed (of the split, the weights and the order), and measures it on the val and test parts
with the exported graph. Prints accuracy and log loss of each (that of the test part also with the
temperature that a run has, fitted on val), the mean difference from the first with its standard
error, and CPU seconds per step. With `--options`, the options of `candid train` are compared
instead, on parts of 60, 20 and 20 % of the photos, so that there are more to test on.

    python benchmarks/cnn.py [FOLDER] [--seeds 5] [--epochs 20] [--options]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.scores import log_losses
from candid.models.recipes import cnn
from candid.models.temperature import fit_temperature, with_temperature
from candid.runs.onnx_session import Model
from candid.splits.grouped_split import Labelled, count_by_group, split_groups
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS, Split

HAPPY_SAD = Path(__file__).resolve().parents[2] / "shared" / "data" / "happy_sad"
SHARES = (0.6, 0.2, 0.2)
FIGURES = (
    "val accuracy",
    "val log loss",
    "test accuracy",
    "test log loss",
    "the same, calibrated",
    "epochs",
    "CPU s a step",
)


class Arm(NamedTuple):
    """A way to train: how it computes, and the options that differ."""

    dtype: str | None = None
    options: Mapping[str, object] = {}


DTYPES = {dtype: Arm(dtype) for dtype in ("float32", "mixed_bfloat16")}
OPTIONS = {
    "as the tutorial": Arm(),
    "best epoch": Arm(options={"best_epoch": True}),
    "early stop, best epoch": Arm(options={"early_stop": True, "best_epoch": True}),
    "augment": Arm(options={"augment": True}),
    "augment, best epoch": Arm(options={"augment": True, "best_epoch": True}),
    "60 epochs, all three": Arm(
        options={"epochs": 60, "augment": True, "early_stop": True, "best_epoch": True}
    ),
}


def main() -> None:
    """Train, and print the figures of each seed and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=HAPPY_SAD)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--options", action="store_true", help="compare these, not precisions")
    args = parser.parse_args()
    prepared, arms = prepare(args.folder), OPTIONS if args.options else DTYPES
    rows: list[list[list[float]]] = []
    for seed in range(args.seeds):
        split = split_prepared(prepared, SplitOptions(seed=seed))
        data = labelled(prepared.features, split.rows)
        split = deal(split, data, seed) if args.options else split
        options = cnn.Options(args.epochs, seed=seed)
        with cnn.decode_photos(prepared.catalog, split.places(*PARTS)) as photos:
            rows.append([measure(photos, split, data, options, arm) for arm in arms.values()])
        for name, row in zip(arms, rows[-1], strict=True):
            print(f"seed {seed}, {name}: {describe(row)}", flush=True)
    figures = np.array(rows)
    print(
        f"\nmean of {args.seeds} seeds ± standard deviation; below, what it differs from the first"
    )
    for at, name in enumerate(arms):
        print(f"{name}: {describe(figures[:, at].mean(axis=0), figures[:, at].std(axis=0))}")
        change = figures[:, at] - figures[:, 0]
        error = change.std(axis=0) / max(args.seeds - 1, 1) ** 0.5
        print(f"    {describe(change.mean(axis=0), error)}")


def deal(split: Split, data: Labelled, seed: int, shares: Sequence[float] = SHARES) -> Split:
    """Deal the photos of all parts anew, with copies together."""
    places = split.places(*PARTS)
    groups = np.unique(data.groups[places], return_inverse=True)[1]
    keys = [split.rows[place].group for place in places[np.unique(groups, return_index=True)[1]]]
    parts = split_groups(count_by_group(data.labels[places], groups), keys, shares, seed=seed)
    rows = list(split.rows)
    for place, group in zip(places, groups, strict=True):
        rows[place] = replace(rows[place], part=PARTS[parts[group]])
    return replace(split, rows=tuple(rows))


def measure(
    photos: cnn.Decoded, split: Split, data: Labelled, options: cnn.Options, arm: Arm
) -> list[float]:
    """The `FIGURES` of a training; its CPU seconds include validation."""
    cnn.start_import().result()
    from candid.models.recipes.cnn_keras import Training

    classes, options = photos.catalog.classes, replace(options, **arm.options)
    started: Future[Training] = Future()
    started.set_result(Training(len(classes), seed=options.seed, dtype=arm.dtype))
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trained = cnn.train(photos, split, options, folder=Path(folder), started=started)
    epochs = len(trained.history)
    cpu_s = (time.process_time() - begin) / (
        epochs * -(-len(split.places("train")) // options.batch_size)
    )
    model = Model(trained.model, classes, photos.contract)
    val, test = (split.places(part) for part in ("val", "test"))
    of_val, of_test = (model.run(photos.pixels[places]).probabilities for places in (val, test))
    temperature = fit_temperature(of_val, data.labels[val], data.groups[val])
    calibrated = with_temperature(of_test, temperature)
    figures = [*score(of_val, data.labels[val]), *score(of_test, data.labels[test])]
    return [*figures, score(calibrated, data.labels[test])[1], epochs, cpu_s]


def score(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy and log loss."""
    losses = log_losses(labels, probabilities.astype(np.float64))
    return float((probabilities.argmax(axis=1) == labels).mean()), float(losses.mean())


def describe(row: NDArray[np.float64] | list[float], spread: object = None) -> str:
    """The figures of `measure`, with their spread."""
    spreads = [""] * len(FIGURES) if spread is None else [f" ± {each:.3f}" for each in spread]
    return "; ".join(f"{n} {v:.3f}{s}" for n, v, s in zip(FIGURES, row, spreads, strict=True))


if __name__ == "__main__":
    main()
