"""How long reading photos into 224 x 224 takes: OpenCV, Pillow, and `candid.data.images.decode`.

All ways run alternately in one go, with two threads; what counts is the ratio to OpenCV's full
decode, with its spread over the rounds. "differs" is the median over the
JPEGs of the mean difference from `candid`, in levels of 255; it is not 0 where one side of a photo
grows and the other shrinks, which `cv2.resize` in one go does without antialiasing.

    python benchmarks/decoding.py [DATA] [--rounds N]
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from candid.data.images import decode, identify, read_header

SIZE_PX = 224
THREADS = 2
Decoder = Callable[[bytes], np.ndarray]


def opencv_full(data: bytes) -> np.ndarray:
    """Decode everything, then shrink."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return _finish(pixels)


def opencv_reduced(data: bytes) -> np.ndarray:
    """Let libjpeg scale, through OpenCV, to no less than twice the target."""
    header = read_header(data)
    flag = cv2.IMREAD_COLOR
    for factor in (2, 4, 8):
        if min(header.width_px, header.height_px) >= factor * 2 * SIZE_PX:
            flag = getattr(cv2, f"IMREAD_REDUCED_COLOR_{factor}")
    return _finish(cv2.imdecode(np.frombuffer(data, np.uint8), flag))


def pillow_draft(oversampling: int) -> Decoder:
    """Let libjpeg scale, through Pillow, to no less than `oversampling` times the target."""

    def read(data: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(data))
        image.draft(None, (oversampling * SIZE_PX, oversampling * SIZE_PX))
        pixels = np.asarray(image.convert("RGB"))
        return cv2.resize(pixels, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)

    return read


WAYS: dict[str, Decoder] = {
    "OpenCV full": opencv_full,
    "OpenCV reduced (>= 2x)": opencv_reduced,
    "Pillow draft (>= 1x)": pillow_draft(1),
    "Pillow draft (>= 2x)": pillow_draft(2),
    "candid.data.images.decode": decode,
}


def main() -> None:
    """Run every comparison and print it."""
    default = Path(__file__).parents[1] / ".." / "shared" / "data" / "happy_sad"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, nargs="?", default=default)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    _compare_imports(arguments.rounds)
    photo = _draw_large_photo()
    print(f"\none 7360 x 4912 JPEG of {len(photo) / 1e6:.1f} MB, one at a time")
    _compare([photo], arguments.rounds)
    _compare_formats(arguments.rounds)
    if not arguments.data.is_dir():
        print(f"\nskipped: no photos at {arguments.data}")
        return
    photos = [path.read_bytes() for path in sorted(arguments.data.glob("*/*")) if path.is_file()]
    print(f"\n{len(photos)} photos, {THREADS} threads")
    _compare(photos, arguments.rounds)


def _compare(photos: list[bytes], rounds: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    pixels = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(rounds):
            for name, way in WAYS.items():
                started = time.perf_counter()
                pixels[name] = list(pool.map(way, photos))
                seconds[name].append(time.perf_counter() - started)
    jpegs = [at for at, photo in enumerate(photos) if identify(photo) == "JPEG"]
    print(f"{'way':26}{'seconds':>9}{'ratio':>8}{'from':>7}{'to':>7}{'differs':>9}")
    for name, times in seconds.items():
        baseline = seconds["OpenCV full"]
        ratios = [one / other for one, other in zip(times, baseline, strict=True)]
        ours = pixels["candid.data.images.decode"]
        gaps = [np.abs(ours[at].astype(int) - pixels[name][at]).mean() for at in jpegs]
        middle = statistics.median
        spread = f"{middle(ratios):8.2f}{min(ratios):7.2f}{max(ratios):7.2f}"
        print(f"{name:26}{middle(times):9.3f}{spread}{np.median(gaps):9.2f}")


def _compare_formats(rounds: int) -> None:
    """Time each lossless or rarer format that both libraries read, one picture of 12 megapixels."""
    picture = _draw(4000, 3000)
    print("\na 4000 x 3000 picture, milliseconds, median")
    print(f"{'format':8}{'MB':>7}{'OpenCV':>9}{'candid':>9}")
    for name in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"):
        buffer = io.BytesIO()
        options = {"speed": 10} if name == "AVIF" else {"method": 0} if name == "WEBP" else {}
        picture.save(buffer, name, **options)
        data = buffer.getvalue()
        times: dict[Decoder, list[float]] = {opencv_full: [], decode: []}
        for _ in range(min(rounds, 3)):
            for way, taken in times.items():
                started = time.perf_counter()
                way(data)
                taken.append(1000 * (time.perf_counter() - started))
        theirs, ours = (statistics.median(taken) for taken in times.values())
        print(f"{name:8}{len(data) / 1e6:7.1f}{theirs:9.0f}{ours:9.0f}")


def _compare_imports(rounds: int) -> None:
    print("seconds until an interpreter has imported, median")
    names = ("numpy", "numpy, candid.data.images", "numpy, cv2", "numpy, PIL.JpegImagePlugin")
    for modules in (*names, "numpy, pillow_heif"):
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
            times.append(time.perf_counter() - started)
        print(f"{modules:30}{statistics.median(times):7.3f}")


def _finish(pixels: np.ndarray) -> np.ndarray:
    small = cv2.resize(pixels, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)


def _draw(width: int, height: int) -> Image.Image:
    """Draw soft colours with some grain, which costs an entropy coder about what a photo does."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(0, 12, (height, width, 1), dtype=np.uint8)
    return Image.fromarray(cv2.add(soft, np.repeat(grain, 3, axis=2)))


def _draw_large_photo() -> bytes:
    buffer = io.BytesIO()
    _draw(7360, 4912).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
