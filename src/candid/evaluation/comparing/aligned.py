"""The images that all runs have in common, and what each answered to them.

Images are the same if their bytes are, whatever they are called. What one run knows to be copies
holds for all: runs need not have been trained with the same backbone or on the same folder.

What a run predicted of photos that it never saw, read back and checked.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from shlex import quote
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from candid.core.text import join_names, plural, plural_are, sanitize
from candid.errors import ArtifactError, UsageError
from candid.runs.artifact import MANIFEST, PREDICTIONS, SPLIT, find_run, read_manifest
from candid.splits.duplicates import connect
from candid.splits.split import PARTS, Row, Split, read_csv

EstimateSource = Literal["test", "kfold"]
ESTIMATES: Final[tuple[EstimateSource, ...]] = get_args(EstimateSource)

_COLUMNS: Final = ("estimate", "path", "class", "part", "label")
#: From which parts photos are predicted by an estimate.
_PARTS_OF: Final[Mapping[str, tuple[str, ...]]] = {"test": ("test",), "kfold": PARTS}
_TRAINED_PARTS: Final = ("train", "val")


@dataclass(frozen=True)
class Image:
    """A content that is in a part of a run; files with the same bytes are one image.

    Attributes:
        path: Where the run found it, relative to its data folder.
        label: Its class, as the run has it.
        part: ``train``, ``val`` or ``test``.
    """

    path: str
    label: str
    part: str


@dataclass(frozen=True)
class PredictedRun:
    """A run's images and how it did on those that it never saw. Keys are SHA-256 of contents.

    Attributes:
        folder: Where the run is, as it was given.
        classes: Names of the classes.
        images: What is in a part.
        groups: The key of each content's group, of what is in no part as well: contents with one
            key belong together. It is the beginning of a content; one without a group is its own.
        right: By estimate, whether the answer was right. An estimate that the run does not have is
            absent.
    """

    folder: Path
    classes: tuple[str, ...]
    images: Mapping[str, Image]
    groups: Mapping[str, str]
    right: Mapping[EstimateSource, Mapping[str, bool]]

    @property
    def trained(self) -> frozenset[str]:
        """Contents that the run learnt from or was chosen by: its parts train and val."""
        return frozenset(c for c, image in self.images.items() if image.part in _TRAINED_PARTS)


def read_run(folder: str | Path) -> PredictedRun:
    """Read a run's split and predictions.

    Args:
        folder: The run's folder.

    Returns:
        What it predicted.

    Raises:
        ArtifactError: There is no such run, or it is not as it was written.
        SplitError: Its split can't be read.
    """
    found = find_run(folder)
    manifest = read_manifest(found)
    classes = manifest.classes
    if PREDICTIONS not in manifest.files:
        raise ArtifactError(
            f"{found / MANIFEST} lists no {PREDICTIONS}; expected what each photo was predicted "
            "as. Train again."
        )
    dealt = read_csv(found / SPLIT)
    right = _read_right(found / PREDICTIONS, dealt, classes)
    groups = {row.content: row.group or row.content for row in dealt.rows if row.content}
    return PredictedRun(Path(folder), classes, _images(dealt), groups, right)


def _images(dealt: Split) -> dict[str, Image]:
    images: dict[str, Image] = {}
    for row in dealt.rows:
        if row.part and row.content:
            images.setdefault(row.content, Image(row.path, row.label, row.part))
    return images


def _read_right(
    file: Path, dealt: Split, classes: tuple[str, ...]
) -> dict[EstimateSource, dict[str, bool]]:
    """Whether each answer was right, by estimate and content."""
    by_path = {row.path: row for row in dealt.rows if row.part}
    seen: dict[EstimateSource, dict[str, bool]] = {}
    rights: dict[EstimateSource, dict[str, bool]] = {}
    for number, values in _rows(file):
        estimate, row, right = _check(file, number, values, by_path, classes)
        if row.path in seen.setdefault(estimate, {}):
            raise _wrong(file, number, f"{row.path} is predicted twice by {estimate}")
        seen[estimate][row.path] = right
        rights.setdefault(estimate, {}).setdefault(row.content, right)
    _require_whole(file, by_path, seen)
    return rights


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """The lines of a CSV file with their numbers, by column name."""
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
    """Hold a line against the split, and return its estimate, its row there and if it is right."""
    estimate, path, truth, part, label = (values[name] or "" for name in _COLUMNS)
    known = next((name for name in ESTIMATES if name == estimate), None)
    if known is None:
        raise _wrong(file, number, f"the estimate is {estimate!r}, not one of test and kfold")
    row = by_path.get(path)
    if row is None or not row.content:
        raise _wrong(file, number, f"{path!r} is in no part of {SPLIT}")
    if (row.label, row.part) != (truth, part) or part not in _PARTS_OF[estimate]:
        raise _wrong(
            file,
            number,
            f"{path} is said to be {truth!r} in part {part!r}, which is not what {SPLIT} and the "
            f"estimate {estimate} say",
        )
    if label not in classes or truth not in classes:
        strange = label if label not in classes else truth
        raise _wrong(file, number, f"{strange!r} is none of the classes {', '.join(classes)}")
    return known, row, label == truth


def _require_whole(
    file: Path, by_path: Mapping[str, Row], seen: Mapping[EstimateSource, Mapping[str, bool]]
) -> None:
    """Refuse a file that lacks some of the photos: what is left would not be a fair sample."""
    for estimate in ("test", *seen):
        wanted = [path for path, row in by_path.items() if row.part in _PARTS_OF[estimate]]
        missing = [path for path in wanted if path not in seen.get(estimate, {})]
        if missing:
            raise ArtifactError(
                f"{file} lacks the estimate {estimate} of {len(missing)} of {len(wanted)} photos, "
                f"such as {sanitize(missing[0])}. Restore it or train again."
            )


def _wrong(file: Path, number: int, what: str) -> ArtifactError:
    return ArtifactError(
        f"{file}, line {number}: {sanitize(what)}. Restore the run or train again."
    )


#: What an estimate is called in a line of text.
TITLES: Final[Mapping[EstimateSource, str]] = {"test": "test part", "kfold": "cross-validation"}


@dataclass(frozen=True)
class Aligned:
    """What r runs answered to the same n images, in the order of the images' contents.

    Attributes:
        estimate: How they were predicted.
        hits: bool ``(r, n)``, whether each answer was right.
        groups: int64 ``(n,)``; images of one group are copies of one another.
        notes: What was left out.
    """

    estimate: EstimateSource
    hits: NDArray[np.bool_]
    groups: NDArray[np.int64]
    notes: tuple[str, ...]

    @property
    def num_images(self) -> int:
        """How many images there are."""
        return len(self.groups)

    @property
    def num_pictures(self) -> int:
        """How many of them are different."""
        return len(np.unique(self.groups))


def require_same_classes(runs: Sequence[PredictedRun]) -> None:
    """Refuse runs that tell other classes apart.

    Raises:
        UsageError: They do.
    """
    first = runs[0]
    for other in runs[1:]:
        if set(other.classes) != set(first.classes):
            only = [
                sorted(set(a.classes) - set(b.classes)) for a, b in permutations((first, other))
            ]
            there = "; ".join(
                f"only {sanitize(str(run.folder))} has {', '.join(map(sanitize, names))}"
                for run, names in zip((first, other), only, strict=True)
                if names
            )
            raise UsageError(
                f"the runs don't tell the same classes apart: {there}. Compare runs that do."
            )


def number_pictures(runs: Sequence[PredictedRun]) -> dict[str, int]:
    """Number the pictures of all runs' contents; contents that any run has as copies share one.

    Contents are also tied by the name of their group, which is a content itself.
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
    """Refuse runs of which one was trained on what the other is tested on, or on a copy of it.

    Args:
        runs: The runs.
        pictures: By content, as `number_pictures` numbers them.

    Raises:
        UsageError: One was.
    """
    trained = [frozenset(pictures[content] for content in run.trained) for run in runs]
    for tested, other in permutations(range(len(runs)), 2):
        # What a run was trained on itself is no fair test image anyhow; `join` leaves it out.
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
    """How runs come to have the same test images."""
    split = quote(sanitize(str(first / SPLIT)))
    return f"Train both with the split of the first: `candid train DATA --split {split}`."


