"""What an audit costs beside the embedding that it needs in any case, as whole processes.

Alternately, each with an empty cache: a process that finds the photos and embeds them, and
`candid audit`. Printed are the medians, and the ratio with its least and largest.

    python benchmarks/audit.py [FOLDER] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CANDID = Path(sys.executable).with_name("candid")
EMBED = """
import sys
from candid.data.catalog import scan
from candid.splits.prepare import extract_catalog
extract_catalog(scan(sys.argv[1]))
"""


def main() -> None:
    """Run both alternately and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED / "happy_sad")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    embedding, audit = [], []
    for _ in range(args.rounds):
        embedding.append(time_alone([sys.executable, "-c", EMBED, args.folder]))
        audit.append(time_alone([CANDID, "audit", args.folder, "--run", "audit"]))
    ratios = [two / one for one, two in zip(embedding, audit, strict=True)]
    print(f"{args.folder.name}, {args.rounds} rounds")
    print(f"embedding alone {statistics.median(embedding):7.2f} s")
    print(f"candid audit    {statistics.median(audit):7.2f} s")
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"ratio           {statistics.median(ratios):7.2f}  ({spread})")


def time_alone(command: list[str | Path]) -> float:
    """Seconds of a process with an empty cache, in a folder of its own."""
    command = [str(Path(word).resolve()) if Path(word).is_dir() else str(word) for word in command]
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        subprocess.run(
            command,
            cwd=scratch,
            env=os.environ | {"CANDID_CACHE": str(Path(scratch) / "cache")},
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
