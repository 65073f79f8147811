"""Runs → what answers: loaded once, and replaced as a whole when a run was.

Thumbnails of the training photos that an explanation names, where they are still there.

A run → what ``/v1/models`` says of it: names and figures, no path.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from time import monotonic
from typing import Any, Final

from pydantic import ValidationError

from candid.core.hashing import hash_bytes
from candid.core.text import first_line
from candid.data.images import read_file
from candid.errors import ArtifactError, ImageError
from candid.evaluation.measures import FIGURES
from candid.reporting.app import read_samples, sentence_of, title_of
from candid.reporting.pages import file_previews
from candid.runs.artifact import GOLDEN, MANIFEST, SPLIT, find_run
from candid.runs.classifier import Classifier, load
from candid.runs.manifest import Figures, Manifest
from candid.server.schemas import MeasuredOut, to_json_bytes

_SIZE_PX: Final = 96
_MOST_KEPT: Final = 512  # thumbnails of about 3 kB


class TrainingPhotos:
    """Photos of the folder that a run was trained on.

    Only what was trained on is shown: a file whose bytes are others than those in the run's split,
    or that lies outside the folder, gives nothing.
    """

    def __init__(self, run: Path, folder: Path | None) -> None:
        """Remember where they are; nothing is read before the first question.

        Args:
            run: The run's folder.
            folder: What it was trained on; None where that is not known.
        """
        self._run = run
        self._folder = folder
        self.thumbnail = lru_cache(_MOST_KEPT)(self._thumbnail)

    @classmethod
    def of(cls, run: Path, manifest: Manifest) -> TrainingPhotos:
        """Those of a run, by its manifest."""
        folder = manifest.data.folder
        return cls(run, Path(folder) if folder else None)

    def prepare(self) -> None:
        """Read which photos they are."""
        _ = self._contents

    def _thumbnail(self, path: str) -> str | None:
        """A ``data:`` address of a JPEG, 96 pixels at its longest side, or None."""
        if self._folder is None or path not in self._contents:
            return None
        try:
            file = (self._folder / path).resolve()
            if not file.is_relative_to(self._folder.resolve()):
                return None
            if hash_bytes(read_file(file)) != self._contents[path]:
                return None
        except (ImageError, OSError, ValueError):  # ValueError: a NUL in the path
            return None
        data = file_previews(file.parent, size_px=_SIZE_PX)(file.name)
        return f"data:image/jpeg;base64,{b64encode(data).decode('ascii')}" if data else None

    @cached_property
    def _contents(self) -> dict[str, str]:
        from candid.splits.split import read_csv

        return {row.path: row.content for row in read_csv(self._run / SPLIT).rows}


def describe(model: ServedModel, *, is_default: bool) -> dict[str, Any]:
    """JSON values of a run, as `candid.server.schemas.ModelOut` has them."""
    classifier, manifest = model.classifier, model.manifest
    metrics = manifest.metrics
    abstention = classifier.abstention
    run = classifier.run_folder
    return {
        "name": model.name,
        "run": run.name if run else model.name,
        "is_default": is_default,
        "title": title_of(classifier.classes),
        "sentence": sentence_of(metrics),
        "recipe": manifest.recipe,
        "classes": list(classifier.classes),
        **classifier.rule.to_json(),
        "fit": classifier.contract.fit,
        "num_samples": len(model.samples),
        "coverage": abstention.coverage if abstention else None,
        "believe": metrics and metrics.believe,
        "figures": {
            estimate: _figures(measured)
            for estimate, measured in (("test", metrics), ("kfold", metrics and metrics.kfold))
            if measured
        },
    }


def _figures(measured: Figures) -> dict[str, dict[str, float]]:
    found = {name: getattr(measured, name) for name in FIGURES}
    return {name: vars(figure) for name, figure in found.items() if figure is not None}


_MOST_COVERAGES: Final = 8
# A run may be looked at while its files are still being copied there.
_RETRY_S: Final = 30.0

#: Which run a path means, and which version of it: equal as long as nothing was replaced.
Stamp = tuple[str, int, int, int]


class ServedModel:
    """One version of a run, ready to answer.

    Attributes:
        name: By which clients choose it.
        classifier: The run.
        photos: Gives thumbnails of its training photos.
        samples: PNG files to try it on.
    """

    def __init__(
        self,
        name: str,
        classifier: Classifier,
        photos: TrainingPhotos,
        samples: tuple[bytes, ...] = (),
    ) -> None:
        """Keep a loaded run."""
        self.name = name
        self.classifier = classifier
        self.photos = photos
        self.samples = samples
        # Few at a time: anybody may ask for any coverage.
        self._at = lru_cache(_MOST_COVERAGES)(classifier.with_coverage)

    def at(self, coverage: float | None) -> Classifier:
        """The classifier at a coverage; by default its own.

        Raises:
            UsageError: It can't abstain.
        """
        if coverage is None:
            return self.classifier
        self.classifier.prepare_to_explain()
        return self._at(coverage)

    @property
    def manifest(self) -> Manifest:
        """What ``candid.json`` says."""
        return self.classifier.require_manifest()


def load_model(name: str, run: Path, max_pixels: int) -> ServedModel:
    """Load a run and hold it against the answers that it gave when it was written.

    Raises:
        ArtifactError: It is no run, or not as it was written.
    """
    # In the thread that asks: as many at once as there are cores.
    classifier = load(run, num_threads=1)
    classifier.check_golden(run / GOLDEN)
    classifier.contract = replace(classifier.contract, max_pixels=max_pixels)
    photos = TrainingPhotos.of(run, classifier.require_manifest())
    # Now, while they are this version's: the folder may be replaced before anybody asks for them.
    classifier.prepare_to_explain()
    photos.prepare()
    model = ServedModel(name, classifier, photos, read_samples(run / GOLDEN))
    _require_measured(model, run)
    return model


def _require_measured(model: ServedModel, run: Path) -> None:
    """Refuse figures that ``/v1/models`` can't say in the shape that it promises."""
    try:
        described = describe(model, is_default=False)
        MeasuredOut.model_validate(described, strict=True)
        to_json_bytes(described)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        raise ArtifactError(
            f"{run}/candid.json does not say how good it is ({_why(error)}); train again."
        ) from error


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return first_line(error)


