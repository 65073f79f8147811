"""Write a run quantised to int8, and compare it with the run.

training photos ─ Format.quantise ─▶ quantised Source ─ Format.write ─▶ files
                                                                          │
run ─ its own answers to the test and val parts ──────────────────────────┴─▶ Int8Report
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Progress
from candid.core.temp_dir import temp_dir
from candid.core.text import plural
from candid.errors import UsageError
from candid.exporting.format import Format, LoadedExport
from candid.exporting.int8.calibration import LabelledImages, read_calibration, read_labelled
from candid.exporting.int8.gate import (
    Int8Report,
    Speed,
    compare_predictions,
    measure_speed,
    predict_both,
    require_not_worse,
)
from candid.exporting.onnx import ONNX
from candid.exporting.samples import Asked, choose_rows, find_if_there, note_missing, read_golden
from candid.exporting.source import Source
from candid.runs.artifact import MODEL, SPLIT
from candid.splits.split import read_csv

#: A smaller test part says little about the accuracy.
_FEW_TEST_PHOTOS: Final = 30


def require_quantisable(form: Format, names: list[str]) -> None:
    """Refuse a format that can't be quantised; ``names`` are those that can.

    Raises:
        UsageError: It can't.
    """
    if form.quantise is None:
        raise UsageError(
            f"an export to {form.title} can't be quantised. --int8 is for {', '.join(names)}: "
            "choose one of those, or export without --int8."
        )


def quantise(form: Format, source: Source, progress: Progress) -> tuple[Source, int]:
    """Quantise a run to int8.

    Returns:
        What to write, and the number of training photos that it was calibrated with.

    Raises:
        DataError: The training photos are gone.
        UsageError: The model has no layer to quantise, or computes in eight bits already.
    """
    if form.quantise is None:
        raise ValueError(f"{form.name} can't be quantised")
    if source.is_int8 and not form.takes_int8:  # said before photos are read
        raise UsageError(
            f"{source.folder} computes in eight bits already: export it without --int8."
        )
    pixels = read_calibration(source, read_csv(source.folder / SPLIT))
    with progress.step("Calibrating", len(pixels)) as advance:
        return form.quantise(source, pixels, advance), len(pixels)


def check_int8(
    folder: Path,
    form: Format,
    source: Source,
    loaded: LoadedExport,
    num_calibration_photos: int,
    progress: Progress,
    *,
    most: int | None = None,
) -> tuple[Int8Report, Asked]:
    """Compare an int8 export, loaded by its own runtime, with the run.

    Of more than ``most`` photos, that many are compared, those of the test part first.

    Raises:
        ParityError: The export is measurably worse than the run.
    """
    split = read_csv(source.folder / SPLIT)
    listed = [[row for row in split.rows if row.part == part] for part in ("test", "val")]
    find = find_if_there(source.data)
    rows = [*choose_rows(find, listed[0], most)]
    rows += choose_rows(find, listed[1], most and most - len(rows))
    golden = read_golden(source.folder).pixels
    unknown = np.full(len(golden), -1, np.int64)
    kept = LabelledImages(golden, unknown, unknown, np.zeros(len(golden), np.bool_))
    with progress.step("Comparing with the run", len(golden) + len(rows)) as advance:
        images = chain([kept], read_labelled(source, rows))
        predictions = predict_both(source.classifier, loaded.run, images, advance)
    with (
        progress.step("Measuring the speed", 1) as advance,
        open_reference(form, source) as reference,
    ):
        speed, notes = compare_speed(form, reference, loaded, golden)
        advance(1)
    num_photos, num_tested = len(predictions.labels) - len(golden), int(predictions.is_test.sum())
    notes = (*loaded.notes, *notes, *note_missing(len(rows) - num_photos))
    if num_tested < _FEW_TEST_PHOTOS:
        notes += (
            f"the test part has {plural(num_tested, 'photo')}: too few to tell whether the "
            "accuracy is lower; the gate relies on the labels that agree",
        )
    comparison = compare_predictions(predictions)
    require_not_worse(form, comparison)
    # The model itself is the last of a format's files.
    num_bytes = (source.folder / MODEL).stat().st_size, (folder / form.files[-1]).stat().st_size
    report = Int8Report(loaded.runtime, num_calibration_photos, comparison, num_bytes, speed, notes)
    return report, Asked(num_photos, sum(map(len, listed)), most, "test and val parts")


@contextmanager
def open_reference(form: Format, source: Source) -> Iterator[LoadedExport]:
    """Load the float32 run that an export's speed is compared with, with the same outputs.

    It is run by ONNX Runtime; for a format with a runtime to close, a browser, by that.
    """
    with temp_dir("candid-unrounded-") as scratch:
        form = form if form.open is not None else ONNX
        form.write(scratch, source)
        with form.open_export(scratch) as loaded:
            yield loaded


def compare_speed(
    form: Format, reference: LoadedExport, loaded: LoadedExport, pixels: NDArray[np.uint8]
) -> tuple[Speed | None, tuple[str, ...]]:
    """Time an export and its run, unless one is in a browser and the other is not.

    That happens if a browser starts only once of two times; ONNX Runtime is several times as fast.

    Returns:
        Images per second, or None; and a note if the run had another runtime.
    """
    if reference.runtime == loaded.runtime:
        return measure_speed(reference.run, loaded.run, pixels), ()
    if form.open is not None:
        return None, (f"the speed was not measured: the run was in {reference.runtime}",)
    speed = measure_speed(reference.run, loaded.run, pixels)
    return speed, (f"the speed is compared with that of the run in {reference.runtime}",)
