"""Runs → what answers: loaded once, and replaced as a whole when a run was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Final

from pydantic import ValidationError

from candid.app import read_samples
from candid.artifact import GOLDEN, MANIFEST, find_run
from candid.classifier import Classifier, load
from candid.errors import ArtifactError
from candid.manifest import Manifest
from candid.model import first_line
from candid.server.describing import describe
from candid.server.photos import TrainingPhotos
from candid.server.problems import to_json_bytes
from candid.server.schemas import MeasuredOut

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
