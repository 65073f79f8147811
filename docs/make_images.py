"""Makes docs/images anew: screenshots of what the commands write about the sample set.

    python docs/make_images.py

It draws the set, trains on it, opens the report, and lets the server's page answer for photos of
the test part. It needs Chromium (`make browser`) and the packages of `candid serve`.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from browser import FLAGS, find  # noqa: E402

IMAGES = ROOT / "docs" / "images"
CANDID = str(Path(sys.executable).with_name("candid"))
#: By name, the size of the window in CSS pixels.
SIZES = {"report": (1200, 860), "page": (840, 860)}
_SCALE = 1.25  # pixels of the file for each
_IS_ANSWERED = "() => document.querySelectorAll('[data-state=answered]').length === 2"


def main() -> None:
    """Draw, train, serve, and write the screenshots."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.chdir(folder)
        subprocess.run([CANDID, "demo", "faces"], check=True)
        browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        for name, (width, height) in SIZES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                device_scale_factor=_SCALE,
                reduced_motion="reduce",
            )
            png = (_open_report if name == "report" else _ask)(page)
            _write(png, IMAGES / f"{name}.webp")
        browser.close()


def _open_report(page: Page) -> bytes:
    page.goto(Path("runs/demo/report.html").absolute().as_uri())
    return page.screenshot()


def _ask(page: Page) -> bytes:
    with Path("runs/demo/split.csv").open(encoding="utf-8", newline="") as rows:
        paths = [row["path"] for row in csv.DictReader(rows) if row["part"] == "test"]
    photos = [
        next(Path("faces", path) for path in paths if path.startswith(name))
        for name in ("happy/face", "sad/face")
    ]
    with _serving() as address:
        page.goto(address)
        page.set_input_files("#files", photos)
        page.wait_for_function(_IS_ANSWERED)
        page.keyboard.press("h")  # the heat map
        return page.locator("#answers").screenshot()


@contextmanager
def _serving() -> Iterator[str]:
    command = [CANDID, "serve", "runs/demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.terminate()


def _write(png: bytes, file: Path) -> None:
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(file, quality=80, method=6)
    sys.stdout.write(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
