"""How quickly the studio's screen Try answers: frames of a camera, and "without this photo".

Trains on the photos, opens the studio in Chromium with its fake camera, and reads the speed that
the screen shows once it is steady. Beside the answers a second it prints the processor's time for
one, which other programs on the machine change less. Then it fits heads for drawn embeddings, 5,000
of 1280 numbers, and measures how long the culprits of an answer take, and the answer without one.

    python benchmarks/studio_try.py DATA [--seconds S]
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

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from candid.models.recipes.linear_head import fit_head
from candid.runs.explaining.culprits import Culprits
from candid.splits.grouped_split import Labelled

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from browser import FLAGS, find

COMMAND = "from candid.cli.main import main; main()"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SPEED = ".live .speed b"
WARM_S = 5.0
NUM_PHOTOS, NUM_VALUES = 5000, 1280


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of photos, a sub-folder per class")
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _measure_camera(arguments.data, Path(folder), arguments.seconds)
    for num_classes in (2, 10):
        _measure_culprits(num_classes)


def _measure_camera(data: Path, home: Path, seconds: float) -> None:
    photos = home / "photos"
    shutil.copytree(data, photos, ignore=shutil.ignore_patterns(".*"))
    run = photos / ".candid" / "runs" / "first"
    python = [sys.executable, "-c", COMMAND]
    subprocess.run([*python, "train", photos, "--run", run], check=True, capture_output=True)
    studio = subprocess.Popen(
        [*python, "studio", str(photos), "--no-open"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert studio.stdout is not None
        found = re.search(r"http\S+", studio.stdout.readline())
        assert found is not None
        with sync_playwright() as playwright:
            flags = [*FLAGS, *CAMERA]
            browser = playwright.chromium.launch(executable_path=find(), args=flags)
            page = browser.new_page()
            page.goto(found[0])
            page.goto(f"{found[0].partition('?')[0]}#try")
            began = time.perf_counter()
            page.wait_for_selector("text=Choose photos", timeout=600_000)
            print(f"web export made and loaded: {time.perf_counter() - began:.0f} s")
            page.click("button:has-text('Camera')")
            page.wait_for_selector(SPEED, timeout=60_000)
            _watch(page, seconds)
            browser.close()
    finally:
        studio.terminate()
        studio.wait()


def _watch(page: Page, seconds: float) -> None:
    """Read the speed again and again, and the time of the browser's processes."""
    time.sleep(WARM_S)
    speeds, began, before = [], time.perf_counter(), _cpu_s()
    while time.perf_counter() - began < seconds:
        time.sleep(1)
        speeds.append(float(page.inner_text(SPEED)))
    speed = statistics.median(speeds)
    used = (_cpu_s() - before) / (time.perf_counter() - began)
    print(
        f"camera: {speed:.1f} answers a second (median of {len(speeds)}, {min(speeds):.1f} to "
        f"{max(speeds):.1f}); {1000 * used / speed:.0f} ms of the processor each, of all of the "
        f"browser; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def _cpu_s() -> float:
    """Seconds that the browser's processes have used."""
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            used += sum(process.cpu_times()[:2])
    return used


def _measure_culprits(num_classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(NUM_PHOTOS) % num_classes
    centres = 0.08 * rng.normal(size=(num_classes, NUM_VALUES))
    rows = (centres[labels] + rng.normal(size=(NUM_PHOTOS, NUM_VALUES))).astype(np.float32)
    keys = [f"{number:064x}" for number in range(NUM_PHOTOS)]
    data = Labelled(rows, labels, np.arange(NUM_PHOTOS), keys, num_classes)
    head = fit_head(data).head
    began = time.perf_counter()
    culprits = Culprits(data, keys, list(map(str, range(num_classes))), head, temperature=1)
    moments = [time.perf_counter() - began]
    began = time.perf_counter()
    first = culprits.pulls(rows[0], 0, 1)[0]
    moments.append(time.perf_counter() - began)
    began = time.perf_counter()
    culprits.answer(rows[0], without=first.contents)
    moments.append(time.perf_counter() - began)
    print(
        f"culprits, {NUM_PHOTOS:,} photos of {num_classes} classes: prepared in {moments[0]:.2f} s "
        f"(once a run), an answer's {moments[1]:.2f} s, without one of them {moments[2]:.2f} s"
    )


if __name__ == "__main__":
    main()
