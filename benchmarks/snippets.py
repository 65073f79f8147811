"""Does the code in an export's README answer as `candid predict` does? On all photos of a run.

Each run is exported (which asks the gate), and its own code, the README's Python or the page
in a browser, reads the photos that the run was made from, and 24 of them again in each of ten
colour modes. Printed are the labels that are those of `Classifier.predict`, and how far
probabilities differ.

    python benchmarks/snippets.py RUN [RUN ...] [--to onnx --to web] [--most 300]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from candid.exporting import FORMATS, ExportRequest, Format, export_run
from candid.exporting.drawn_photos import in_modes
from candid.exporting.export import open_source, snippet_context
from candid.exporting.own_reading import load_code, python_code
from candid.exporting.parity import compare_decoded
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
        with tempfile.TemporaryDirectory() as scratch:
            source = open_source(run)
            rows = read_csv(run / SPLIT)
            files = find_photos(source.data, rows, (*PARTS, NO_PART), args.most).files
            photos = {"as they are": list(files)} | write_modes(files, Path(scratch))
            for name in args.to or FORMATS:
                report(run, source, FORMATS[name], photos)


def write_modes(files: Sequence[Path], folder: Path) -> dict[str, list[Path]]:
    """Write some of the photos in each colour mode."""
    written: dict[str, list[Path]] = {}
    spread = np.linspace(0, len(files) - 1, min(NUM_IN_MODES, len(files))).astype(int)
    for at in spread:
        image = ImageOps.exif_transpose(Image.open(files[at])).convert("RGB")
        for mode, data in in_modes(image).items():
            file = folder / f"{mode} {at}"
            file.write_bytes(data)
            written.setdefault(mode, []).append(file)
    return written


def report(run: Path, source: Source, form: Format, photos: Mapping[str, list[Path]]) -> None:
    """Print the rows of a run in a format."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "export"
        export_run(ExportRequest(run, form.name, folder))
        with form.open_export(folder) as loaded:
            code = python_code(form, snippet_context(source, folder))
            read = loaded.predict_photo or (code and load_code(code))
            if not read:
                raise SystemExit(f"{form.title}: nothing reads photos; {'; '.join(loaded.notes)}")
            for mode, files in photos.items():
                found = compare_decoded(read, source.classifier, files)
                label = f"{found.num_same_label} of {found.num_images + found.num_unreadable}"
                row = f"{run.name[:15]:16}{form.name:13}{mode:18}{label:>14}"
                print(f"{row}{found.probability:13.4f}", flush=True)


if __name__ == "__main__":
    main()
