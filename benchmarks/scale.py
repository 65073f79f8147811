"""What an audit of many pictures costs, and how many of the copies in it are found.

Small JPEGs of gradients and shapes are drawn in three classes (by the shape that is largest); two
in a hundred of the files are copies of others: saved at quality 40, mirrored, or shrunk to two
thirds.
Then either the command is run on them as its own process,

    python benchmarks/scale.py [--count 50000] [--seed 0] [--folder KEEP]

and its time, the most memory that it and its children held, and the share of the copies that it
names are printed; or only the steps up to the search run, each size in a fresh process, to see how
their cost grows. The embedder is a stand-in there, so that what is timed is the search:

    python benchmarks/scale.py --search-only [--sizes 5000 10000 20000 40000]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from candid.core.cache import Cache
from candid.data.images import PixelContract
from candid.data.scan import scan
from candid.features.extract import extract_features
from candid.splits.duplicates import find_duplicates

CANDID = Path(sys.executable).with_name("candid")
CLASSES = ("circle", "square", "star")
COPIES = ("quality 40", "mirrored", "two thirds")
COPY_EVERY = 50
SIZE_PX = 96
Pair = tuple[str, str]


def main() -> None:
    """Draw, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50_000, help="files, copies among them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep the drawn files here, or use those there")
    parser.add_argument("--backbone", default="efficientnet-lite0")
    parser.add_argument("--search-only", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 10_000, 20_000, 40_000])
    args = parser.parse_args()
    sizes = args.sizes if args.search_only else [args.count]
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (args.folder or Path(scratch)) / f"drawn-{args.seed}-{size}"
            planted = draw(folder, size, args.seed)
            if args.search_only:
                print_search(folder, size, planted)
            else:
                print_audit(folder, size, planted, args.backbone, Path(scratch))


# What is drawn


