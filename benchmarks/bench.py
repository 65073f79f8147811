"""How fast Candid is: whole processes beside the tutorial, or beside another checkout, in turn.

    python benchmarks/bench.py ../shared/data [--rounds 3] [--against COMMIT] [--only TASK …]

Each round runs every command once with each side, so that what slows the machine for a while slows
both. Printed are the medians, the ratio of the medians with the least and the largest ratio of a
round, the ratio to reach, and the peak memory; then where the seconds of `train` go (`stages.py`).
The medians are kept in `history/`. The figures in the README come from here.

Without ``--against`` the other side is `tutorial.py`, where it does the same. Another checkout runs
in the same environment with caches and runs of its own.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import stages

HERE = Path(__file__).resolve().parent
PHOTO = Path("happy_sad", "happy", "154006829.jpg")
HISTORY = HERE / "history"
WEATHER, AFTER_TRAIN = "cache of weather", "copy of the cache of weather"
NUM_CHANGED, NUM_PREDICTED = 3, 1000


@dataclass(frozen=True)
class Task:
    """A command of Candid that is timed.

    Attributes:
        name: Of its row.
        words: What is typed after `candid`; a run's folder among them is removed beforehand.
        wanted: The ratio to reach.
        tutorial: What the tutorial does instead; without, the other side is another checkout.
        cache: The cache that it uses.
        empties: Whether that is emptied beforehand.
    """

    name: str
    words: tuple[str, ...]
    wanted: float
    tutorial: tuple[str, ...] = ()
    cache: str = "cache"
    empties: bool = False


@dataclass
class Side:
    """A build of Candid, or the tutorial.

    Attributes:
        name: Of the build.
        command: What comes before the words of a task.
        folder: Where it writes.
        environment: What it adds to the environment.
        seconds: Of each round, by task.
        peak_mb: Of all rounds, by task.
    """

    name: str
    command: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)

    def run(
        self, name: str, words: tuple[str, ...], cache: str = "cache", *, empties: bool = False
    ) -> None:
        """Run a task as a whole process."""
        self.folder.mkdir(exist_ok=True)
        if empties or cache == AFTER_TRAIN:
            shutil.rmtree(self.folder / cache, ignore_errors=True)
        if cache == AFTER_TRAIN:
            shutil.copytree(self.folder / WEATHER, self.folder / cache)
        if "--run" in words and words[0] != "predict":
            shutil.rmtree(self.folder / words[words.index("--run") + 1], ignore_errors=True)
        environment = os.environ | self.environment | {"CANDID_CACHE": str(self.folder / cache)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else all of Candid is compiled each time
        output = self.folder / "output.txt"
        with output.open("w") as out:
            began = time.perf_counter()
            process = subprocess.Popen(
                [*self.command, *words], stdout=out, stderr=out, env=environment, cwd=self.folder
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        told = output.read_text()
        if process.returncode not in (0, 1) or "Traceback" in told:  # 1: there are findings
            sys.exit(f"{self.name}: {' '.join(words)} gave {process.returncode}\n{told}")
        self.seconds.setdefault(name, []).append(seconds)
        self.peak_mb[name] = max(self.peak_mb.get(name, 0), usage.ru_maxrss / 1024)
        print(f"{self.name:<9} {name:<32} {seconds:7.2f} s", flush=True)


def main() -> None:
    """Run the rounds, print the tables and keep the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with happy_sad and weather")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--against", metavar="COMMIT", help="another checkout instead of the tutorial"
    )
    parser.add_argument("--only", nargs="+", default=[""], help="tasks that begin with this")
    args = parser.parse_args()
    data = args.data.resolve()
    if not (data / PHOTO).is_file() or not (data / "weather").is_dir():
        print(f"skipped: {args.data} does not have the folders happy_sad and weather")
        return
    with tempfile.TemporaryDirectory() as scratch, checkout(args.against, Path(scratch)) as other:
        tasks = [
            task
            for task in _tasks(data, Path(scratch))
            if task.name.startswith(tuple(args.only)) and (args.against or task.tutorial)
        ]
        this = build("this", HERE.parent, Path(scratch) / "this")
        _make_inputs(data, Path(scratch))
        _prepare(data, tasks, [this, other] if args.against else [this])
        for number in range(args.rounds):
            print(f"\nround {number + 1}", flush=True)
            _run_round(tasks, this, other, this_first=number % 2 == 1)
        rows = [_row(task, this, other) for task in tasks]
        _print_table(rows, other)
        _keep(rows, other, args.rounds)
        _print_stages(tasks, this)


@contextmanager
def checkout(commit: str | None, scratch: Path) -> Iterator[Side]:
    """The tutorial, or a work tree of a commit."""
    if commit is None:
        yield Side("tutorial", [sys.executable, str(HERE / "tutorial.py")], scratch / "tutorial")
        return
    tree = scratch / "checkout"
    worktree = ["git", "-C", str(HERE), "worktree"]
    subprocess.run([*worktree, "add", "--quiet", "--detach", str(tree), commit], check=True)
    try:
        yield build(commit[:9], tree, scratch / "other")
    finally:
        subprocess.run([*worktree, "remove", "--force", str(tree)], check=True)


