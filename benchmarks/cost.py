"""What each stage costs a photo, and from that what a million or a thousand million cost.

    python benchmarks/cost.py [../shared/data/weather] [--runs RUNS.json] [--most 400]

First every stage is timed on photos of a folder, one after another in one thread. Then, of runs of
`scale_commands.py --json RUNS.json`, seconds = fixed + each × photos is fitted to all sizes but the
largest, and compared with that. Both together give the hours and the disk of larger sets on
machines with more cores; `docs/cost.md` shows them. A core of those is taken to be as fast as one
here, and storage as fast as here.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candid.core.cache import Cache
from candid.core.hashing import hash_bytes
from candid.data.catalog import scan
from candid.data.images import read_file
from candid.data.images.contract import PixelContract, fit_square
from candid.data.images.decode import decode_upright
from candid.features.backbones import DEFAULT, get
from candid.features.backbones.registry import Embedder
from candid.features.extract import colours_of, shrink
from candid.features.properties import to_row

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "weather"
#: Virtual cores of general machines to rent (AWS c7i), one being a thread of a core.
MACHINES = {"c7i.xlarge": 4, "c7i.8xlarge": 32, "c7i.48xlarge": 192}
COUNTS = (10**6, 10**9)
MOST_S = 3600.0


@dataclass(frozen=True)
class Stage:
    """What a stage takes, and what it leaves on disk, for each photo."""

    name: str
    seconds: float
    num_bytes: float = 0.0

    def __str__(self) -> str:
        left = f"{self.num_bytes:8.0f} B" if self.num_bytes else ""
        return f"  {self.name:36} {1000 * self.seconds:7.3f} ms {1 / self.seconds:9.0f} /s {left}"


def measure(folder: Path, most: int) -> Iterator[Stage]:
    """Time the stages on some photos of a folder, evenly chosen."""
    begun = time.perf_counter()
    catalog = scan(folder)
    yield Stage(
        "list, read and hash, all cores", (time.perf_counter() - begun) / len(catalog.photos)
    )
    photos = catalog.photos[:: max(1, len(catalog.photos) // most)][:most]
    embedder = Embedder(get(DEFAULT), num_threads=1)
    contract = PixelContract(size_px=embedder.backbone.size_px)

    def timed(name: str, work: Callable[[], list[bytes]]) -> Stage:
        begun = time.perf_counter()
        results = work()
        took = time.perf_counter() - begun
        return Stage(name, took / len(photos), sum(map(len, results)) / len(photos))

    data = [read_file(catalog.file(photo)) for photo in photos]
    yield timed("hash", lambda: [b"" for one in data if not hash_bytes(one)])
    pixels = []

    def decode() -> list[bytes]:
        for one in data:
            upright = decode_upright(one, contract)
            pixels.append(fit_square(upright, contract.size_px, contract.fit))
        return []

    yield timed("decode and resize", decode)
    yield timed(
        "properties", lambda: [to_row(d, p, 10**9) for d, p in zip(data, pixels, strict=True)]
    )
    yield timed("colours", lambda: [bytes(colours_of(one)) for one in pixels])
    yield timed("thumbnail", lambda: [shrink(one).tobytes() for one in pixels])
    embedder.embed(pixels[0][None])
    embeddings: list[bytes] = []

    def embed() -> list[bytes]:
        embeddings.extend(bytes(embedder.embed(one[None])) for one in pixels)
        return embeddings

    yield timed("embed", embed)
    with tempfile.TemporaryDirectory() as scratch, Cache(Path(scratch)) as cache:
        rows = {hash_bytes(one + bytes([place % 256])): one for place, one in enumerate(embeddings)}
        yield timed("write the embedding to the cache", lambda: cache.put("e", rows.items()) or [])
        yield timed("read it from there", lambda: [v for _, v in cache.get("e", list(rows))][:0])


def fit_line(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """Fixed seconds and seconds a photo, by least squares of relative errors."""
    n, y = np.array(sizes, float), np.array(seconds)
    solution = np.linalg.lstsq(np.stack([1 / y, n / y], axis=1), np.ones(len(n)), rcond=None)[0]
    return float(solution[0]), float(solution[1])


def check(runs: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Print the model of each command beside its largest run; gives seconds a photo."""
    each = {}
    print("\nseconds = fixed + each × photos, with the stand-in backbone, on this machine")
    for command, by_size in runs.items():
        sizes = sorted(map(int, by_size))
        seconds = [by_size[str(size)]["seconds"] for size in sizes]
        fixed, each[command] = fit_line(sizes[:-1], seconds[:-1])
        predicted = fixed + each[command] * sizes[-1]
        print(
            f"  {command:9} {fixed:5.1f} s + {1000 * each[command]:6.3f} ms each; {sizes[-1]:,} "
            f"photos: predicted {predicted:6.0f} s, took {seconds[-1]:6.0f} s "
            f"({seconds[-1] / predicted:.2f} of it)"
        )
    return each


def main() -> None:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="?", type=Path, default=PHOTOS)
    parser.add_argument("--runs", type=Path, help="written by scale_commands.py --json")
    parser.add_argument("--most", type=int, default=400, help="photos to time")
    args = parser.parse_args()
    print(f"a photo of {args.photos.name}, in one thread")
    stages = {}
    for stage in measure(args.photos, args.most):
        stages[stage.name] = stage
        print(stage, flush=True)
    if args.runs is None:
        sys.exit()
    each = check(json.loads(args.runs.read_text()))
    names = ("hash", "decode and resize", "properties", "colours", "thumbnail", "embed")
    core_s = sum(stages[name].seconds for name in names)
    kept = sum(stage.num_bytes for stage in stages.values())
    print(f"\nfeatures of a photo: {1000 * core_s:.1f} ms of a core; kept: {kept / 1000:.1f} kB")
    for count in COUNTS:
        print(f"\n{count:,} photos: {count * kept / 1e12:.2f} TB of features")
        for machine, cores in MACHINES.items():
            hours = count * core_s / cores / MOST_S
            print(f"  {machine:13} {cores:4} cores: features {hours:10,.1f} h", end="")
            print(f", then train {count * each['train'] / MOST_S:8,.1f} h on one")


if __name__ == "__main__":
    main()
