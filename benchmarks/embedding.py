"""What an embedding costs: Lite0 against Lite2, by batch size, on ONNX Runtime.

Both backbones run alternately in one process on noise, so a machine that slows down slows both.
Prints milliseconds an image (median of the rounds, and their range), the ratio of the two, the time
from nothing to a session, and the most memory that the process took.

    python benchmarks/embedding.py --rounds 7
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from candid.features.backbones import build, get

NAMES = ("efficientnet-lite0", "efficientnet-lite2")


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=32, help="pictures a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 32])
    args = parser.parse_args()
    sessions = {name: start(name, args.threads) for name in NAMES}
    for batch in args.batches:
        times: dict[str, list[float]] = {name: [] for name in NAMES}
        for _ in range(args.rounds):
            for name in NAMES:
                times[name].append(measure(sessions[name], get(name).size_px, args.images, batch))
        report(batch, times)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the process: {peak_mb:.0f} MB")


def start(name: str, num_threads: int) -> ort.InferenceSession:
    """Build a backbone and a session, and print how long that took."""
    began = time.perf_counter()
    model = build(get(name)).SerializeToString()
    built = time.perf_counter()
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    ready = time.perf_counter()
    print(f"{name}: graph {built - began:.2f} s, session {ready - built:.2f} s")
    return session


def measure(session: ort.InferenceSession, size_px: int, num_images: int, batch: int) -> float:
    """Embed noise; returns milliseconds an image."""
    pixels = noise(batch, size_px)
    num_batches = -(-num_images // batch)
    began = time.perf_counter()
    for _ in range(num_batches):
        session.run(["embedding"], {"image": pixels})
    return (time.perf_counter() - began) * 1000 / (num_batches * batch)


def noise(num_images: int, size_px: int) -> NDArray[np.uint8]:
    """Draw pictures of noise, the same in every round."""
    shape = (num_images, size_px, size_px, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def report(batch: int, times: dict[str, list[float]]) -> None:
    """Print one line for a batch size."""
    parts = [
        f"{name} {statistics.median(ms):5.2f} ms ({min(ms):.2f} to {max(ms):.2f})"
        for name, ms in times.items()
    ]
    ratios = [second / first for first, second in zip(*times.values(), strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"batch {batch:2}: {', '.join(parts)}; ratio {statistics.median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()
