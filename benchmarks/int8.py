"""Is an int8 export faster, and as good?

Each run's graph is quantised with photos of its training part, as ``candid export --int8`` does it.
Then both graphs embed noise, alternately in one process, one image per call and as many calls at a
time as there are cores, as the server does it. The export to the format --to is run by its own
runtime, and compared with the run on every unchanged photo of the run's folder, including those in
no part. Prints, for each run, the ratio of the times (median of pairs of turns, and the middle 80 %
of them), the number of equal labels, the accuracies on the test part with their 95 % intervals, and
the speed of the export and of the run with the same outputs.

    python benchmarks/int8.py RUN [RUN ...] [--to litert] [--rounds 20] [--workers 2] [--threads 1]
        [--speed-only]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from candid.core.temp_dir import temp_dir
from candid.errors import CandidError
from candid.exporting.export import FORMATS, open_source
from candid.exporting.format import Format
from candid.exporting.int8.calibration import read_calibration, read_labelled
from candid.exporting.int8.export import compare_speed, open_reference
from candid.exporting.int8.gate import ModelComparison, compare_predictions, predict_both
from candid.exporting.int8.graph import quantise_graph
from candid.exporting.source import Source
from candid.runs.artifact import SPLIT
from candid.splits.split import Row, read_csv

UNTIMED = 2  # pairs of turns
IN_A_TURN = 6
MOST_TIMED = 8  # photos that an export is timed with


def main() -> None:
    """Round, measure and print a block for each run."""
    names = [name for name, form in FORMATS.items() if form.quantise]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--to", choices=names, default="onnx", help="what is asked about photos")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="pictures at a time")
    parser.add_argument("--threads", type=int, default=1, help="that share a picture's layers")
    parser.add_argument("--speed-only", action="store_true", help="don't ask about photos")
    args = parser.parse_args()
    for run in args.runs:
        try:
            report(run, args)
        except CandidError as error:
            raise SystemExit(f"{run}: {error}") from None


def report(run: Path, args: argparse.Namespace) -> None:
    """Round a run, measure it and print its block."""
    source = open_source(run)
    split = read_csv(run / SPLIT)
    began = time.perf_counter()
    pixels = read_calibration(source, split)
    graphs = source.graph, quantise_graph(source.graph, pixels)
    seconds = time.perf_counter() - began
    sizes = [graph.ByteSize() / 1e6 for graph in graphs]
    first, second = (start(graph.SerializeToString(), args.threads) for graph in graphs)
    network = source.manifest.backbone or source.manifest.recipe
    print(f"{source.name}, {network}: quantised in {seconds:.0f} s")
    print(f"  ONNX: {sizes[0]:.1f} MB to {sizes[1]:.1f} MB")
    report_speed(first, second, source.size_px, args.rounds, args.workers)
    if not args.speed_only:
        report_answers(source, FORMATS[args.to], pixels, split.rows)


def start(model: bytes, num_threads: int) -> ort.InferenceSession:
    """Start a session of a graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def report_speed(
    first: ort.InferenceSession,
    second: ort.InferenceSession,
    size_px: int,
    rounds: int,
    workers: int,
) -> None:
    """Embed noise in turns and print the ratio."""
    shape = (1, size_px, size_px, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pairs = [
        [measure(session, noise, workers) for session in (first, second)] for _ in range(rounds)
    ]
    times = np.array(pairs[UNTIMED:])
    ratios = times[:, 0] / times[:, 1]
    low, high = np.percentile(ratios, [10, 90])
    medians = np.median(times, axis=0) * 1000
    print(
        f"  {medians[0]:.1f} ms and {medians[1]:.1f} ms an image: ratio {np.median(ratios):.2f} "
        f"({low:.2f} to {high:.2f})",
        flush=True,
    )


def measure(session: ort.InferenceSession, pixels: NDArray[np.uint8], workers: int) -> float:
    """Embed some pictures, each worker one after the other; returns the seconds that one takes.

    The first of each worker does not count: the other session's threads may still wait busily.
    """

    def embed(times: int) -> None:
        for _ in range(times):
            session.run(["embedding"], {"image": pixels})

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(embed, [1] * workers))
        began = time.perf_counter()
        list(pool.map(embed, [IN_A_TURN] * workers))
        return (time.perf_counter() - began) / (IN_A_TURN * workers)


def report_answers(
    source: Source, form: Format, pixels: NDArray[np.uint8], rows: Sequence[Row]
) -> None:
    """Ask the run and its export about all photos; print how they agree, and how fast they are."""
    assert form.quantise is not None
    known = [row for row in rows if row.label in source.classifier.classes]
    quantised = form.quantise(source, pixels, lambda _: None)
    with temp_dir("candid-benchmark-") as folder:
        form.write(folder, quantised)
        size = (folder / form.files[-1]).stat().st_size / 1e6  # the model itself
        with form.open_export(folder) as loaded:
            images = read_labelled(source, known)
            found = compare_predictions(predict_both(source.classifier, loaded.run, images))
            print(f"  {loaded.runtime}, {size:.1f} MB:")
            print_comparison(found, len(rows))
            with open_reference(form, source) as reference:
                speed, notes = compare_speed(form, reference, loaded, pixels[:MOST_TIMED])
    if speed is not None:
        both = f"{speed.run:.1f} and {speed.int8:.1f}"
        print(f"  {both} images a second, one a call: ratio {speed.ratio:.2f}")
    for note in (*loaded.notes, *notes):
        print(f"  note: {note}")
    sys.stdout.flush()


def print_comparison(found: ModelComparison, num_listed: int) -> None:
    """Print how a run and its export agree, of so many photos that the run lists."""
    share = f"{found.num_same_label} of {found.agreement.n} photos"
    print(f"  labels agree on {share} ({found.agreement.value:.2%}); the run lists {num_listed}")
    for name, pair in (("accuracy", found.accuracy), ("called unknown", found.unknown)):
        if pair is not None:
            print(f"  {name}, test part: {pair.run}; in eight bits {pair.int8}")
    print(f"  difference of accuracy: {found.difference}")


if __name__ == "__main__":
    main()
