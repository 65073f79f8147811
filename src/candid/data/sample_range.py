"""Decide, for a whole set of photos, which samples of deep pictures are black and white.

A scanner that delivers 12 bits saves them in 16; a CT has signed samples, a thermal camera floats.
The range is that of the set, so that one picture looks the same whatever else is in it, and a
bright one is brighter than a dark one. Only pictures with more than 8 bits a sample are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache
from candid.core.text import plural
from candid.data.catalog import Catalog
from candid.data.file_reader import FileReader, make_once
from candid.data.images import Reading
from candid.data.images.decode import read_samples
from candid.errors import ImageError

#: Photos that are looked at, in the order of their SHA-256, which is that of no name.
MAX_PHOTOS: Final = 256
#: Samples of each, evenly spread.
MAX_SAMPLES: Final = 4096
#: Share of samples, in percent, that may lie beyond either end: hot pixels, labels burnt in.
_OUTSIDE: Final = 0.01
#: Below this share of the bits' range, the samples' own range is taken.
_MIN_FILLED: Final = 0.25

_KIND: Final = "samples:v1"
_AHEAD: Final = 4  # deep pictures are large

Range = tuple[float, float]


@dataclass(frozen=True)
class Looked:
    """What was seen of one picture.

    Attributes:
        kind: ``u`` unsigned, ``i`` signed, ``f`` float.
        num_bits: Bits that a sample may have.
        window: The range that the file itself names, of a DICOM file.
        values: float32 ``(n,)``, some of its samples.
    """

    kind: str
    num_bits: int
    window: Range | None
    values: NDArray[np.float32]


def decide_range(
    catalog: Catalog, reading: Reading, *, reader: FileReader, cache: Cache
) -> tuple[Reading, tuple[str, ...]]:
    """Complete how photos are read by the range of their samples.

    Args:
        catalog: The photos of the set.
        reading: What the person chose; a range among it is kept.
        reader: The reader of the scan, which knows what files are deep.
        cache: Where samples are kept.

    Returns:
        The reading, and notes on the range.
    """
    if reading.sample_range is not None:
        return reading, ()
    files = {p.content: catalog.file(p) for p in catalog.photos if reader.is_deep(p.content)}
    some, look = dict(sorted(files.items())[:MAX_PHOTOS]), partial(_look, reading=reading)
    kind = _KIND + reading.reading_key
    found = make_once(cache, kind, some, lambda: look, num_ahead=_AHEAD)
    rows = [looked for row in found.values() if (looked := _parse(row)) is not None]
    sample_range, notes = range_of(rows, num_deep=len(files))
    return reading.with_range(sample_range), notes


def range_of(rows: Sequence[Looked], *, num_deep: int) -> tuple[Range | None, tuple[str, ...]]:
    """The range of a set by some of its pictures, and notes on it.

    Unsigned samples: all values of the bits that are used, 0 to 4095 for 12; where the samples fill
    less than a quarter of that, and for signed samples and floats, from the lowest to the highest
    sample, 0.01 % at each end aside. Floats within 0 to 1 keep that range. DICOM files that all
    name one window keep that.

    Args:
        rows: At least none.
        num_deep: Pictures of the set with more than 8 bits a sample, for the note.
    """
    if not any(len(row.values) for row in rows):
        return None, ()
    who = plural(num_deep, "photo")
    notes = _note_mixture(rows)
    windows = {row.window for row in rows}
    window = windows.pop() if len(windows) == 1 else None
    if window is not None:
        return window, (f"{who} name one window, {_spell(window)}; {_KEPT}", *notes)
    pool = np.concatenate([row.values for row in rows])
    low, high = np.percentile(pool, (_OUTSIDE, 100 - _OUTSIDE))
    if low == high:
        return None, notes
    kinds = {row.kind for row in rows}
    if kinds == {"f"} and low >= 0 and _MIN_FILLED < high <= 1:
        return (0.0, 1.0), notes
    if "f" not in kinds and low >= 0:
        num_bits = int(high).bit_length()
        most = max(row.num_bits for row in rows)
        if high - low >= _MIN_FILLED * (2**num_bits - 1):
            bits = 0.0, float(2**num_bits - 1)
            if num_bits == most == 16 and kinds == {"u"}:  # as read without a range
                return None, notes
            used = f"{num_bits} of {most} bits ({_spell(bits)})"
            return bits, (f"{who} use {used}; {_KEPT}", *notes)
    found = float(np.float32(low)), float(np.float32(high))
    return found, (f"{who} have samples {_spell(found)}, black to white; {_KEPT}", *notes)


_KEPT: Final = "that range is kept in the model"


def _spell(sample_range: Range) -> str:
    return "{:.6g} to {:.6g}".format(*sample_range)


def _note_mixture(rows: Sequence[Looked]) -> tuple[str, ...]:
    if len({row.kind == "f" for row in rows}) == 1:
        return ()
    return (
        "some photos have whole numbers as samples and some floats, and one range is used for "
        "both; convert them to one kind if they have different units",
    )


def _look(data: bytes, reading: Reading) -> bytes:
    """A row of the cache: a line of JSON, then float32 samples; none if it can't be decoded."""
    try:
        samples = read_samples(data, reading)
    except ImageError:
        samples = None
    if samples is None:
        return b"{}\n"
    measured = samples.measured()
    some = measured[:: max(1, len(measured) // MAX_SAMPLES)]
    facts = [samples.values.dtype.kind, samples.num_bits, samples.sample_range]
    return json.dumps({"facts": facts}).encode() + b"\n" + some.astype("<f4").tobytes()


def _parse(row: bytes) -> Looked | None:
    """Read a row of the cache; None if it has no samples, or is malformed."""
    line, _, values = row.partition(b"\n")
    try:
        kind, num_bits, window = json.loads(line)["facts"]
        found = np.frombuffer(values, "<f4")
    except (ValueError, TypeError, KeyError):
        return None
    return Looked(kind, num_bits, None if window is None else tuple(window), found)