def build(name: str, checkout: Path, folder: Path) -> Side:
    """`candid` of a checkout, started as its console script does."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["candid"].split(":")
    program = f"from {module} import {function}; {function}()"
    environment = {"PYTHONPATH": str(checkout / "src")}
    return Side(name, [sys.executable, "-c", program], folder, environment)


def _tasks(data: Path, scratch: Path) -> list[Task]:
    happy_sad, photo, weather = (str(data / name) for name in ("happy_sad", PHOTO, "weather"))
    decisions, photos = str(scratch / "decisions.csv"), str(scratch / "photos")
    train = ("train", happy_sad, "--run", "run")
    cnn = ("train", happy_sad, "--run", "cnn", "--recipe", "cnn")
    predict, audit = ("predict", photo, "--run", "run"), ("audit", happy_sad, "--run", "audit")
    some, changed = f"predict {NUM_PREDICTED} photos", f"train, {NUM_CHANGED} labels changed"
    training = ("train", happy_sad, str(scratch / "model.keras"))
    predicting = ("predict", str(scratch / "model.keras"), photo)
    return [
        Task("train, empty caches", train, 18, training, empties=True),
        Task("train again", train, 50, training),
        Task(changed, (*train, "--decisions", decisions), 50, training),
        Task("cnn, 20 epochs", cnn, 4.5, training, "cache of cnn", empties=True),
        Task("predict one photo", predict, 12, predicting),
        Task(some, ("predict", photos, "--run", "run", "--csv"), 2),
        Task("audit, empty caches", audit, 2, empties=True, cache="cache of audit"),
        Task("audit of weather after train", ("audit", weather, *audit[2:]), 2, cache=AFTER_TRAIN),
    ]


def _make_inputs(data: Path, scratch: Path) -> None:
    """Links to photos to predict, and a file that changes some labels."""
    photos = sorted(file for file in (data / "weather").rglob("*") if file.is_file())
    (scratch / "photos").mkdir()
    for file in photos[:NUM_PREDICTED]:
        (scratch / "photos" / file.name).symlink_to(file)
    with (scratch / "decisions.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("path", "content", "finding", "suggestion", "decision"))
        for file in sorted((data / "happy_sad" / "happy").iterdir())[:NUM_CHANGED]:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            rows.writerow((f"happy/{file.name}", content, "label-suspect", "sad", "sad"))


def _prepare(data: Path, tasks: list[Task], sides: list[Side]) -> None:
    """Bring what the tasks read from disk into memory, and make their run and caches."""
    for side in sides:
        side.run("prepared", ("train", str(data / "happy_sad"), "--run", "run"))
        if any(task.cache == AFTER_TRAIN for task in tasks):
            side.run("prepared", ("train", str(data / "weather"), "--run", "other"), WEATHER)


def _run_round(tasks: list[Task], this: Side, other: Side, *, this_first: bool) -> None:
    """Each task once with each side; which of them is first changes from round to round."""
    done: set[str] = set()
    for task in tasks:
        for side in (this, other) if this_first else (other, this):
            if side.name != "tutorial":
                side.run(task.name, task.words, task.cache, empties=task.empties)
            elif task.tutorial[0] not in done:  # of several tasks
                done.add(task.tutorial[0])
                side.run(task.tutorial[0], task.tutorial)


def _row(task: Task, this: Side, other: Side) -> dict[str, Any]:
    """What was measured of a task."""
    theirs = other.seconds[task.tutorial[0] if other.name == "tutorial" else task.name]
    ours = this.seconds[task.name]
    ratios = [one / two for one, two in zip(theirs, ours, strict=True)]
    return {
        "task": task.name,
        "seconds": round(statistics.median(ours), 3),
        "other_seconds": round(statistics.median(theirs), 3),
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 2),
        "least": round(min(ratios), 2),
        "largest": round(max(ratios), 2),
        "wanted": task.wanted if bool(task.tutorial) == (other.name == "tutorial") else None,
        "peak_mb": round(this.peak_mb[task.name]),
    }


def _print_table(rows: list[dict[str, Any]], other: Side) -> None:
    titles = (
        f"{'s':>7} {other.name:>10} {'ratio':>6}  {'least to largest':<16} {'wanted':>6}  peak MB"
    )
    print(f"\n{'':<30}{titles}")
    for row in rows:
        spread = f"{row['least']:.1f} to {row['largest']:.1f}"
        seconds = f"{row['seconds']:7.2f} {row['other_seconds']:10.2f} {row['ratio']:6.1f}"
        wanted = f"{row['wanted'] or '':>6}"
        print(f"{row['task']:<30}{seconds}  {spread:<16} {wanted}  {row['peak_mb']:7}")


def _keep(rows: list[dict[str, Any]], other: Side, num_rounds: int) -> None:
    """Write the medians into the history."""
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    now = datetime.now(UTC)
    told = {
        "commit": commit,
        "date": now.isoformat(timespec="seconds"),
        "against": other.name,
        "rounds": num_rounds,
        "processor": describe_processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "rows": rows,
    }
    HISTORY.mkdir(exist_ok=True)
    file = HISTORY / f"{now:%Y-%m-%d-%H%M}-{commit}-{other.name}.json"
    file.write_text(json.dumps(told, indent=1) + "\n")
    print(f"kept in {file.relative_to(HERE.parent)}")


def describe_processor() -> str:
    """Its name where Linux tells it, and what of it makes products of small numbers fast."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    told = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    told = {name.strip(): value.strip() for name, value in told.items()}
    flags = {"avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16"} & {
        *told.get("flags", "").split()
    }
    return " ".join([told.get("model name", platform.processor()), *sorted(flags)])


def _print_stages(tasks: list[Task], this: Side) -> None:
    """Where the seconds of a training go, with empty and with full caches."""
    shown = [task for task in tasks if task.name in ("train, empty caches", "train again")]
    for task in shown:
        print(f"\n{task.name}: where the seconds go")
        with tempfile.TemporaryDirectory() as folder:
            run, cache = Path(folder) / "run", this.folder / task.cache
            words = [*task.words[: task.words.index("--run")], "--run", str(run)]
            if task.empties:
                cache = Path(folder) / "cache"
            for name, seconds in stages.measure(words, cache):
                print(f"{seconds:7.2f} s  {name}")


if __name__ == "__main__":
    main()
