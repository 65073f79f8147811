"""How fast `candid predict FOLDER --csv` is in two checkouts, as whole processes, in turn.

Each round runs both; which of them begins changes from round to round. Printed are images a second
of wall-clock time and of processor time (user and system, which others on the machine disturb
less), the ratio of the medians with the least and the largest one, and whether both wrote the same
bytes.

    python benchmarks/predict.py OTHER/.venv/bin/candid RUN FOLDER --rounds 5
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Side:
    """One checkout's command, and what was measured of it.

    Attributes:
        name: ``other`` or ``this``.
        command: How `candid` is called.
        environment: Its environment variables.
        wall: Images a second of each round.
        processor: Images a second of processor time of each round.
        written: What it wrote last.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    written: bytes = b""

    def run(self, run: Path, folder: Path) -> None:
        """Run the command once; an exit code of 1 only says that some photo can't be read."""
        command = [*self.command, "predict", str(folder), "--run", str(run), "--csv"]
        before, began = _processor_s(), time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, env=self.environment, check=False)
        wall_s, processor_s = time.perf_counter() - began, _processor_s() - before
        if done.returncode not in (0, 1):
            sys.exit(f"{self.command[0]} ended with {done.returncode}")
        self.written = done.stdout
        num_images = done.stdout.count(b"\n") - 1
        self.wall.append(num_images / wall_s)
        self.processor.append(num_images / processor_s)


def main() -> None:
    """Run both in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", help="the candid executable of the other checkout")
    parser.add_argument("run", type=Path, help="a trained run that both can read")
    parser.add_argument("folder", type=Path, help="photos")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    others = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = "from candid.cli.main import main; main()"
    other = Side("other", [args.other], others)
    this = Side("this", [sys.executable, "-c", program], dict(os.environ))
    for number in range(args.rounds):
        for side in (other, this) if number % 2 == 0 else (this, other):
            side.run(args.run, args.folder)
    for side in (other, this):
        print(
            f"{side.name:6}{statistics.median(side.wall):7.1f} images/s, "
            f"{statistics.median(side.processor):6.1f} a second of processor time"
        )
    print(f"ratio {_ratio(this.wall, other.wall)}")
    print(f"ratio {_ratio(this.processor, other.processor)} of processor time")
    print("the same bytes" if this.written == other.written else "other bytes")
    print(f"load {os.getloadavg()}")


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ratio(ours: list[float], theirs: list[float]) -> str:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    median = statistics.median(ours) / statistics.median(theirs)
    return f"{median:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
