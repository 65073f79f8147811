"""From the start of `candid studio` to a judged classifier, in Chromium: clicks and seconds.

Each round copies the photos, starts the studio, opens its address, clicks "Train" in the bar, and
the button "Train"; it ends when the result is on the screen. The embeddings are in a cache of its
own, filled by a first round that isn't counted. Seconds are counted from the start of the process.

    python benchmarks/studio_train.py DATA [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from browser import FLAGS, find

COMMAND = "from candid.cli.main import main; main()"
CLICKS = ("nav a[href='#judge']", ".judge .start .primary")
RESULT = ".judge .answer .headline"
MOMENTS = ("address printed", "page shown", "training asked for", "judged", "processor seconds")


def main() -> None:
    """Run the rounds, and print the median moments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of photos, a sub-folder per class")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        home = Path(folder)
        rounds = [_measure(browser, arguments.data, home) for _ in range(1 + arguments.rounds)]
        browser.close()
    print(f"{arguments.data}, {arguments.rounds} rounds, {len(CLICKS)} clicks; seconds:")
    for name, *times in zip(MOMENTS, *rounds[1:], strict=True):
        print(
            f"  {name:20} {statistics.median(times):6.2f}  ({min(times):.2f} to {max(times):.2f})"
        )


def _measure(browser: Browser, data: Path, home: Path) -> list[float]:
    """Seconds from the start to each of the moments."""
    photos = home / data.name
    shutil.copytree(data, photos, ignore=shutil.ignore_patterns(".*"))
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    began = time.perf_counter()
    studio = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "studio", str(photos), "--no-open"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"CANDID_CACHE": str(home / "cache")},
    )
    try:
        assert studio.stdout is not None
        found = re.search(r"http\S+", studio.stdout.readline())
        assert found is not None
        moments = [time.perf_counter() - began]
        page.goto(found[0])
        page.wait_for_selector(CLICKS[0])
        moments.append(time.perf_counter() - began)
        for click in CLICKS:
            page.click(click)
        moments.append(time.perf_counter() - began)
        page.wait_for_selector(RESULT, timeout=300_000)
        moments.append(time.perf_counter() - began)
        moments.append(_processor_seconds(studio.pid))
    finally:
        context.close()
        studio.terminate()
        studio.wait()
        shutil.rmtree(photos)
    return moments


def _processor_seconds(pid: int) -> float:
    """What a process and the commands that it waited for have computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