def align(
    runs: Sequence[PredictedRun], estimate: EstimateSource, pictures: Mapping[str, int]
) -> Aligned:
    """The images that every run predicted by one estimate.

    Images that don't have the same class in all runs are left out, and so are those of which a run
    that did not know of a copy may have learnt from it.

    Args:
        runs: Runs that have the estimate.
        estimate: How the images were predicted.
        pictures: By content, as `number_pictures` numbers them.
    """
    answered = [run.right[estimate] for run in runs]
    shared = sorted(set(answered[0]).intersection(*answered[1:]))
    learnt = frozenset[int]().union(*(_learnt_from(run, estimate, pictures) for run in runs))
    disputed = [c for c in shared if len({run.images[c].label for run in runs}) > 1]
    agreed = sorted(set(shared).difference(disputed))
    fair = [content for content in agreed if pictures[content] not in learnt]
    hits = np.array([[rights[c] for c in fair] for rights in answered], np.bool_)
    notes = _notes_on(
        [
            (len(set().union(*answered)) - len(shared), "not every run has them"),
            (len(disputed), _why_disputed(runs[0], disputed)),
            (len(agreed) - len(fair), "a run that did not know of a copy may have learnt from it"),
        ],
        TITLES[estimate],
    )
    groups = np.array([pictures[content] for content in fair], np.int64)
    return Aligned(estimate, hits.reshape(len(runs), len(fair)), groups, notes)


def _notes_on(left_out: Sequence[tuple[int, str]], title: str) -> tuple[str, ...]:
    return tuple(
        f"{title}: {plural_are(number, 'image')} left out: {reason}."
        for number, reason in left_out
        if number
    )


def _why_disputed(run: PredictedRun, contents: Sequence[str]) -> str:
    names = join_names([sanitize(run.images[content].path) for content in contents])
    return f"the runs have them in different classes ({names})"


def _learnt_from(
    run: PredictedRun, estimate: EstimateSource, pictures: Mapping[str, int]
) -> frozenset[int]:
    """Pictures of which a run may have seen a copy before it was asked."""
    if estimate == "test":
        return frozenset(pictures[content] for content in run.trained)
    # Its folds kept groups together, as far as it knew them.
    keys: dict[int, set[str]] = {}
    for content in run.images:
        keys.setdefault(pictures[content], set()).add(run.groups[content])
    return frozenset(picture for picture, names in keys.items() if len(names) > 1)
