"""What a run predicted of photos that it never saw, read back and checked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from candid.artifact import MANIFEST, PREDICTIONS, SPLIT, find_run, read_manifest
from candid.errors import ArtifactError
from candid.showable import show_text
from candid.split import PARTS, Row, Split
from candid.split_file import read_csv

Estimate = Literal["test", "kfold"]
ESTIMATES: Final[tuple[Estimate, ...]] = get_args(Estimate)

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
    right: Mapping[Estimate, Mapping[str, bool]]

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
) -> dict[Estimate, dict[str, bool]]:
    """Whether each answer was right, by estimate and content."""
    by_path = {row.path: row for row in dealt.rows if row.part}
    seen: dict[Estimate, dict[str, bool]] = {}
    rights: dict[Estimate, dict[str, bool]] = {}
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
) -> tuple[Estimate, Row, bool]:
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
    file: Path, by_path: Mapping[str, Row], seen: Mapping[Estimate, Mapping[str, bool]]
) -> None:
    """Refuse a file that lacks some of the photos: what is left would not be a fair sample."""
    for estimate in ("test", *seen):
        wanted = [path for path, row in by_path.items() if row.part in _PARTS_OF[estimate]]
        missing = [path for path in wanted if path not in seen.get(estimate, {})]
        if missing:
            raise ArtifactError(
                f"{file} lacks the estimate {estimate} of {len(missing)} of {len(wanted)} photos, "
                f"such as {show_text(missing[0])}. Restore it or train again."
            )


def _wrong(file: Path, number: int, what: str) -> ArtifactError:
    return ArtifactError(
        f"{file}, line {number}: {show_text(what)}. Restore the run or train again."
    )
