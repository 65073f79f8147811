"""Does the recipe `cnn` lose by computing in bfloat16, and what does a step cost?

Trains the network on a folder's train part in float32 and in bfloat16, alternately, in one process,
once per seed (of the split, the weights and the order), and measures it on the val and test parts
with the exported graph. Prints accuracy and log loss of each, the mean difference with its
standard error, and CPU seconds per step.

    python benchmarks/cnn.py [FOLDER] [--seeds 5] [--epochs 20]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from candid.evaluation.scores import log_losses
from candid.models.recipes import cnn
from candid.runs.onnx_session import Model
from candid.splits.prepare import SplitOptions, prepare, split_prepared
from candid.splits.split import PARTS, Split, label_numbers

HAPPY_SAD = Path(__file__).resolve().parents[2] / "shared" / "data" / "happy_sad"
DTYPES = ("float32", "mixed_bfloat16")


def main() -> None:
    """Train, and print the figures of each seed and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=HAPPY_SAD)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    prepared = prepare(args.folder)
    rows: list[list[list[float]]] = []
    for seed in range(args.seeds):
        split = split_prepared(prepared, SplitOptions(seed=seed))
        options = cnn.Options(args.epochs, seed=seed)
        with cnn.decode_photos(prepared.catalog, split.places(*PARTS)) as photos:
            rows.append([measure(photos, split, options, dtype) for dtype in DTYPES])
        for dtype, row in zip(DTYPES, rows[-1], strict=True):
            print(f"seed {seed}, {dtype}: {describe(row)}", flush=True)
    figures = np.array(rows)
    for dtype, mean in zip(DTYPES, figures.mean(axis=0), strict=True):
        print(f"mean, {dtype}: {describe(mean)}")
    change = figures[:, 1] - figures[:, 0]
    error = change.std(axis=0) / max(args.seeds - 1, 1) ** 0.5
    print(f"bfloat16 less float32: {describe(change.mean(axis=0))}")
    print(f"its standard error: {describe(error)}")


def measure(photos: cnn.Decoded, split: Split, options: cnn.Options, dtype: str) -> list[float]:
    """Accuracy and log loss on val, then on test; CPU seconds per step, validation included."""
    cnn.start_import().result()
    from candid.models.recipes.cnn_keras import Training

    classes, labels = photos.catalog.classes, label_numbers(photos.catalog)
    started: Future[Training] = Future()
    started.set_result(Training(len(classes), seed=options.seed, dtype=dtype))
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trained = cnn.train(photos, split, options, folder=Path(folder), started=started)
    steps = options.epochs * -(-len(split.places("train")) // options.batch_size)
    cpu_s = (time.process_time() - begin) / steps
    model = Model(trained.model, classes, photos.contract)
    figures = []
    for part in ("val", "test"):
        places = split.places(part)
        probabilities = model.run(photos.pixels[places]).probabilities.astype(np.float64)
        figures += [
            float((probabilities.argmax(axis=1) == labels[places]).mean()),
            float(log_losses(labels[places], probabilities).mean()),
        ]
    return [*figures, cpu_s]


def describe(row: list[float]) -> str:
    """The figures of `measure`."""
    val, val_loss, test, test_loss, cpu_s = row
    return (
        f"val accuracy {val:.3f}, log loss {val_loss:.3f}; test accuracy {test:.3f}, "
        f"log loss {test_loss:.3f}; {cpu_s:.3f} CPU s a step"
    )


if __name__ == "__main__":
    main()
