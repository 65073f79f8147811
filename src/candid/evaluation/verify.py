"""Recomputes every figure of a run from its artifact and photos, and lists the differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from candid.core.progress import Progress, Silent
from candid.core.safe_json import read_object, to_json
from candid.core.text import plural
from candid.errors import ArtifactError
from candid.evaluation.evaluate import Evaluator
from candid.evaluation.evaluation import headline
from candid.evaluation.loaded_run import load_run
from candid.runs.artifact import METRICS

#: Allowed difference of a figure: other machines sum in another order.
TOLERANCE: Final = 1e-4


@dataclass(frozen=True)
class Difference:
    """A figure that differs from what was written, with ``nothing`` for a missing value.

    ``name`` is its path in ``metrics.json``, such as ``kfold.accuracy.value``.
    """

    name: str
    written: str
    now: str

    def to_text(self) -> str:
        """One line."""
        return f"{self.name}: written {self.written}, now {self.now}"


@dataclass(frozen=True)
class Verified:
    """The result of verifying a run; notes say what was not compared, such as gone photos."""

    num_figures: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    def to_text(self) -> str:
        """For a terminal."""
        figures = plural(self.num_figures, "figure")
        summary = f"{figures} recomputed from the artifact and the photos"
        if not self.differences:
            return f"Everything holds: {summary}."
        lines = [f"{summary}; {len(self.differences)} differ:"]
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
    """Check a run's files, predict again by its model, and recompute every figure.

    Returns:
        The differences from ``metrics.json`` and from its excerpt in ``candid.json``.

    Raises:
        ArtifactError: The run is incomplete or was changed.
        DataError: The folder of photos is missing.
    """
    loaded = load_run(run)
    file = loaded.folder / METRICS
    try:
        written = read_object(file)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{file} can't be read ({error}); train again.") from error
    measured = Evaluator(loaded, progress or Silent(), rehash=True).on_own_folder()
    now = measured.evaluation.to_json()
    notes = list(measured.notes)
    if loaded.fitted.strength is None:  # the network itself would have to be trained again
        now.pop("leak_tax")
        if written.pop("leak_tax", None) is not None:
            notes.append("leak_tax needs a second training, so it was not recomputed")
    kept = to_json(loaded.classifier.require_manifest().metrics)
    found = [*differences(written, now), *differences(kept, headline(written), "candid.json: ")]
    return Verified(sum(1 for _ in _leaves(written, "")), tuple(found), tuple(notes))


def differences(written: object, now: object, name: str = "") -> Iterator[Difference]:
    """List the differences between two JSON values beyond `TOLERANCE`; ``name`` is a prefix."""
    before, after = dict(_leaves(written, name)), dict(_leaves(now, name))
    for path in sorted({*before, *after}):
        old, new = before.get(path, "nothing"), after.get(path, "nothing")
        if not _same(old, new):
            yield Difference(path, str(old), str(new))


def _leaves(value: object, name: str) -> Iterator[tuple[str, object]]:
    """Every value that is neither an object nor a list, with its path."""
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
