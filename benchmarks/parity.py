"""Do exports answer as their runs do? Over every photo of a run, in each format's own runtime.

Each run is written in each format, loaded by that format's runtime, and asked about all photos that
the run was made from (train, val, test, and those in no part). One pass decodes a photo once and
asks the run and all formats. A browser is not given pixels but the photos' files, which it decodes
itself: its row says what becomes of the labels then, and counts the photos that it can't read.

    python benchmarks/parity.py RUN [RUN ...] [--to onnx --to litert] [--most 500]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.text import plural
from candid.errors import CandidError
from candid.exporting import FORMATS, Format
from candid.exporting.export import open_source
from candid.exporting.format import Answers
from candid.exporting.parity import Parity, compare, compare_decoded
from candid.exporting.samples import Batch, find_photos
from candid.exporting.source import Source
from candid.runs.artifact import SPLIT
from candid.splits.split import NO_PART, PARTS, read_csv


def main() -> None:
    """Export, compare, and print a row for each run and format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--to", action="append", choices=list(FORMATS), help="by default, all")
    parser.add_argument("--most", type=int, help="photos of each run; by default, all")
    args = parser.parse_args()
    print("| run | format | images | labels that agree | probability | novelty | MB | ms/image |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for run in args.runs:
        try:
            report(run, [FORMATS[name] for name in args.to or FORMATS], args.most)
        except CandidError as error:
            raise SystemExit(f"{run}: {error}") from error


def report(run: Path, forms: list[Format], most: int | None) -> None:
    """Print the rows of one run."""
    source = open_source(run)
    photos = find_photos(source.data, read_csv(run / SPLIT), (*PARTS, NO_PART), most)
    if not photos.files:
        told = "; ".join(photos.notes) or "its split lists none"
        raise SystemExit(f"{run}: there is no photo to compare on: {told}.")
    with tempfile.TemporaryDirectory() as scratch:
        pixels = [form for form in forms if form.name != "web"]
        asked = [BatchComparison(Path(scratch) / form.name, form, source) for form in pixels]
        for batch in photos.batches(source.classifier) if asked else ():
            for one in asked:
                one.ask(batch)
        rows = [one.to_row(source.name) for one in asked]
        rows += [
            ask_browser(Path(scratch) / form.name, form, source, photos.files)
            for form in forms
            if form.name == "web"
        ]
        print("\n".join(rows), flush=True)


def ask_browser(folder: Path, form: Format, source: Source, files: Sequence[Path]) -> str:
    """Hand all photos to an export in a browser; a row of the table."""
    folder.mkdir()
    form.write(folder, source)
    with form.open_export(folder) as loaded:
        if loaded.predict_photo is None:
            raise SystemExit("; ".join(loaded.notes))
        asked = Timed(loaded.predict_photo)
        decoded = compare_decoded(asked, source.classifier, files)
    if not decoded.num_images:
        raise SystemExit(f"{source.name}: the browser read none of {plural(len(files), 'photo')}.")
    share = f"{decoded.num_same_label} ({decoded.num_same_label / decoded.num_images:.2%})"
    unread = f"; {decoded.num_unreadable} not read" if decoded.num_unreadable else ""
    cells = (
        source.name,
        loaded.runtime,
        f"{decoded.num_images}{unread}",
        f"{share}; answers: {decoded.num_same_answer / decoded.num_images:.2%}",
        f"{decoded.probability:.1e}",
        "",
        f"{num_bytes(folder) / 1e6:.1f}",
        f"{1000 * asked.seconds / len(files):.0f}",
    )
    return f"| {' | '.join(cells)} |"


class Timed:
    """A function, and the seconds that its calls took together."""

    def __init__(self, called: Callable[[bytes], Mapping[str, Any]]) -> None:
        self._called = called
        self.seconds = 0.0

    def __call__(self, data: bytes) -> Mapping[str, Any]:
        """Call it."""
        began = time.perf_counter()
        answer = self._called(data)
        self.seconds += time.perf_counter() - began
        return answer


def num_bytes(folder: Path) -> int:
    """Of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class BatchComparison:
    """An export that is compared with its run batch by batch."""

    def __init__(self, folder: Path, form: Format, source: Source) -> None:
        folder.mkdir()
        form.write(folder, source)
        self._form = form
        self._classifier = source.classifier
        self._run: Callable[[NDArray[np.uint8]], Answers] = form.load(folder)
        self._bytes = num_bytes(folder)
        self._parts: list[Parity] = []
        self._seconds = 0.0

    def ask(self, batch: Batch) -> None:
        """Compare its answers with the run's."""
        began = time.perf_counter()
        answers = self._run(batch.pixels)
        self._seconds += time.perf_counter() - began
        self._parts.append(compare(self._form, lambda _: answers, self._classifier, [batch]))

    def to_row(self, run: str) -> str:
        """A row of the table."""
        if not self._parts:
            raise SystemExit(f"{run}: none of its photos could be read.")
        images = sum(part.num_images for part in self._parts)
        same = sum(part.num_same_label for part in self._parts)
        # NumPy's keeps what is not a number, Python's max loses it.
        probability = float(np.max([part.probability for part in self._parts]))
        novelty = float(np.max([part.novelty or 0 for part in self._parts]))
        cells = (
            run,
            self._parts[0].runtime,
            str(images),
            f"{same} ({same / images:.2%})",
            f"{probability:.1e}",
            f"{novelty:.1e}",
            f"{self._bytes / 1e6:.1f}",
            f"{1000 * self._seconds / images:.0f}",
        )
        return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
