"""How large the page of an audit is, and how long Chromium takes to open it from disk.

Audits of 305 and of 10,000 images are made up: every kind of finding, with as many files as a bad
folder of that size would have, and thumbnails of the photos in DATA, or of drawn ones. Each page is
opened in a fresh profile; what counts is the time from the navigation to the load event, and to the
first painting of content, as the browser reports them; medians of all rounds. The third column of
times is on a processor made four times slower, about that of a phone.

    python benchmarks/page.py [DATA] [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from candid.auditing.finding import Bar, Chart, Check, Finding, Item, Outcome, Severity
from candid.auditing.page import write_page
from candid.auditing.result import Audit, Checked, ClassCount
from candid.cli.demo import draw_sample
from candid.data.images import SUFFIXES
from candid.reporting.pages import file_previews

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from browser import FLAGS, find

NUM_IMAGES = (305, 10_000)
NUM_DRAWN = 305
_SLOWER = 4

TIMES = """async () => {
  const paint = await new Promise((resolve) => {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntriesByName("first-contentful-paint")) resolve(entry);
    }).observe({ type: "paint", buffered: true });
  });
  const [navigation] = performance.getEntriesByType("navigation");
  return [navigation.loadEventEnd, paint.startTime];
}"""


def main() -> None:
    """Make the pages, open each, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="a folder of photos; drawn without")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        data = arguments.data or draw_sample(Path(folder) / "drawn", num_images=NUM_DRAWN).folder
        browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        print(f"Chromium {browser.version}, {arguments.rounds} rounds, photos of {data}")
        print("  images  thumbnails     MB  write s  load ms  paint ms  load ms, CPU / 4")
        for num_images in NUM_IMAGES:
            _measure(browser, data.resolve(), num_images, arguments.rounds)
        browser.close()


def _measure(browser: Browser, data: Path, num_images: int, rounds: int) -> None:
    began = time.perf_counter()
    page = write_page(make_audit(data, num_images), file_previews(data.joinpath))
    write_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "audit.html"
        file.write_text(page, "utf-8")
        times = [_open(browser, file) for _ in range(rounds)]
        slow = [_open(browser, file, slower=_SLOWER) for _ in range(rounds)]
        size_mb = file.stat().st_size / 1e6
    load_ms, paint_ms = (statistics.median(each) for each in zip(*times, strict=True))
    slow_ms = statistics.median(load for load, _ in slow)
    print(
        f"{num_images:8,}  {page.count('data:image/'):10}  {size_mb:5.2f}  {write_s:7.1f}  "
        f"{load_ms:7.0f}  {paint_ms:8.0f}  {slow_ms:16.0f}"
    )


def _open(browser: Browser, file: Path, *, slower: int = 1) -> tuple[float, float]:
    """Open a page in a fresh profile; give milliseconds to the load event and to the paint."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(file.as_uri())
    load_ms, paint_ms = page.evaluate(TIMES)
    context.close()
    return load_ms, paint_ms


def make_audit(data: Path, num_images: int) -> Audit:
    """Make up an audit of so many images, whose files are those of a folder, over and over."""
    files = [
        path.relative_to(data).as_posix()
        for path in sorted(data.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    every = list(islice(cycle(files), num_images))
    shares = Chart("How often each guesses the label", _bars(9), "share")
    checked = [
        _found("two-classes", "error", _groups(every, 2, num_images // 200)),
        _found("exact-copies", "warning", _groups(every, 2, num_images // 10)),
        _found("near-copies", "warning", _groups(every, 3, num_images // 15)),
        _found("many-copies", "warning", _groups(every, 30, num_images // 300)),
        _found("label-suspects", "warning", _groups(every, 1, num_images // 15)),
        _found("shortcut", "warning", [Finding("brightness carries it")], shares),
        *(_found(f"property-{n}", "info", _groups(every, 1, num_images // 20)) for n in range(12)),
        _found("turned", "info", [Finding("rotated by EXIF", tuple(map(Item, every)))]),
    ]
    counts = (ClassCount(name, num_images // 2, num_images // 3) for name in ("happy", "sad"))
    num_pictures = num_images * 2 // 3
    return Audit(
        data, tuple(counts), (), num_images, num_images, num_pictures, tuple(checked), {}, {}
    )


def _groups(files: list[str], size: int, number: int) -> list[Finding]:
    groups = [islice(cycle(files), place * size, (place + 1) * size) for place in range(number)]
    note = "labelled sad, predicted happy, 0.97"
    return [
        Finding(f"{size} files, group {place}", tuple(Item(path, note, "drop") for path in group))
        for place, group in enumerate(groups)
    ]


def _bars(number: int) -> tuple[Bar, ...]:
    values = [0.86 - 0.04 * place for place in range(number)]
    return tuple(Bar(f"property {v:.2f}", v, v - 0.05, v + 0.05, v > 0.8) for v in values)


def _found(
    code: str, severity: str, findings: list[Finding], chart: Chart | None = None
) -> Checked:
    remedy = "Look at each, and write what is to be done into decisions.csv."
    check = Check(code, code.title(), Severity(severity), remedy, lambda _: Outcome.clean())
    return Checked(check, Outcome("found", f"{len(findings)} found", tuple(findings), chart))


if __name__ == "__main__":
    main()
