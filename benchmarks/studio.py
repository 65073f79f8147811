"""How the studio's screen Photos behaves with 100,000 drawn photos, in Chromium.

    python benchmarks/studio.py [--photos 100000] [--folder FOLDER] [--rounds 3]

Pictures of 64 × 64 pixels are drawn as in `scale_commands.py`. Their embeddings are made up, as
the screen does not depend on what they say: a random direction of the class, and twice as much of
the photo's own, put into the cache as if the backbone had computed them; thumbnails are true, so
that copies are found. FOLDER keeps all that for the next time. `candid studio` is started once,
so that it has read everything before, and then anew; measured are:

- from the moment when `/api/state` says that the photos are listed (it is asked every 20 ms) until
  every picture in sight is shown; embeddings are still being read from the cache then
- the same from the opening of the page, when all is known
- the time between two frames while the grid is scrolled from top to bottom in 20 s, and for 10 s as
  fast as a hand turns a wheel
- the most memory of the process, while the map, the order by strangeness and by similarity, and the
  stacks of copies are asked for too
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import psutil
import scale_commands
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Page, sync_playwright

from candid.core.cache import Cache
from candid.core.hashing import hash_bytes
from candid.data.images import PixelContract, Reading
from candid.features.backbones import DEFAULT, get
from candid.features.backbones.registry import Embedder
from candid.features.extract import NUM_COLOURS

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from browser import FLAGS, find

SIZE = {"width": 1280, "height": 800}
EVERY_S = 0.02
COMMAND = "from candid.cli.main import main; main()"
BLOCK = 500

# When all pictures in sight are there, in ms since 1970.
FIRST = """
window.first = new Promise((resolve) => {
  const look = () => {
    const grid = document.querySelector(".grid");
    const box = grid?.getBoundingClientRect();
    const cells = [...document.querySelectorAll(".cell")].filter((cell) => {
      const { top, bottom } = cell.getBoundingClientRect();
      return box?.height && top < box.bottom && bottom > box.top;
    });
    const isShown = ({ lastElementChild, firstElementChild: image }) =>
      image.complete && image.naturalWidth && !image.hidden && lastElementChild.textContent;
    if (cells.length && cells.every(isShown)) resolve(Date.now());
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});"""

# Times between frames, in ms, and how many pixels were passed.
SCROLL = """([seconds, perFrame]) => new Promise((resolve) => {
  const grid = document.querySelector(".grid");
  const times = [];
  const began = performance.now();
  let before = began;
  grid.scrollTop = 0;
  const step = (now) => {
    if (now > before) times.push(now - before);
    before = now;
    const share = (now - began) / 1000 / seconds;
    if (share >= 1) return resolve([times, grid.scrollTop]);
    if (perFrame) grid.scrollTop += perFrame;
    else grid.scrollTop = share * (grid.scrollHeight - grid.clientHeight);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def main() -> None:
    """Draw, start and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keep the drawn files here, or use those there")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        home = args.folder or Path(scratch)
        data = home / f"drawn-{args.photos}"
        scale_commands.draw(data, args.photos)
        fill(home / "cache", data)
        browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        print(f"Chromium {browser.version}, {args.photos:,} photos, load {os.getloadavg()[0]:.1f}")
        with studio(data, home) as first, opened(browser.new_context, first) as page:
            wait(page.context, first.address, "is_embedded")
            print(f"  read first in {first.seconds:.0f} s, peak of memory {first.peak_mb:.0f} MB")
        for _ in range(args.rounds):
            with studio(data, home) as started, opened(browser.new_context, started) as page:
                measure(page, started)
        browser.close()


def fill(folder: Path, data: Path) -> None:
    """Put embeddings, colours and thumbnails of all photos into a cache where they are missing."""
    begun = time.perf_counter()
    with Cache(folder) as cache:
        embedder = Embedder(get(DEFAULT), num_threads=1, cache=cache)
        contract = PixelContract.of(Reading(), embedder.backbone.size_px, "squash")
        width = embedder.backbone.num_features
        centres = np.random.default_rng(0).normal(size=(scale_commands.NUM_CLASSES, width))
        kinds = (
            f"thumbnail:{contract.key}",
            f"colours:{contract.key}",
            f"embedding:{contract.key}:{embedder.fingerprint[:24]}",
        )
        files = sorted(data.glob("*/*.jpg"))
        for start in range(0, len(files), BLOCK):
            read = {file: file.read_bytes() for file in files[start : start + BLOCK]}
            contents = {hash_bytes(data): file for file, data in read.items()}
            for content, _ in [*cache.get(kinds[-1], [*contents])]:
                del contents[content]
            rows = {name: make(read[file], file, centres) for name, file in contents.items()}
            for place, kind in enumerate(kinds):
                cache.put(kind, [(content, row[place]) for content, row in rows.items()])
    print(f"cache filled in {time.perf_counter() - begun:.0f} s")


def make(data: bytes, file: Path, centres: NDArray[np.float64]) -> tuple[bytes, bytes, bytes]:
    """Thumbnail, colours and embedding of a photo."""
    rng, centre = np.random.default_rng(int(file.name[:6])), centres[int(file.parent.name[-1])]
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    embedding = (centre / 2 + rng.normal(size=len(centre))).astype(np.float32)
    return grey.tobytes(), bytes(rng.random(NUM_COLOURS, np.float32)), bytes(embedding)


def measure(page: Page, started: Started) -> None:
    """Print the figures of one start."""
    listed = wait(page.context, started.address, "is_listed", every_s=EVERY_S)
    shown = page.evaluate("first") / 1e3
    print(f"  first screen after the photos are listed  {shown - listed:6.2f} s")
    finish(page.context, started.address)
    begun = time.time()
    page.reload()
    print(
        f"  first screen of a page opened later       {page.evaluate('first') / 1e3 - begun:6.2f} s"
    )
    for name, given in (("all in 20 s", [20, 0]), ("by a wheel", [10, 40])):
        times, pixels = page.evaluate(SCROLL, given)
        quantiles = np.quantile(times, (0.5, 0.95, 0.99))
        median, high, higher = (f"{value:5.1f}" for value in quantiles)
        print(
            f"  frames, {name:<12} {pixels:9,.0f} px, {len(times):4} frames: median {median}, "
            f"95 % {high}, 99 % {higher} ms"
        )
    before = started.peak_mb
    for path in ("map", "ids?sort=strangeness", "ids?sort=similarity&like=7", "ids?fold=true"):
        begun = time.perf_counter()
        answer = page.context.request.get(f"{started.origin}/api/photos/{path}", timeout=600_000)
        assert answer.ok, answer.text()
        print(f"  {path:<41} {time.perf_counter() - begun:6.2f} s")
    print(f"  peak of memory {before:5.0f} MB, with these {started.peak_mb:5.0f} MB", flush=True)


class Started:
    """A studio that runs."""

    def __init__(self, process: psutil.Popen, address: str) -> None:
        self.address, self.origin = address, address.partition("/?")[0]
        self.peak_mb, self._begun, self._process = 0.0, time.perf_counter(), process
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.perf_counter() - self._begun

    def _watch(self) -> None:
        try:
            while self._process.poll() is None:
                self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 2**20)
                time.sleep(0.05)
        except psutil.NoSuchProcess:
            pass


@contextmanager
def studio(data: Path, home: Path) -> Iterator[Started]:
    """`candid studio DATA` in a process of its own."""
    process = psutil.Popen(
        [sys.executable, "-c", COMMAND, "studio", str(data), "--no-open"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"CANDID_CACHE": str(home / "cache"), "PYTHONUNBUFFERED": "1"},
        cwd=home,
    )
    try:
        address = None
        while address is None:
            line = process.stdout.readline()
            assert line, "the studio did not start"
            address = re.search(r"http://\S+", line)
        yield Started(process, address[0])
    finally:
        process.kill()
        process.wait()


@contextmanager
def opened(new_context: type[BrowserContext], started: Started) -> Iterator[Page]:
    """A page of a studio."""
    context = new_context(viewport=SIZE)
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.add_init_script(FIRST)
    page.goto(started.address)
    yield page
    context.close()


def wait(context: BrowserContext, address: str, name: str, *, every_s: float = 1) -> float:
    """Wait until the project is so; gives the time."""
    origin = address.partition("/?")[0]
    while True:
        project = context.request.get(f"{origin}/api/state").json()["project"]
        if project[name] if name else not project["activity"]:
            return time.time()
        time.sleep(every_s)


def finish(context: BrowserContext, address: str) -> None:
    """Wait until the photos are listed, embedded and compared."""
    wait(context, address, "is_embedded")
    wait(context, address, "")


if __name__ == "__main__":
    main()
