"""Reads the predictions of runs and aligns them on the images that all runs have.

An image is identified by the SHA-256 of its bytes, so runs need not have been trained on the same
folder. Copies that any one run knows are treated as copies in all runs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from shlex import quote
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from candid.core.text import join_names, plural, plural_are, sanitize
from candid.data.parts import PARTS
from candid.errors import ArtifactError, UsageError
from candid.evaluation.estimate import EstimateSource
from candid.runs.artifact import MANIFEST, PREDICTIONS, SPLIT, find_run, read_manifest
from candid.runs.manifest import FinetuneSettings, Manifest
from candid.splits.duplicates import connect
from candid.splits.split import Row, Split, read_csv

ESTIMATES: Final[tuple[EstimateSource, ...]] = get_args(EstimateSource)
#: What an estimate is called in a line of text.
TITLES: Final[Mapping[EstimateSource, str]] = {"test": "test part", "kfold": "cross-validation"}

_COLUMNS: Final = ("estimate", "path", "class", "part", "label")
#: Parts whose photos an estimate predicts.
_PARTS_OF: Final[Mapping[str, tuple[str, ...]]] = {"test": ("test",), "kfold": PARTS}
_TRAINED_PARTS: Final = ("train", "val")


@dataclass(frozen=True)
class PredictedRun:
    """A run's images and the outcomes of its predictions. Images are keyed by SHA-256.

    Attributes:
        folder: The run's folder, as it was given.
        images: The first row of each image that is in a part.
        groups: Group name of each image, including those in no part.
        right: By estimate, whether the prediction was right. Estimates that the run does not have
            are absent.
    """

    folder: Path
    classes: tuple[str, ...]
    images: Mapping[str, Row]
    groups: Mapping[str, str]
    right: Mapping[EstimateSource, Mapping[str, bool]]

    @property
    def trained(self) -> frozenset[str]:
        """Images that the model was fitted or selected on: those in the parts train and val."""
        return frozenset(c for c, row in self.images.items() if row.part in _TRAINED_PARTS)


def read_run(folder: str | Path) -> PredictedRun:
    """Read and check a run's split and predictions.

    Raises:
        ArtifactError: There is no such run, or its files are not as they were written.
        SplitError: Its split can't be read.
    """
    found = find_run(folder)
    manifest = read_manifest(found)
    if PREDICTIONS not in manifest.files:
        raise ArtifactError(
            f"{found / MANIFEST} lists no {PREDICTIONS}; expected the prediction of each photo. "
            "Train again."
        )
    split = read_csv(found / SPLIT)
    right = _read_right(found / PREDICTIONS, split, manifest)
    images: dict[str, Row] = {}
    # Of equal files in two parts (--own-parts as-is), the one that was trained on counts.
    for row in sorted(split.rows, key=lambda row: row.part not in _TRAINED_PARTS):
        if row.part and row.content:
            images.setdefault(row.content, row)
    groups = {row.content: row.group or row.content for row in split.rows if row.content}
    return PredictedRun(Path(folder), manifest.classes, images, groups, right)


def _read_right(
    file: Path, split: Split, manifest: Manifest
) -> dict[EstimateSource, dict[str, bool]]:
    """Whether each prediction was right, by estimate and image."""
    by_path = {row.path: row for row in split.rows if row.part}
    seen: dict[str, set[str]] = {"test": set()}
    right: dict[EstimateSource, dict[str, bool]] = {}
    for number, values in _read_rows(file):
        estimate, row, is_right = _check(file, number, values, by_path, manifest.classes)
        if row.path in seen.setdefault(estimate, set()):
            raise _wrong(file, number, f"{row.path} is predicted twice by {estimate}")
        seen[estimate].add(row.path)
        right.setdefault(estimate, {}).setdefault(row.content, is_right)
    for estimate_name, paths in seen.items():
        # The predictions that are left of an incomplete file would be a biased sample.
        wanted = [path for path, row in by_path.items() if row.part in _PARTS_OF[estimate_name]]
        missing = [path for path in wanted if path not in paths]
        if missing and len(paths) != _count(manifest, estimate_name):
            raise ArtifactError(
                f"{file} lacks the estimate {estimate_name} of {len(missing)} of {len(wanted)} "
                f"photos, such as {sanitize(missing[0])}. Restore it or train again."
            )
    return right


def _count(manifest: Manifest, estimate: str) -> int | None:
    """The photos of an estimate, if these are not all: where only some folds were held out."""
    metrics = manifest.metrics
    if estimate != "kfold" or not isinstance(manifest.settings, FinetuneSettings) or not metrics:
        return None
    accuracy = metrics.kfold and metrics.kfold.accuracy
    return accuracy.n if accuracy else None


def _read_rows(file: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Line number and values by column of each row of a CSV file."""
    try:
        text = file.read_bytes().decode("utf-8", errors="surrogateescape")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ArtifactError(
                f"{file} lacks the columns {', '.join(missing)}; expected {', '.join(_COLUMNS)}. "
                "Restore it or train again."
            )
        for values in reader:
            yield reader.line_num, values
    except (OSError, csv.Error) as error:
        raise ArtifactError(
            f"{file} can't be read as CSV ({error}); restore it or train again."
        ) from error


