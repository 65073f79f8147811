"""Served runs: loading, reloading, the JSON of ``/v1/models``, and training thumbnails."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from candid.core.text import first_line
from candid.data.file_reader import FileReader
from candid.data.images import Reading, preview
from candid.data.images.preview import to_jpeg
from candid.data.location import FindFile, PhotoFile
from candid.data.source import DataSource
from candid.data.sources import find_in
from candid.errors import ArtifactError, DataError, ImageError
from candid.evaluation.measures import FIGURES
from candid.reporting.app import read_samples, sentence_of, title_of
from candid.runs.artifact import GOLDEN, MANIFEST, SPLIT, find_run
from candid.runs.classifier import Classifier, load
from candid.runs.manifest import Figures
from candid.server.schemas import MeasuredOut, to_json_bytes

_THUMBNAIL_PX: Final = 192
_MAX_THUMBNAILS: Final = 512  # of about 3 kB
_MAX_COVERAGES: Final = 8
# A run may be read while its files are still being copied.
_RETRY_S: Final = 30.0

#: Path, modification time, inode and size of a run's manifest: equal unless it was replaced.
Stamp = tuple[str, int, int, int]
_NO_STAMP: Final[Stamp] = ("", 0, 0, 0)


class TrainingPhotos:
    """Thumbnails of the photos that a run was trained on.

    A file outside the folder, or with other content than the run's split records, gives none.
    """

    def __init__(self, run: Path, data: DataSource, reading: Reading) -> None:
        """Read the run's split.

        Args:
            run: The run's folder.
            data: Where the training photos were.
            reading: What of a file becomes a picture.
        """
        from candid.splits.split import read_csv

        self._data = data
        self._reading = reading
        self._contents = {row.path: row.content for row in read_csv(run / SPLIT).rows}
        self.thumbnail = lru_cache(_MAX_THUMBNAILS)(self._thumbnail)

    @cached_property
    def _find(self) -> FindFile:
        try:
            return find_in(self._data)
        except DataError:
            if self._data.path is not None:  # a folder may come back, and is found at once
                raise
            return lambda _: None

    def _is_outside(self, file: PhotoFile) -> bool:
        """Whether it is a file outside of the training folder."""
        folder = self._data.path
        if folder is None or not folder.is_dir() or not isinstance(file, Path):
            return False
        return not file.resolve().is_relative_to(folder)

    def _thumbnail(self, path: str) -> str | None:
        """A ``data:`` URL of a JPEG, 192 pixels at its longest side, or None."""
        if path not in self._contents:
            return None
        try:
            file = self._find(path)
            if file is None or self._is_outside(file):
                return None
            data = FileReader().read(file, self._contents[path])
        except (DataError, ImageError, OSError, ValueError):  # ValueError: a NUL in the path
            return None
        pixels = preview(data, _THUMBNAIL_PX, self._reading)
        if pixels is None:
            return None
        return f"data:image/jpeg;base64,{b64encode(to_jpeg(pixels)).decode('ascii')}"


class ServedModel:
    """One loaded version of a run.

    Attributes:
        name: The name by which clients choose it.
        classifier: The run.
        photos: Thumbnails of its training photos.
        samples: PNG files to try it on.
    """

    def __init__(
        self, name: str, classifier: Classifier, photos: TrainingPhotos, samples: tuple[bytes, ...]
    ) -> None:
        """Hold a loaded run."""
        self.name = name
        self.classifier = classifier
        self.photos = photos
        self.samples = samples
        # Bounded, as clients may request any coverage.
        self._at = lru_cache(_MAX_COVERAGES)(classifier.with_coverage)

    def at(self, coverage: float | None) -> Classifier:
        """The classifier at a coverage; by default its own.

        Raises:
            UsageError: It can't abstain.
        """
        if coverage is None:
            return self.classifier
        self.classifier.prepare_to_explain()
        return self._at(coverage)


def describe(model: ServedModel, *, is_default: bool) -> dict[str, Any]:
    """JSON values of a run in the shape of `candid.server.schemas.ModelOut`; they hold no path."""
    classifier = model.classifier
    manifest = classifier.require_manifest()
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
    figures = {name: getattr(measured, name) for name in FIGURES}
    return {name: vars(figure) for name, figure in figures.items() if figure is not None}


def load_model(name: str, run: Path, max_pixels: int, *, similar: bool = True) -> ServedModel:
    """Load a run and check it against its golden answers.

    Args:
        name: The name by which clients choose it.
        run: Its folder.
        max_pixels: Limit of pixels per image.
        similar: Whether clients may see photos of its data: similar ones, and samples.

    Raises:
        ArtifactError: It is no run, or not as it was written.
    """
    # One thread per call; the workers make calls in parallel.
    classifier = load(run, num_threads=1)
    classifier.check_golden(run / GOLDEN)
    classifier.contract = replace(classifier.contract, max_pixels=max_pixels)
    data = classifier.require_manifest().data.source
    # Read everything of this version now: the folder may be replaced before it is needed.
    classifier.prepare_to_explain(similar=similar)
    photos = TrainingPhotos(run, data, classifier.contract)
    model = ServedModel(name, classifier, photos, read_samples(run / GOLDEN) if similar else ())
    _require_measured(model, run)
    return model


def _require_measured(model: ServedModel, run: Path) -> None:
    """Refuse figures that don't have the shape that ``/v1/models`` promises."""
    try:
        described = describe(model, is_default=False)
        MeasuredOut.model_validate(described, strict=True)
        to_json_bytes(described)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        why = first_line(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ArtifactError(
            f"{run}/candid.json does not say how good it is ({why}); train again."
        ) from error


@dataclass
class _Slot:
    """A served name: its path, and the model that answers for it now."""

    name: str
    path: Path
    stamp: Stamp
    model: ServedModel
    failed: Stamp | None = None
    retry_at: float = 0.0

    def is_settled(self, stamp: Stamp) -> bool:
        """Whether nothing changed, or what changed failed to load less than `_RETRY_S` ago."""
        return stamp == self.stamp or (stamp == self.failed and monotonic() < self.retry_at)


class Reloaded(NamedTuple):
    """Result of reloading one run.

    Attributes:
        name: Its name.
        problem: Why the old version stays; None if the new one is used.
    """

    name: str
    problem: str | None


class Models:
    """All runs of a server, by name; the first is the default."""

    def __init__(self, paths: Sequence[Path], max_pixels: int, *, similar: bool = True) -> None:
        """Load them.

        Args:
            paths: Folders of runs, or links to them such as ``runs/latest``.
            max_pixels: Limit of pixels per image.
            similar: Whether clients may see photos of their data.

        Raises:
            ArtifactError: One is no run, or not as it was written.
        """
        self._load_model = partial(load_model, max_pixels=max_pixels, similar=similar)
        with ThreadPoolExecutor(max(1, len(paths))) as pool:
            self._slots = list(pool.map(self._load, _unique_names(paths), paths))

    def __iter__(self) -> Iterator[ServedModel]:
        return iter([slot.model for slot in self._slots])

    def reload(self, *, always: bool = False) -> list[Reloaded]:
        """Load the runs that were replaced, and exchange each once the new version is ready.

        A version that does not load is reported once and retried after 30 seconds; until it loads,
        the old one stays.

        Args:
            always: Whether to reload unchanged runs too, and retry failed ones at once.

        Returns:
            The exchanged runs, and those that failed.
        """
        results = [self._reload(slot, always=always) for slot in self._slots]
        return [result for result in results if result is not None]

    def _load(self, name: str, path: Path) -> _Slot:
        stamp = _stamp(path)
        return _Slot(name, path, stamp, self._load_model(name, Path(stamp[0])))

    def _reload(self, slot: _Slot, *, always: bool) -> Reloaded | None:
        stamp: Stamp | None = None
        try:
            stamp = _stamp(slot.path)
            if not always and slot.is_settled(stamp):
                return None
            model = self._load_model(slot.name, Path(stamp[0]))
        except Exception as error:  # half-copied files raise errors of any kind
            is_new = always or stamp is None or stamp != slot.failed
            is_known = slot.failed is not None and stamp is None
            slot.failed = stamp or _NO_STAMP
            slot.retry_at = monotonic() + _RETRY_S
            return Reloaded(slot.name, first_line(error)) if is_new and not is_known else None
        slot.model, slot.stamp, slot.failed = model, stamp, None
        return Reloaded(slot.name, None)


def _stamp(path: Path) -> Stamp:
    run = find_run(path).resolve()
    try:
        status = (run / MANIFEST).stat()
    except OSError as error:
        raise ArtifactError(f"{path} is no run: it has no {MANIFEST}.") from error
    return str(run), status.st_mtime_ns, status.st_ino, status.st_size


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """The folders' names; equal ones get a number."""
    names: list[str] = []
    for path in paths:
        base = path.name or path.resolve().name
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names
