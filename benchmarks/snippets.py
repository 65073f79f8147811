"""Does the code in an export's README answer as `candid predict` does? On all photos of a run.

Each run is exported (which asks the gate), and its own code, the README's Python or the page
in a browser, reads the photos that the run was made from, and 24 of them again in each of eight
colour modes. Printed are the labels that are those of `Classifier.predict`, and how far
probabilities differ.

    python benchmarks/snippets.py RUN [RUN ...] [--to onnx --to web] [--most 300]
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from candid.data.images import decode, read_file
from candid.errors import ImageError
from candid.exporting import FORMATS, ExportRequest, Format, export_run
from candid.exporting.export import open_source, snippet_context
from candid.exporting.own_reading import Reader, load_code, python_code
from candid.exporting.samples import find_photos
from candid.exporting.source import Source
from candid.runs.artifact import SPLIT
from candid.splits.split import NO_PART, PARTS, read_csv

NUM_IN_MODES = 24


def main() -> None:
    """Export each run, ask the export's code about photos, and print rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--to", action="append", choices=list(FORMATS), help="by default, all")
    parser.add_argument("--most", type=int, help="photos of each run; by default, all")
    args = parser.parse_args()
    print(f"{'run':16}{'format':13}{'photos':18}{'same label':>14}{'probability':>13}")
    for run in args.runs:
        source = open_source(run)
        rows = read_csv(run / SPLIT)
        files = find_photos(source.data_folder, rows, (*PARTS, NO_PART), args.most).files
        photos = {"as they are": [read_file(file) for file in files]}
        spread = np.linspace(0, len(files) - 1, min(NUM_IN_MODES, len(files))).astype(int)
        for at in spread:
            for mode, data in in_modes(files[at]).items():
                photos.setdefault(mode, []).append(data)
        for name in args.to or FORMATS:
            report(run, source, FORMATS[name], photos)


def in_modes(file: Path) -> dict[str, bytes]:
    """A photo in eight colour modes, half of it cut out where the mode has alpha."""
    image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    grey = image.convert("L")
    y, x = np.mgrid[: image.height, : image.width]
    away = np.hypot(x / image.width - 0.5, y / image.height - 0.5)
    mask = Image.fromarray(np.uint8(np.clip(1.5 - 3 * away, 0, 1) * 255))
    deep = Image.fromarray((np.asarray(grey).astype(np.uint16) << 8) + 128)
    palette = image.quantize(128)
    images = {
        "1": grey.convert("1"),
        "L": grey,
        "LA": Image.merge("LA", (grey, mask)),
        "P": palette,
        "P, transparent": palette,
        "RGBA": Image.merge("RGBA", (*image.split(), mask)),
        "CMYK": image.convert("CMYK"),
        "I;16": deep,
    }
    encoded = {}
    for mode, converted in images.items():
        buffer = io.BytesIO()
        options = {"transparency": bytes(range(0, 256, 4))} if mode == "P, transparent" else {}
        converted.save(buffer, "JPEG" if mode == "CMYK" else "PNG", **options)
        encoded[mode] = buffer.getvalue()
    return encoded


def report(run: Path, source: Source, form: Format, photos: Mapping[str, list[bytes]]) -> None:
    """Print the rows of a run in a format."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "export"
        export_run(ExportRequest(run, form.name, folder))
        with form.open_export(folder) as loaded:
            code = python_code(form, snippet_context(source, folder))
            read = loaded.predict_photo or (code and load_code(code))
            if not read:
                raise SystemExit(f"{form.title}: nothing reads photos; {'; '.join(loaded.notes)}")
            for mode, datas in photos.items():
                same, total, largest = compare(source, read, datas)
                label = f"{same} of {total}"
                row = f"{run.name[:15]:16}{form.name:13}{mode:18}{label:>14}{largest:13.4f}"
                print(row, flush=True)


def compare(source: Source, read: Reader, datas: Iterable[bytes]) -> tuple[int, int, float]:
    """Number of equal labels, of photos, and the largest difference of a probability."""
    same, total, largest = 0, 0, 0.0
    for data in datas:
        try:
            decode(data, source.classifier.contract)
        except ImageError:
            continue
        expected, received = source.classifier.predict(data), read(data)
        total += 1
        same += received["label"] == expected.label
        if received["label"] is not None:
            shares = expected.probabilities.items()
            gaps = [abs(received["probabilities"][name] - share) for name, share in shares]
            largest = max(largest, *gaps)
    return same, total, largest


if __name__ == "__main__":
    main()