def _check(
    file: Path,
    number: int,
    values: Mapping[str, str | None],
    by_path: Mapping[str, Row],
    classes: tuple[str, ...],
) -> tuple[EstimateSource, Row, bool]:
    """Check a line against the split; return its estimate, its row there and if it is right."""
    name, path, truth, part, label = (values[column] or "" for column in _COLUMNS)
    estimate = next((known for known in ESTIMATES if known == name), None)
    if estimate is None:
        raise _wrong(file, number, f"the estimate is {name!r}; expected test or kfold")
    row = by_path.get(path)
    if row is None or not row.content:
        raise _wrong(file, number, f"{path!r} is in no part of {SPLIT}")
    if (row.label, row.part) != (truth, part) or part not in _PARTS_OF[estimate]:
        raise _wrong(
            file,
            number,
            f"{path} is of class {truth!r} in part {part!r}, which contradicts {SPLIT} or the "
            f"estimate {estimate}",
        )
    for each in (label, truth):
        if each not in classes:
            raise _wrong(file, number, f"{each!r} is none of the classes {', '.join(classes)}")
    return estimate, row, label == truth


def _wrong(file: Path, number: int, what: str) -> ArtifactError:
    return ArtifactError(
        f"{file}, line {number}: {sanitize(what)}. Restore the run or train again."
    )


@dataclass(frozen=True)
class Aligned:
    """Outcomes of r runs on the same n images, ordered by SHA-256.

    Attributes:
        hits: bool ``(r, n)``, whether each prediction was right.
        groups: int64 ``(n,)``; images of one group are copies of one another.
        notes: What was left out and why.
        contents: SHA-256 of each image.
    """

    estimate: EstimateSource
    hits: NDArray[np.bool_]
    groups: NDArray[np.int64]
    notes: tuple[str, ...]
    contents: tuple[str, ...] = ()

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self.groups)

    @property
    def num_pictures(self) -> int:
        """Number of different pictures, that is, of groups."""
        return len(np.unique(self.groups))


def require_same_classes(runs: Sequence[PredictedRun]) -> None:
    """Raise UsageError if the runs have different classes."""
    first = runs[0]
    for other in runs[1:]:
        only = [
            (a.folder, sorted(set(a.classes) - set(b.classes)))
            for a, b in permutations((first, other))
        ]
        parts = [
            f"only {sanitize(str(folder))} has {', '.join(map(sanitize, names))}"
            for folder, names in only
            if names
        ]
        if parts:
            raise UsageError(
                f"the runs have different classes: {'; '.join(parts)}. Compare runs with the same "
                "classes."
            )


