"""What does a backbone in 8 bits cost, beside the same one in float32?

For each folder, the features of both are computed once (from the cache if they are there). Over
several draws of some photos, both heads learn from the same photos as `candid train` does, and
answer the same others. Printed are the figures in float32 and the mean difference in 8 bits with
its standard error, both sides paired: accuracy, log loss, calibration error, photos called unknown
of this folder and of the other folders; and, once, the pairs of photos that only one of both
groups as copies of one picture. The time of an embedding is in `benchmarks/embedding.py`.

With ``--bfloat16`` the other side is the one in float32, computed in bfloat16 by OpenVINO (to be
installed; on processors that can). First comes the time of an embedding of all three.

    python benchmarks/eight_bits.py [FOLDER ...] [--photos 60 100 300] [--seeds 10]
                                    [--backbone efficientnet-lite2] [--bfloat16]
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from calibration import SETS, calibration_error, draw
from numpy.typing import NDArray

from candid.evaluation.scores import log_losses
from candid.features.backbones import registry
from candid.models.recipes.abstaining_head import AbstainingHead, fit_abstaining
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import Prepared, SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import PARTS

HEADINGS = ("accuracy", "log loss", "calibration error", "unknown, own", "unknown, others")
Both = tuple[Labelled, Labelled]


def main() -> None:
    """Compare both on each folder, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--photos", type=int, nargs="+", default=(60, 100, 300))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--backbone", default="efficientnet-lite2")
    parser.add_argument("--bfloat16", action="store_true", help="instead of 8 bits")
    args = parser.parse_args()
    if args.bfloat16:
        print_times(args.backbone)
    sets = {
        folder.name: read(folder, args.backbone, in_bfloat16=args.bfloat16)
        for folder in args.folders
    }
    for name, both in sets.items():
        others = [other for key, other in sets.items() if key != name]
        for num in args.photos:
            draws = [measure(both, others, num, seed) for seed in range(args.seeds)]
            print_row(f"{name}, {num} photos", np.array(draws))


class OpenVino:
    """A session that computes in bfloat16, where the processor does."""

    def __init__(self, model: bytes) -> None:
        import openvino

        hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1}
        core = openvino.Core()
        self._requests = threading.local()
        self._compiled = core.compile_model(core.read_model(model), "CPU", hints)

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[NDArray[np.float32]]:
        """As ONNX Runtime's session does."""
        if not hasattr(self._requests, "one"):
            self._requests.one = self._compiled.create_infer_request()
        outputs = self._requests.one.infer(inputs)
        return [np.array(outputs[name]) for name in names]


@contextmanager
def bfloat16() -> Iterator[None]:
    """Let embedders compute in bfloat16, and cache what they say by another name."""
    start, hash_graph = registry.start_onnx, registry.hash_bytes
    registry.start_onnx = lambda model, **_: OpenVino(model)  # type: ignore[assignment]
    registry.hash_bytes = lambda model: hash_graph(model + b"bfloat16")  # type: ignore[assignment]
    try:
        yield
    finally:
        registry.start_onnx, registry.hash_bytes = start, hash_graph


def print_times(backbone: str, num_rounds: int = 40) -> None:
    """Milliseconds of an embedding on one thread, alternately: float32, 8 bits and bfloat16."""
    sides = {
        "float32": registry.Embedder(registry.get(backbone), num_threads=1),
        "8 bits": registry.Embedder(registry.get(f"{backbone}-int8"), num_threads=1),
        "bfloat16": registry.Embedder(registry.get(backbone), num_threads=1),
    }
    size = registry.get(backbone).size_px
    photo = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(num_rounds):
        for name, embedder in sides.items():
            with bfloat16() if name == "bfloat16" else nullcontext():
                began = time.perf_counter()
                embedder.embed(photo)
                took[name].append((time.perf_counter() - began) * 1000)
    medians = ", ".join(f"{name} {statistics.median(ms):.1f}" for name, ms in took.items())
    print(f"milliseconds of an embedding on one thread: {medians}")


def read(folder: Path, backbone: str, *, in_bfloat16: bool) -> Both:
    """The photos of a folder that are in a part, by both backbones."""
    exact = prepare(folder, backbone=backbone)
    with bfloat16() if in_bfloat16 else nullcontext():
        rounded = prepare(folder, backbone=backbone if in_bfloat16 else f"{backbone}-int8")
    first, second = pairs(exact), pairs(rounded)
    print(
        f"{folder.name}: {len(first & second)} pairs of copies by both, {len(first - second)} in "
        f"float32 only, {len(second - first)} in {'bfloat16' if in_bfloat16 else '8 bits'} only"
    )
    split = split_prepared(exact, SplitOptions())
    places = split.places(*PARTS)
    data = labelled(exact.features, split.rows).take(places)
    return data, replace(data, embeddings=rounded.features.embeddings[places])


def pairs(prepared: Prepared) -> set[tuple[int, int]]:
    """Places of photos of one group."""
    groups = prepared.groups.of_photo
    same = np.triu(groups[:, None] == groups[None, :], 1)
    return {(int(a), int(b)) for a, b in zip(*np.nonzero(same), strict=True)}


def measure(both: Both, others: list[Both], num: int, seed: int) -> NDArray[np.float64]:
    """The figures of one draw, ``(2, len(HEADINGS))``."""
    drawn, asked = draw(both[0], num, seed)
    rows = []
    for side, data in enumerate(both):
        head = fit_abstaining(data.take(drawn), seed=seed)
        answers = head.answer(data.embeddings[asked])
        labels, probabilities = data.labels[asked], answers.probabilities.astype(np.float64)
        right = probabilities.argmax(axis=1) == labels
        strange = np.concatenate([other[side].embeddings for other in others] or [data.embeddings])
        rows.append(
            [
                right.mean(),
                log_losses(labels, probabilities).mean(),
                calibration_error(right, probabilities.max(axis=1)),
                share_unknown(head, data.embeddings[asked]),
                share_unknown(head, strange),
            ]
        )
    return np.array(rows)


def share_unknown(head: AbstainingHead, embeddings: NDArray[np.float32]) -> float:
    """The share of photos that are called unknown; nan where the head does not abstain."""
    familiarity = head.answer(embeddings).familiarity
    if head.abstention is None or familiarity is None:
        return float("nan")
    return float((familiarity <= head.abstention.false_alarms).mean())


def print_row(title: str, draws: NDArray[np.float64]) -> None:
    """Print the mean of both sides and of their difference, over the draws."""
    exact, differences = draws[:, 0], draws[:, 1] - draws[:, 0]
    error = differences.std(axis=0, ddof=1) / np.sqrt(len(draws))
    columns = zip(HEADINGS, exact.mean(axis=0), differences.mean(axis=0), error, strict=True)
    parts = [f"{name} {was:.4f} {by:+.4f} ± {off:.4f}" for name, was, by, off in columns]
    print(f"{title}: {'; '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
