"""Where the seconds of a command go: a table that adds up to the whole process.

    python benchmarks/stages.py [--least 0.03] train DATA --run RUN …

The main thread is looked at every few milliseconds. A look counts for the innermost function of
Candid (outside `core/`, which all rooms use) in which at least the share ``--least`` of all looks
were; so a row is what a function does itself, or by functions too short for a row of their own. The
first and the last row are what Python needs before and after the command.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

EVERY_S = 0.004
SOURCES = Path(__file__).resolve().parents[1] / "src"
PACKAGE = f"{SOURCES / 'candid'}/"
Stack = tuple[str, ...]


def main() -> None:
    """Run a command in a process of its own and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--least", type=float, default=0.03, help="share that makes a row")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="of candid, without that word")
    args = parser.parse_args()
    for name, seconds in measure(args.command, least=args.least):
        print(f"{seconds:7.2f} s  {name}")


def measure(
    command: list[str], cache: Path | None = None, least: float = 0.03
) -> list[tuple[str, float]]:
    """Names and seconds of the stages of a command, in the order in which they begin."""
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    environment |= {"CANDID_CACHE": str(cache)} if cache else {}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else all of Candid is compiled each time
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "stages.json"
        child = [sys.executable, __file__, "--child", str(file), str(least), *command]
        began = time.time()
        done = subprocess.run(child, capture_output=True, text=True, check=False, env=environment)
        ended = time.time()
        if not file.exists():
            sys.exit(f"candid {' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        told = json.loads(file.read_text())
    rows = [("Python starts", told["began"] - began), *told["rows"]]
    rows.append(("Python ends", ended - told["ended"]))
    return [*rows, ("together", sum(seconds for _, seconds in rows))]


def _look_at_a_command(file: Path, least: float, command: list[str]) -> None:
    """Run the command in this process and write where the main thread was."""
    began = time.time()
    looks: list[Stack] = []
    is_over = threading.Event()
    main_thread = threading.main_thread().ident

    def look() -> None:
        while not is_over.wait(EVERY_S):
            frame = sys._current_frames().get(main_thread)
            stack = []
            while frame is not None:
                path = frame.f_code.co_filename
                if path.startswith(PACKAGE) and not path.startswith(f"{PACKAGE}core/"):
                    module = path.removeprefix(PACKAGE).removesuffix(".py")
                    name = frame.f_code.co_name
                    stack.append(
                        f"importing {module}" if name == "<module>" else f"{module}: {name}"
                    )
                frame = frame.f_back
            looks.append(tuple(reversed(stack)))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        from candid.cli.main import main as candid_main

        sys.argv = ["candid", *command]
        candid_main()
    except SystemExit:
        pass
    finally:
        is_over.set()
        watcher.join()
        ended = time.time()
        rows = _rows(looks, least, ended - began)
        file.write_text(json.dumps({"began": began, "ended": ended, "rows": rows}))


def _rows(looks: list[Stack], least: float, seconds: float) -> list[tuple[str, float]]:
    """Share out the seconds of a command among the stacks that are seen often."""
    seen = Counter(stack[:depth] for stack in looks for depth in range(1, len(stack) + 1))
    rows: Counter[str] = Counter()
    for stack in looks:
        often = (
            depth for depth in range(1, len(stack) + 1) if seen[stack[:depth]] >= least * len(looks)
        )
        depth = max(often, default=0)
        rows[stack[depth - 1] if depth else "other"] += 1
    return [(name, count * seconds / len(looks)) for name, count in rows.items()]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _look_at_a_command(Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
    else:
        main()