@dataclass
class _Slot:
    """A name, the path that it stands for, and who answers for it now."""

    name: str
    path: Path
    stamp: Stamp
    model: ServedModel
    failed: Stamp | None = None
    retry_at: float = 0.0

    def is_settled(self, stamp: Stamp) -> bool:
        """Whether there is nothing new to load, or what there is has failed a moment ago."""
        return stamp == self.stamp or (stamp == self.failed and monotonic() < self.retry_at)


class Models:
    """All runs of a server, by name; the first is asked by default."""

    def __init__(self, paths: Sequence[Path], max_pixels: int) -> None:
        """Load them.

        Args:
            paths: Folders of runs, or links to them such as ``runs/latest``.
            max_pixels: What images may have at most.

        Raises:
            ArtifactError: One is no run, or not as it was written.
        """
        self._max_pixels = max_pixels
        with ThreadPoolExecutor(max(1, len(paths))) as pool:
            self._slots = list(pool.map(self._load, _names(paths), paths))

    def __iter__(self) -> Iterator[ServedModel]:
        return iter([slot.model for slot in self._slots])

    @property
    def names(self) -> list[str]:
        """Their names, the default one first."""
        return [slot.name for slot in self._slots]

    def get(self, name: str | None) -> ServedModel | None:
        """Who answers to a name now; None where nobody does."""
        if name is None:
            return self._slots[0].model
        return next((slot.model for slot in self._slots if slot.name == name), None)

    def reload(self, *, always: bool = False) -> list[Reloaded]:
        """Load what was replaced; who answers is exchanged once the new one is ready.

        A version that does not load is told of once and tried again after 30 seconds; until it
        loads, the old one goes on.

        Args:
            always: Whether to load again what is as it was, and what failed before.

        Returns:
            What was exchanged, and what could not be.
        """
        results = [self._reload(slot, always=always) for slot in self._slots]
        return [result for result in results if result is not None]

    def _load(self, name: str, path: Path) -> _Slot:
        stamp = _stamp(path)
        return _Slot(name, path, stamp, load_model(name, Path(stamp[0]), self._max_pixels))

    def _reload(self, slot: _Slot, *, always: bool) -> Reloaded | None:
        stamp: Stamp | None = None
        try:
            stamp = _stamp(slot.path)
            if not always and slot.is_settled(stamp):
                return None
            model = load_model(slot.name, Path(stamp[0]), self._max_pixels)
        except Exception as error:  # files that are still being copied have errors of any kind
            is_new = always or stamp is None or stamp != slot.failed
            told = slot.failed is not None and stamp is None
            slot.failed = stamp or _NO_STAMP
            slot.retry_at = monotonic() + _RETRY_S
            return Reloaded(slot.name, first_line(error)) if is_new and not told else None
        slot.model, slot.stamp, slot.failed = model, stamp, None
        return Reloaded(slot.name, None)


@dataclass(frozen=True)
class Reloaded:
    """What came of loading a run again.

    Attributes:
        name: Its name.
        problem: Why the old one goes on; None where the new one answers.
    """

    name: str
    problem: str | None


_NO_STAMP: Final[Stamp] = ("", 0, 0, 0)


def _stamp(path: Path) -> Stamp:
    run = find_run(path).resolve()
    try:
        status = (run / MANIFEST).stat()
    except OSError as error:
        raise ArtifactError(f"{path} is no run: it has no {MANIFEST}.") from error
    return str(run), status.st_mtime_ns, status.st_ino, status.st_size


def _names(paths: Sequence[Path]) -> list[str]:
    """The names of the folders; those that are alike get a number."""
    names: list[str] = []
    for path in paths:
        base = path.name or path.resolve().name
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names
