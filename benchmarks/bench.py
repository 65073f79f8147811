"""Candid beside the tutorial, as whole processes, alternately, in one run.

    python benchmarks/bench.py ../shared/data/happy_sad [--rounds 2]

A round runs each side once, so that what slows the machine for a while slows both. Printed are the
seconds of each round, the ratio of the medians, and the least and the largest ratio of any two
runs. The numbers in the README come from here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CANDID = Path(sys.executable).with_name("candid")
TARGETS = {
    "transfer, empty caches": ("tutorial, train", 12.0),
    "transfer, second run": ("tutorial, train", 25.0),
    "cnn, 20 epochs": ("tutorial, train", 2.2),
    "predict, cold": ("tutorial, predict", 10.0),
}


@dataclass
class Side:
    """One process that is timed."""

    name: str
    command: Callable[[], list[str]]
    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    output: str = ""


def main() -> None:
    """Run the rounds and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--photo", default="happy/154006829.jpg")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: there is no {arguments.data}; pass a folder of photos")
        return
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data.resolve()
        sides = _sides(data, data / arguments.photo, Path(scratch))
        for number in range(arguments.rounds):
            for side in sides:
                _run(side, Path(scratch))
                print(f"round {number + 1}  {side.name:<24} {side.seconds[-1]:8.2f} s", flush=True)
        _print_table({side.name: side for side in sides})
    for script in ("decoding.py", "embedding.py"):
        print(f"\n{script}", flush=True)
        subprocess.run([sys.executable, HERE / script], check=True)


def _sides(data: Path, photo: Path, scratch: Path) -> list[Side]:
    tutorial = [sys.executable, str(HERE / "tutorial.py")]
    model = str(scratch / "tutorial.keras")

    def train(recipe: str, *, empty: bool) -> list[str]:
        if empty:
            shutil.rmtree(scratch / "cache", ignore_errors=True)
        run = str(scratch / recipe)
        return [str(CANDID), "train", str(data), "--run", run, "--recipe", recipe, "--overwrite"]

    return [
        Side("tutorial, train", lambda: [*tutorial, "train", str(data), model]),
        Side("tutorial, predict", lambda: [*tutorial, "predict", model, str(photo)]),
        Side("transfer, empty caches", lambda: train("transfer", empty=True)),
        Side("transfer, second run", lambda: train("transfer", empty=False)),
        Side(
            "predict, cold",
            lambda: [str(CANDID), "predict", str(photo), "--run", str(scratch / "transfer")],
        ),
        Side("cnn, 20 epochs", lambda: train("cnn", empty=True)),
    ]


def _run(side: Side, scratch: Path) -> None:
    command = side.command()
    environment = os.environ | {"CANDID_CACHE": str(scratch / "cache")}
    output = scratch / "output"
    begin = time.perf_counter()
    with output.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=scratch
        )
        _, status, usage = os.wait4(process.pid, 0)
    side.seconds.append(time.perf_counter() - begin)
    side.peak_mb = max(side.peak_mb, usage.ru_maxrss / 1024)
    side.output = output.read_text()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{side.output}")


def _print_table(sides: dict[str, Side]) -> None:
    titles = f"{'median s':>9} {'ratio':>7}  {'least to largest':<18} {'wanted':>6}  peak MB"
    print(f"\n{'':<24} {titles}")
    for name, side in sides.items():
        line = f"{name:<24} {statistics.median(side.seconds):9.2f}"
        if name in TARGETS:
            other, wanted = sides[TARGETS[name][0]], TARGETS[name][1]
            ratio = statistics.median(other.seconds) / statistics.median(side.seconds)
            least = min(other.seconds) / max(side.seconds)
            largest = max(other.seconds) / min(side.seconds)
            line += f" {ratio:7.1f}  {f'{least:.1f} to {largest:.1f}':<18} {wanted:6.1f}"
        else:
            line += " " * 35
        print(f"{line}  {side.peak_mb:7.0f}")


if __name__ == "__main__":
    main()