def draw(folder: Path, count: int, seed: int) -> list[Pair]:
    """Draw ``count`` files, where they are not there yet; returns the pairs that are copies."""
    for label in CLASSES:
        (folder / label).mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    numbers = range(count - count // COPY_EVERY)
    with multiprocessing.Pool() as pool:
        pool.map(partial(draw_file, folder, seed), numbers, chunksize=256)
        originals = numbers[:: COPY_EVERY - 1][: count // COPY_EVERY]
        planted = pool.map(partial(copy_file, folder), originals, chunksize=64)
    print(f"\n{count} files, {len(planted)} copies; drawn in {time.perf_counter() - begun:.0f} s")
    return planted


def name_of(number: int) -> str:
    """The path of an original."""
    return f"{CLASSES[number % len(CLASSES)]}/{number:06}.jpg"


def draw_file(folder: Path, seed: int, number: int) -> None:
    """Write one original."""
    path = folder / name_of(number)
    if not path.exists():
        picture = draw_picture(np.random.default_rng((seed, number)), number % len(CLASSES))
        cv2.imwrite(str(path), picture, (cv2.IMWRITE_JPEG_QUALITY, 90))


def draw_picture(rng: np.random.Generator, label: int) -> NDArray[np.uint8]:
    """A gradient, a few lines and blots, and over them the shape that is the class."""
    corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    picture = cv2.resize(corners, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(rng.integers(3, 8))):
        colour = rng.integers(0, 256, 3).tolist()
        a, b = rng.integers(0, SIZE_PX, (2, 2)).tolist()
        if rng.random() < 0.5:
            cv2.line(picture, a, b, colour, int(rng.integers(1, 6)), cv2.LINE_AA)
        else:
            axes = rng.integers(4, 20, 2).tolist()
            cv2.ellipse(picture, a, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    draw_shape(picture, rng, label)
    noise = rng.normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def draw_shape(picture: NDArray[np.uint8], rng: np.random.Generator, label: int) -> None:
    """Draw the shape that is the class: a polygon of many, of four, or of spiky corners."""
    corners = (40, 4, 10)[label]
    radius = np.full(corners, rng.uniform(18, 30))
    if label == 2:
        radius[1::2] *= 0.4
    angle = rng.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
    centre = rng.uniform(30, SIZE_PX - 30, 2)
    points = centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    colour = rng.integers(0, 256, 3).tolist()
    cv2.fillPoly(picture, [points.round().astype(np.int32)], colour, cv2.LINE_AA)


def copy_file(folder: Path, number: int) -> Pair:
    """Write a copy of an original; the kinds take turns."""
    original = name_of(number)
    kind = COPIES[number // (COPY_EVERY - 1) % len(COPIES)]
    copy = original.replace(".jpg", f"-{kind.replace(' ', '-')}.jpg")
    picture = cv2.imread(str(folder / original))
    if kind == "mirrored":
        picture = picture[:, ::-1]
    if kind == "two thirds":
        size = (SIZE_PX * 2 // 3, SIZE_PX * 2 // 3)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    quality = 40 if kind == "quality 40" else 85
    cv2.imwrite(str(folder / copy), picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return original, copy


# The search alone


@dataclass(frozen=True)
class Searched:
    """What the steps up to the search took, and what they found."""

    seconds: dict[str, float]
    peak_mb: float
    num_pairs: int
    pictures: dict[str, int]


class Miniature:
    """Stands in for a backbone: a random turn of an 8×8 miniature, as wide as an embedding."""

    fingerprint = "0" * 64

    def __init__(self, width: int = 1280) -> None:
        turn = np.random.default_rng(0).normal(size=(8 * 8 * 3, width))
        self._turn = (turn / np.sqrt(width)).astype(np.float32)

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed uint8 ``(n, s, s, 3)`` as float32 ``(n, width)``."""
        small = [cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA) for picture in pixels]
        rows = np.stack(small).reshape(len(pixels), -1).astype(np.float32)
        return np.asarray((rows - rows.mean(axis=1, keepdims=True)) @ self._turn, np.float32)


def search(folder: Path) -> Searched:
    """Scan, look and find duplicates, each timed."""
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - begun

    with tempfile.TemporaryDirectory() as scratch, Cache(Path(scratch)) as cache:
        with timed("scan"):
            catalog = scan(folder)
        with timed("extract_features"):
            features = extract_features(
                catalog, Miniature(), PixelContract(size_px=SIZE_PX), cache=cache
            )
        with timed("search"):
            groups = find_duplicates(features)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    paths = [photo.path for photo in catalog.photos]
    pictures = dict(zip(paths, groups.of_photo.tolist(), strict=True))
    return Searched(seconds, peak_mb, len(groups.copies), pictures)


def print_search(folder: Path, size: int, planted: list[Pair]) -> None:
    """Search in a fresh process, and print its figures."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        done = pool.apply(search, (folder,))
    found = sum(done.pictures[a] == done.pictures[b] for a, b in planted)
    others = done.num_pairs - found
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.seconds.items())
    each = 1000 * done.seconds["search"] / size
    print(f"  {times} ({each:.2f} ms a picture); peak {done.peak_mb:.0f} MB")
    print(f"  {found} of {len(planted)} copies found; {others} other pairs", flush=True)


# The command


def print_audit(folder: Path, size: int, planted: list[Pair], backbone: str, scratch: Path) -> None:
    """Run the command on the folder, with an empty cache, and print its figures."""
    command = [str(CANDID), "audit", str(folder), "--backbone", backbone, "--json"]
    command += ["--run", str(scratch / "run")]
    environment = os.environ | {"CANDID_CACHE": str(scratch / "cache")}
    begun = time.perf_counter()
    with (scratch / "output.json").open("w") as out:
        process = psutil.Popen(command, stdout=out, env=environment, cwd=scratch)
        peak_mb = watch(process)
    seconds = time.perf_counter() - begun
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    together = named_together(json.loads((scratch / "output.json").read_text()))
    number = {path: i for i, files in enumerate(together) for path in files}
    found = sum(a in number and number[a] == number.get(b) for a, b in planted)
    others = len(together) - found
    print(f"  {seconds:.0f} s ({1000 * seconds / size:.1f} ms a picture), peak {peak_mb:.0f} MB")
    share = f"{found / len(planted):.2%}"
    print(f"  {found} of {len(planted)} copies found ({share}); {others} other groups", flush=True)


def watch(process: psutil.Popen, *, every_s: float = 0.1) -> float:
    """The most memory that a process and its children held at a time, in MB."""
    peak = 0
    while process.poll() is None:
        held = 0
        for one in [process, *children_of(process)]:
            try:
                held += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak = max(peak, held)
        time.sleep(every_s)
    return peak / 2**20


def children_of(process: psutil.Popen) -> list[psutil.Process]:
    """All that it started; none where it is gone meanwhile."""
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def named_together(audit: dict[str, Any]) -> list[set[str]]:
    """The files of each finding about copies, as ``docs/audit.schema.json`` has them."""
    return [
        {file["path"] for file in finding["files"]}
        for check in audit["checks"]
        if check["code"] in {"exact-copies", "near-copies"}
        for finding in check["findings"]
    ]


if __name__ == "__main__":
    main()
