"""Recomputes every figure of a run from its artifact and its photos, and names what differs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from candid.core.progress import Progress, Silent
from candid.core.safe_json import read_object, to_json
from candid.core.text import plural
from candid.errors import ArtifactError
from candid.evaluation.evaluate import load_run, measure_own
from candid.evaluation.evaluation import headline
from candid.runs.artifact import METRICS

#: By how much a figure may differ: other machines add up in another order.
TOLERANCE: Final = 1e-4

#: What is computed by training the network itself once more, which `verify` does not.
_BY_TRAINING: Final = ("leak_tax",)


@dataclass(frozen=True)
class Difference:
    """A figure that is not what was written.

    Attributes:
        name: Where in ``metrics.json`` it is, ``kfold.accuracy.value``.
        written: What is there.
        now: What it is by now; ``nothing`` where it is not there any more.
    """

    name: str
    written: str
    now: str

    def to_text(self) -> str:
        """One line."""
        return f"{self.name}: written {self.written}, now {self.now}"


@dataclass(frozen=True)
class Verified:
    """What came of it.

    Attributes:
        num_figures: How many values were held against each other.
        differences: Those that differ.
        notes: What a person should know, such as photos that are gone.
    """

    num_figures: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    def to_text(self) -> str:
        """For a terminal."""
        told = f"{plural(self.num_figures, 'figure')} recomputed from the artifact and the photos"
        if not self.differences:
            return f"Everything holds: {told}."
        lines = [f"{told}; {len(self.differences)} differ:"]
        return "\n".join([*lines, *(f"  {row.to_text()}" for row in self.differences)])

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "holds": not self.differences,
            "num_figures": self.num_figures,
            "differences": [vars(row) for row in self.differences],
            "notes": list(self.notes),
        }


def verify_run(run: str | Path, *, progress: Progress | None = None) -> Verified:
    """Check a run's files, ask its model again, and recompute every figure.

    Args:
        run: The run's folder.
        progress: Told how far it is.

    Returns:
        What differs from ``metrics.json``, or from the copy of it in ``candid.json``.

    Raises:
        ArtifactError: The run is not whole: a file is missing, or is not as it was written.
        DataError: The folder of photos is gone.
    """
    opened = load_run(run)
    written = _read(opened.folder / METRICS)
    measured = measure_own(opened, progress or Silent(), rehash=True)
    now = json.loads(json.dumps(measured.evaluation.to_json()))
    notes = list(measured.notes)
    if opened.strength is None:
        for name in _BY_TRAINING:
            if written.get(name) is not None:
                notes.append(f"{name} takes another training, so it was not recomputed")
                written.pop(name)
            now.pop(name, None)
            written.pop(name, None)
    kept = to_json(opened.classifier.require_manifest().metrics)
    found = list(differences(written, now))
    found += differences(kept, headline(written), "candid.json: ")
    return Verified(sum(1 for _ in _leaves(written, "")), tuple(found), tuple(notes))


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_object(file)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{file} can't be read ({error}); train again.") from error


def differences(written: object, now: object, name: str = "") -> Iterator[Difference]:
    """Name what differs between two values of JSON, by more than the machine explains.

    Args:
        written: One.
        now: The other.
        name: What stands before each name.
    """
    before, after = dict(_leaves(written, name)), dict(_leaves(now, name))
    for place in sorted({*before, *after}):
        old, new = before.get(place, "nothing"), after.get(place, "nothing")
        if not _same(old, new):
            yield Difference(place, str(old), str(new))


def _leaves(value: object, name: str) -> Iterator[tuple[str, object]]:
    """Every value that is neither an object nor a list, with the way to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name and name[-1] != " " else name + key)
    elif isinstance(value, (list, tuple)):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{name}[{place}]")
    else:
        yield name, value


def _same(old: object, new: object) -> bool:
    if isinstance(old, float) and isinstance(new, (int, float)) and math.isfinite(old):
        return abs(old - new) <= TOLERANCE * max(1.0, abs(old))
    return old == new
