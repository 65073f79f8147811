"""Does the page of a web export see the pixels that Python sees? The largest difference by kind.

Every file of the folders is decoded by `candid.data.images.decode` and, in Chromium, by the
page's engine. Printed for each kind (format, colour mode, reduced or not): how many files both
read, the largest difference of a level, and how many files only one of them reads.

    python benchmarks/pixels.py [FOLDER ...] [--size 260] [--list]
"""

from __future__ import annotations

import argparse
import base64
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import Page, sync_playwright

from candid.data.images import PixelContract, decode, inspect, read_file
from candid.errors import ImageError
from candid.server.static import StaticServer

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from browser import FLAGS, find

SHARED = Path(__file__).resolve().parents[2] / "shared"
FOLDERS = tuple(
    SHARED / name
    for name in ("data/happy_sad", "data/weather", "data/sign_digits", "odd_images", "failing")
)
DECODE = """async ({ data, size }) => {
  const blob = new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]);
  const { decode } = await import("/app/pixels.js");
  try {
    const pixels = await decode(blob, { size_px: size, fit: "squash" });
    const text = [];
    for (let at = 0; at < pixels.length; at += 8192) {
      text.push(String.fromCharCode(...pixels.subarray(at, at + 8192)));
    }
    return { pixels: btoa(text.join("")) };
  } catch (error) {
    return { reason: error.message };
  }
}"""


@dataclass
class Kind:
    """What was seen of one kind of file."""

    num_both: int = 0
    largest: int = 0
    only_python: list[str] = field(default_factory=list)
    only_page: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


def main() -> None:
    """Decode every file on both sides, and print a row for each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=FOLDERS)
    parser.add_argument("--size", type=int, default=260)
    parser.add_argument("--list", action="store_true", help="name the files that differ")
    args = parser.parse_args()
    with opened_page() as page:
        for folder in args.folders:
            report(folder, compare(page, folder, args.size), is_listed=args.list)


@contextmanager
def opened_page() -> Iterator[Page]:
    """Serve the engine's modules from the source and open an empty page beside them."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        empty = Path(folder) / "index.html"
        empty.write_text("<!doctype html>", encoding="utf-8")
        source = Path(str(files("candid.reporting.app")))
        modules = {f"app/{file.name}": file for file in source.glob("*.js")}
        with StaticServer(modules | {"": empty}, "127.0.0.1", 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
            page = browser.new_page()
            page.goto(server.address)
            print(f"Chromium {browser.version}")
            yield page
            browser.close()
            server.shutdown()


def compare(page: Page, folder: Path, size_px: int) -> dict[str, Kind]:
    """Decode the files of a folder on both sides."""
    kinds: defaultdict[str, Kind] = defaultdict(Kind)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        data = read_or_nothing(path)
        ours = decoded(data, size_px)
        answer = page.evaluate(
            DECODE, {"data": base64.b64encode(data).decode("ascii"), "size": size_px}
        )
        theirs = answer.get("pixels")
        if isinstance(ours, str) and theirs is None:
            continue
        kind = kinds[kind_of(data, size_px)]
        if isinstance(ours, str):
            kind.only_page.append(f"{name} ({ours})")
        elif theirs is None:
            kind.only_python.append(f"{name} ({answer['reason']})")
        else:
            received = np.frombuffer(base64.b64decode(theirs), np.uint8).reshape(ours.shape)
            largest = int(np.abs(ours.astype(int) - received).max())
            kind.num_both += 1
            kind.largest = max(kind.largest, largest)
            if largest:
                kind.differing.append(f"{name} ({largest})")
    return dict(kinds)


def read_or_nothing(path: Path) -> bytes:
    """The bytes of a file; none of one that can't be read."""
    try:
        return read_file(path)
    except ImageError:
        return b""


def decoded(data: bytes, size_px: int) -> np.ndarray | str:
    """Pixels, or the reason why there are none."""
    try:
        return decode(data, PixelContract(size_px))
    except ImageError as error:
        return str(error)


def kind_of(data: bytes, size_px: int) -> str:
    """Format and mode, and whether Python's decoder halves it or more."""
    try:
        details = inspect(data)
    except ImageError:
        return "refused by Python"
    shorter = min(details.width_px, details.height_px)
    is_halved = details.format == "JPEG" and shorter >= 4 * size_px
    return f"{details.format} {details.mode}{', reduced' if is_halved else ''}"


def report(folder: Path, kinds: dict[str, Kind], *, is_listed: bool) -> None:
    """Print the rows of one folder."""
    print(f"\n{folder.name}: --list names the files that differ")
    print(f"{'kind':24}{'both':>6}{'largest':>9}{'differ':>8}{'only Python':>13}{'only page':>11}")
    for name, kind in sorted(kinds.items()):
        counts = f"{len(kind.differing):8}{len(kind.only_python):13}{len(kind.only_page):11}"
        print(f"{name:24}{kind.num_both:6}{kind.largest:9}{counts}")
    for what in ("differing", "only_python", "only_page") if is_listed else ():
        for name, kind in sorted(kinds.items()):
            for file in getattr(kind, what):
                print(f"  {what.replace('_', ' ')}: {name}: {file}")


if __name__ == "__main__":
    main()
