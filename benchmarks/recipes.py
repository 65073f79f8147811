"""How right each recipe is, and how long it takes: whole processes of `candid train`.

Of each folder, a fifth is held out, whole groups at a time, once for each seed, and every recipe is
trained on the rest, in turn, each with an empty cache. Printed are accuracy and log loss on what
was held out, and seconds; everything is kept in `history/` after each training, from which
`docs/make_quality_plot.py` draws. A recipe may be left out by `--recipes`, as `best` takes ten
minutes. It needs an otherwise idle machine.

    python benchmarks/recipes.py [FOLDER ...] [--seeds 3] [--recipes fast good best cnn ...]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import HISTORY, describe_processor
from cnn import deal

from candid.data.scan import scan
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared
from candid.splits.split import to_csv

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("happy_sad", "weather", "sign_digits"))
CANDID = str(Path(sys.executable).with_name("candid"))
SHARES = (0.64, 0.16, 0.2)  # of train, val and test

#: The options of `candid train` by the name that the plot shows.
RECIPES = {
    "Lite0": ("--backbone", "efficientnet-lite0"),
    "fast": (),
    "good": ("--quality", "good"),
    "best": ("--quality", "best"),
    "auto": ("--recipe", "auto"),
    "cnn": ("--recipe", "cnn"),
    "cnn, all options": (
        *("--recipe", "cnn", "--epochs", "60"),
        *("--augment", "--early-stop", "--best-epoch"),
    ),
}


def main() -> None:
    """Train, measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    args = parser.parse_args()
    now = datetime.now(UTC)
    told: dict[str, Any] = {
        "date": now.isoformat(timespec="seconds"),
        "processor": describe_processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "rows": (rows := []),
    }
    HISTORY.mkdir(exist_ok=True)
    file = HISTORY / f"{now:%Y-%m-%d-%H%M}-recipes.json"
    for folder in args.folders:
        for seed in range(args.seeds):
            with tempfile.TemporaryDirectory() as scratch:
                write_split(folder, seed, Path(scratch) / "split.csv")
                for name in args.recipes:
                    rows.append(measure(folder, name, seed, Path(scratch)))
                    file.write_text(json.dumps(told, indent=1) + "\n")
                    print(describe(rows[-1:]), flush=True)
    print()
    for folder in args.folders:
        for name in args.recipes:
            print(describe([r for r in rows if (r["set"], r["recipe"]) == (folder.name, name)]))
    print(f"kept in {file}")


def write_split(folder: Path, seed: int, file: Path) -> None:
    """Deal a folder's photos into parts, with copies together."""
    prepared = prepare(folder)
    split = split_prepared(prepared, SplitOptions(seed=seed))
    data = labelled(prepared.features, split.rows)
    file.write_text(to_csv(deal(split, data, seed, SHARES)))


def measure(folder: Path, name: str, seed: int, scratch: Path) -> dict[str, Any]:
    """Train with a recipe; its figures on the test part, and seconds of the whole process."""
    with tempfile.TemporaryDirectory(dir=scratch) as home:
        run, cache = Path(home) / "run", str(Path(home) / "cache")
        command = [CANDID, "train", str(folder.resolve()), "--run", str(run), *RECIPES[name]]
        command += ["--split", str(scratch / "split.csv"), "--seed", str(seed)]
        began, before = time.perf_counter(), os.times()
        subprocess.run(
            command, env={**os.environ, "CANDID_CACHE": cache}, capture_output=True, check=True
        )
        seconds, after = time.perf_counter() - began, os.times()
        metrics = json.loads((run / "metrics.json").read_text())
        kept = json.loads((run / "candid.json").read_text())["recipe"]
    cpu_s = sum(after[2:4]) - sum(before[2:4])  # of child processes
    return {
        "set": folder.name,
        "photos": len(scan(folder).photos),
        "recipe": name,
        "kept": kept,  # what it ended with
        "seed": seed,
        "tested": metrics["accuracy"]["n"],
        "accuracy": metrics["accuracy"]["value"],
        "log_loss": metrics["log_loss"]["value"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_s, 1),
    }


def describe(rows: list[dict[str, Any]]) -> str:
    """Mean figures of some trainings, with the standard deviation of the accuracy."""
    accuracy, loss, seconds, cpu_s = (
        [row[name] for row in rows] for name in ("accuracy", "log_loss", "seconds", "cpu_seconds")
    )
    spread = f" ± {statistics.stdev(accuracy):.3f}" if len(rows) > 1 else ""
    return (
        f"{rows[0]['set']:12} {rows[0]['recipe']:16} "
        f"accuracy {statistics.mean(accuracy):.3f}{spread}, "
        f"log loss {statistics.mean(loss):.3f}; {statistics.mean(seconds):6.1f} s, "
        f"of the processor {statistics.mean(cpu_s):6.1f}"
    )


if __name__ == "__main__":
    main()
