"""Writes a run rounded to eight bits, and measures it beside the run.

training photos ─ Format.quantise ─▶ a rounded Source ─ Format.write ─▶ files
                                                                          │
run ─ its own answers to the test and val parts ──────────────────────────┴─▶ Int8
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Progress
from candid.core.temp_dir import temp_dir
from candid.core.text import plural, plural_are
from candid.errors import UsageError
from candid.exporting.format import Format, Opened
from candid.exporting.int8.calibration import Asked, read_asked, read_calibration
from candid.exporting.int8.gate import (
    FEW,
    Int8,
    Speed,
    ask_both,
    judge,
    measure_speed,
    require_fidelity,
)
from candid.exporting.onnx import ONNX
from candid.exporting.samples import read_golden
from candid.exporting.source import Source
from candid.runs.artifact import MODEL, SPLIT
from candid.splits.split import Row, read_csv


def require_quantisable(form: Format, names: list[str]) -> None:
    """Refuse a format that can't be rounded.

    Args:
        form: The format.
        names: Those that can.

    Raises:
        UsageError: It can't.
    """
    if form.quantise is None:
        raise UsageError(
            f"--int8 is for {', '.join(names)}; an export to {form.title} keeps its 32 bits. "
            "Choose one of those, or export without --int8."
        )


def write_int8(folder: Path, form: Format, source: Source, progress: Progress) -> Int8:
    """Write a run rounded to eight bits, run it by its own runtime and hold it against the run.

    Args:
        folder: Where the files are written.
        form: A format with `quantise`.
        source: The run.
        progress: Told how far it is.

    Returns:
        What is to be told of it.

    Raises:
        DataError: The training photos are gone.
        UsageError: There is nothing in the model that could be rounded.
        ParityError: It is measurably worse than the run.
    """
    if form.quantise is None:
        raise ValueError(f"{form.name} can't be rounded")
    dealt = read_csv(source.folder / SPLIT)
    pixels = read_calibration(source, dealt)
    with progress.step("Calibrating", len(pixels)) as advance:
        rounded = form.quantise(source, pixels, advance)
    with progress.step(f"Writing {form.title}", 1) as advance:
        form.write(folder, rounded)
        advance(1)
    rows = [row for row in dealt.rows if row.part in ("test", "val")]
    with form.opened(folder) as opened:
        int8 = _measure(folder, form, source, opened, rows, progress)
    int8 = replace(int8, num_calibrated=len(pixels))
    require_fidelity(form, int8)
    return int8


def _measure(
    folder: Path,
    form: Format,
    source: Source,
    opened: Opened,
    rows: list[Row],
    progress: Progress,
) -> Int8:
    golden = read_golden(source.folder)
    with progress.step("Comparing with the run", len(golden.pixels) + len(rows)) as advance:
        answered = ask_both(
            source.classifier,
            opened.run,
            _images(source, golden.pixels, rows),
            advance,
        )
    num_photos = len(answered.labels) - len(golden.pixels)
    num_tested = int(answered.tested.sum())
    with (
        progress.step("Measuring the speed", 1) as advance,
        open_unrounded(form, source) as unrounded,
    ):
        speed, told = compare_speed(form, unrounded, opened, golden.pixels)
        advance(1)
    return Int8(
        opened.runtime,
        0,
        judge(answered),
        ((source.folder / MODEL).stat().st_size, _model_size(folder, form)),
        speed,
        (*opened.notes, *told, *_notes(len(rows) - num_photos, num_tested)),
    )


@contextmanager
def open_unrounded(form: Format, source: Source) -> Iterator[Opened]:
    """What an export's speed is held against: the run; in a browser, the run in a browser.

    It gives all that the export gives, the heat map too.

    Args:
        form: The export's format.
        source: The run.
    """
    with temp_dir("candid-unrounded-") as scratch:
        form = form if form.open is not None else ONNX
        form.write(scratch, source)
        with form.opened(scratch) as opened:
            yield opened


def compare_speed(
    form: Format, unrounded: Opened, opened: Opened, pixels: NDArray[np.uint8]
) -> tuple[Speed | None, tuple[str, ...]]:
    """Time an export and its run, where that tells something of eight bits.

    A browser that starts once and not the next time leaves one of them to ONNX Runtime, which is
    several times as fast.

    Args:
        form: The export's format.
        unrounded: The run, as `open_unrounded` gives it.
        opened: The export.
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.

    Returns:
        Images a second, or None; and notes on what ran the run, where that is something else.
    """
    if unrounded.runtime == opened.runtime:
        return measure_speed(unrounded.run, opened.run, pixels), ()
    if form.open is not None:
        return None, (f"its speed was not measured: the run was in {unrounded.runtime}",)
    speed = measure_speed(unrounded.run, opened.run, pixels)
    return speed, (f"its speed is beside that of the run in {unrounded.runtime}",)


def _images(source: Source, golden: np.ndarray, rows: list[Row]) -> Iterator[Asked]:
    """What the run keeps, whose classes it does not, and the photos that are there."""
    nothing = np.full(len(golden), -1, np.int64)
    yield Asked(golden, nothing, nothing, np.zeros(len(golden), np.bool_))
    yield from read_asked(source, rows)


def _model_size(folder: Path, form: Format) -> int:
    """The bytes of the model itself, which is the last of a format's files."""
    return (folder / form.files[-1]).stat().st_size


def _notes(num_missing: int, num_tested: int) -> Iterator[str]:
    if num_missing:
        yield f"{plural_are(num_missing, 'photo')} gone or changed, and not compared"
    if num_tested < FEW:
        yield (
            f"the test part has {plural(num_tested, 'photo')}: that rounding does no harm is told "
            "by little more than the labels that agree"
        )
