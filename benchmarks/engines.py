"""Images a second of `candid predict` on Ray against this process, on the same cores, in one run.

    python benchmarks/engines.py [--count 10000] [--repeats 1] [--side 480]

Photos are drawn; a small model is trained on some. Both sides predict all of them in turn, and must
agree. What is timed on Ray begins before Ray is started, and ends when it has gone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from scale import CLASSES, draw_picture, name_of  # isort: skip

from candid.core.progress import Silent
from candid.engines import open_engine
from candid.runs.classifier import Classifier, load
from candid.runs.prediction import Prediction
from candid.training import train


def main() -> None:
    """Draw, train, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="photos")
    parser.add_argument("--repeats", type=int, default=1, help="turns of both sides")
    parser.add_argument("--side", type=int, default=480, help="pixels of a photo's side")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["CANDID_CACHE"] = f"{scratch}/cache"
        files = draw_photos(Path(scratch) / "photos", args.count, args.side)
        few = Path(scratch) / "few"
        draw_photos(few, 90, args.side)
        classifier = load(train(few, run=Path(scratch) / "run").folder, num_threads=1)
        compare(classifier, files, args.repeats)


def draw_photos(folder: Path, count: int, side: int) -> list[Path]:
    """Draw JPEGs of so many pixels a side, in a folder a class."""
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
    with multiprocessing.get_context("spawn").Pool() as pool:
        return pool.map(partial(draw_photo, folder, side), range(count), chunksize=64)


def draw_photo(folder: Path, side: int, number: int) -> Path:
    """Write one photo."""
    path = folder / name_of(number)
    picture = draw_picture(np.random.default_rng(number), number % len(CLASSES))
    large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), large, (cv2.IMWRITE_JPEG_QUALITY, 90))
    return path


def compare(classifier: Classifier, files: list[Path], repeats: int) -> None:
    """Both sides in turn."""
    rates: dict[str, list[float]] = {"local": [], "ray": []}
    answers: dict[str, list[Prediction]] = {}
    for _ in range(repeats):
        for name, measured in rates.items():
            begun = time.perf_counter()
            answers[name], first = predict(classifier, files, name)
            seconds = time.perf_counter() - begun
            measured.append(len(files) / seconds)
            line = f"{name:5}  {measured[-1]:7.1f} images/s, {seconds:.1f} s"
            print(f"{line}, the first after {first - begun:.1f} s", flush=True)
    print(f"largest difference of a probability: {difference(answers):.2g}")
    ratios = [ray / local for ray, local in zip(rates["ray"], rates["local"], strict=True)]
    print(f"ray / local: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def predict(classifier: Classifier, files: list[Path], name: str) -> tuple[list[Prediction], float]:
    """The predictions, and when the first one came."""
    with open_engine(name, Silent()) as engine:
        stream = classifier.stream(files, engine=engine)
        rows = [next(stream)]
        first = time.perf_counter()
        return [*rows, *stream], first


def difference(answers: dict[str, list[Prediction]]) -> float:
    """The largest between the two sides; infinite where paths or labels differ."""

    def differences() -> Iterator[float]:
        for one, other in zip(answers["local"], answers["ray"], strict=True):
            is_same = (one.source, one.label, one.verdict) == (
                other.source,
                other.label,
                other.verdict,
            )
            yield 0.0 if is_same else float("inf")
            for label, share in one.probabilities.items():
                yield abs(share - other.probabilities[label])

    return max(differences())


if __name__ == "__main__":
    main()
