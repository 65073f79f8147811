"""What many classes cost: the work of a training with cached embeddings, by number of classes.

Five noisy pictures of each class are drawn, the smaller sets being parts of the larger ones. The
command is run twice on each, and the processor time, the characters printed and the size of the run
of the second one are told, with their ratio to the first set:

    python benchmarks/many_classes.py [--classes 100 400]

With ``--quality``, cross-validated accuracy and log loss of the head in closed form are compared
with those of a head that is fitted to the end (docs/adr/0023-many-classes.md):

    python benchmarks/many_classes.py --quality [--classes 100]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from candid.evaluation.assess import EvalContext
from candid.models.decision_rule import DecisionRule
from candid.models.recipes import linear_head, logistic
from candid.models.recipes.abstaining_head import predict_by_folds
from candid.splits.prepare import SplitOptions, prepare, split_prepared

CANDID = Path(sys.executable).with_name("candid")
PER_CLASS = 5


def main() -> None:
    """Draw, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--quality", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        first = None
        for count in args.classes:
            folder = Path(scratch) / f"drawn-{count}"
            draw(folder, count)
            if args.quality:
                print_quality(folder)
                continue
            seconds = work(folder, Path(scratch))
            first = first or seconds
            print(f"  {seconds / first:.1f} times the first", flush=True)


def draw(folder: Path, count: int) -> None:
    """Noisy pictures of smooth colours, different for each class."""
    for label in range(count):
        random = np.random.default_rng(label)
        base = random.uniform(0, 255, (6, 6, 3))
        for number in range(PER_CLASS):
            noisy = np.clip(base + random.normal(0, 50, base.shape), 0, 255).astype(np.uint8)
            file = folder / f"class-{label:04d}" / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy).resize((96, 96), Image.Resampling.BICUBIC).save(file)


def work(folder: Path, scratch: Path) -> float:
    """Processor seconds of the second training."""
    environment = os.environ | {"CANDID_CACHE": str(scratch / "cache")}
    for name in ("first", "second"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = scratch / f"{folder.name}-{name}"
        command = [str(CANDID), "train", str(folder), "--run", str(run)]
        done = subprocess.run(command, capture_output=True, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
    printed = len(done.stdout) + len(done.stderr)
    print(
        f"{folder.name}: {seconds:.1f} s of processor time, {printed} characters, {size >> 20} MiB"
    )
    return seconds


def print_quality(folder: Path) -> None:
    """Accuracy and log loss of both heads, on the same folds."""
    prepared = prepare(folder)
    split = split_prepared(prepared, SplitOptions())
    data = EvalContext(prepared.features, split, DecisionRule(), 0).data
    for name, above in (("one Newton step", logistic.MANY_CLASSES), ("to the end", 10**9)):
        logistic.MANY_CLASSES = linear_head.MANY_CLASSES = above
        folded = predict_by_folds(data)
        assert folded is not None
        predicted = folded.answers.probabilities
        right = (predicted.argmax(axis=1) == data.labels).mean()
        loss = -np.log(predicted[np.arange(len(data.labels)), data.labels]).mean()
        print(f"{folder.name}, {name}: accuracy {right:.3f}, log loss {loss:.2f}", flush=True)


if __name__ == "__main__":
    main()