def number_pictures(runs: Sequence[PredictedRun]) -> dict[str, int]:
    """Number the pictures of all runs' images; copies in any run share a number.

    Group names are derived from contents, so equal names connect images across runs.
    """
    members: dict[str, dict[str, None]] = {}
    for run in runs:
        for content, group in run.groups.items():
            members.setdefault(group, {})[content] = None
    contents = sorted({content for run in runs for content in run.groups})
    places = {content: place for place, content in enumerate(contents)}
    pairs = [
        (places[next(iter(tied))], places[content]) for tied in members.values() for content in tied
    ]
    numbers = connect(len(contents), pairs)
    return {content: int(numbers[place]) for content, place in places.items()}


def require_unseen(runs: Sequence[PredictedRun], pictures: Mapping[str, int]) -> None:
    """Raise UsageError if a run was trained on a test image of another one, or on a copy of it."""
    trained = [frozenset(pictures[content] for content in run.trained) for run in runs]
    for tested, other in permutations(range(len(runs)), 2):
        # Test images whose copies the tested run itself was trained on are left out by `align`.
        seen = trained[other] - trained[tested]
        test = runs[tested].right["test"]
        leaked = sorted(
            runs[tested].images[content].path for content in test if pictures[content] in seen
        )
        if leaked:
            first = runs[min(tested, other)].folder
            raise UsageError(
                f"{sanitize(str(runs[other].folder))} was trained on {len(leaked)} of the "
                f"{plural(len(test), 'test image')} of {sanitize(str(runs[tested].folder))}, or on "
                f"copies of them ({join_names([sanitize(path) for path in leaked])}), so they "
                f"can't be compared. {advise_split(first)}"
            )


def advise_split(first: Path) -> str:
    """Say how to train runs with the same test images."""
    split = quote(sanitize(str(first / SPLIT)))
    return f"Train both with the split of the first: `candid train DATA --split {split}`."


def align(
    runs: Sequence[PredictedRun], estimate: EstimateSource, pictures: Mapping[str, int]
) -> Aligned:
    """Align runs on the images that each predicted by one estimate.

    Leaves out images that have different classes in different runs, and images of which a run may
    have been trained on a copy that it did not know. ``pictures`` is from `number_pictures`.
    """
    outcomes = [run.right[estimate] for run in runs]
    shared = sorted(set(outcomes[0]).intersection(*outcomes[1:]))
    trained = frozenset[int]().union(*(_trained_on(run, estimate, pictures) for run in runs))
    disputed = [c for c in shared if len({run.images[c].label for run in runs}) > 1]
    agreed = sorted(set(shared).difference(disputed))
    fair = [content for content in agreed if pictures[content] not in trained]
    hits = np.array([[right[c] for c in fair] for right in outcomes], np.bool_)
    names = join_names([sanitize(runs[0].images[content].path) for content in disputed])
    left_out = (
        (len(set().union(*outcomes)) - len(shared), "not every run has them"),
        (len(disputed), f"the runs have them in different classes ({names})"),
        (len(agreed) - len(fair), "a run may have been trained on a copy that it did not know"),
    )
    notes = tuple(
        f"{TITLES[estimate]}: {plural_are(number, 'image')} left out: {reason}."
        for number, reason in left_out
        if number
    )
    groups = np.array([pictures[content] for content in fair], np.int64)
    return Aligned(estimate, hits.reshape(len(runs), len(fair)), groups, notes, tuple(fair))


def _trained_on(
    run: PredictedRun, estimate: EstimateSource, pictures: Mapping[str, int]
) -> frozenset[int]:
    """Pictures of which the predicting model may have been trained on a copy."""
    if estimate == "test":
        return frozenset(pictures[content] for content in run.trained)
    # Folds keep the groups together that the run knows, so only others can be torn apart.
    names: dict[int, set[str]] = {}
    for content in run.images:
        names.setdefault(pictures[content], set()).add(run.groups[content])
    return frozenset(picture for picture, known in names.items() if len(known) > 1)
