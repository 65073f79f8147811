"""The images that all runs have in common, and what each answered to them.

Images are the same if their bytes are, whatever they are called. What one run knows to be copies
holds for all: runs need not have been trained with the same backbone or on the same folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from shlex import quote
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.artifact import SPLIT
from candid.comparing.runs import Estimate, PredictedRun
from candid.duplicates import connect
from candid.errors import UsageError
from candid.showable import show_text
from candid.wording import count, count_are, name_some

#: What an estimate is called in a line of text.
TITLES: Final[Mapping[Estimate, str]] = {"test": "test part", "kfold": "cross-validation"}


@dataclass(frozen=True)
class Joined:
    """What r runs answered to the same n images, in the order of the images' contents.

    Attributes:
        estimate: How they were predicted.
        hits: bool ``(r, n)``, whether each answer was right.
        groups: int64 ``(n,)``; images of one group are copies of one another.
        notes: What was left out.
    """

    estimate: Estimate
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
                f"only {show_text(str(run.folder))} has {', '.join(map(show_text, names))}"
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
                f"{show_text(str(runs[other].folder))} was trained on {len(leaked)} of the "
                f"{count(len(test), 'test image')} of {show_text(str(runs[tested].folder))}, or on "
                f"copies of them ({name_some([show_text(path) for path in leaked])}), so they "
                f"can't be compared. {advise_split(first)}"
            )


def advise_split(first: Path) -> str:
    """How runs come to have the same test images."""
    split = quote(show_text(str(first / SPLIT)))
    return f"Train both with the split of the first: `candid train DATA --split {split}`."


def join(runs: Sequence[PredictedRun], estimate: Estimate, pictures: Mapping[str, int]) -> Joined:
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
    return Joined(estimate, hits.reshape(len(runs), len(fair)), groups, notes)


def _notes_on(left_out: Sequence[tuple[int, str]], title: str) -> tuple[str, ...]:
    return tuple(
        f"{title}: {count_are(number, 'image')} left out: {reason}."
        for number, reason in left_out
        if number
    )


def _why_disputed(run: PredictedRun, contents: Sequence[str]) -> str:
    names = name_some([show_text(run.images[content].path) for content in contents])
    return f"the runs have them in different classes ({names})"


def _learnt_from(
    run: PredictedRun, estimate: Estimate, pictures: Mapping[str, int]
) -> frozenset[int]:
    """Pictures of which a run may have seen a copy before it was asked."""
    if estimate == "test":
        return frozenset(pictures[content] for content in run.trained)
    # Its folds kept groups together, as far as it knew them.
    keys: dict[int, set[str]] = {}
    for content in run.images:
        keys.setdefault(pictures[content], set()).add(run.groups[content])
    return frozenset(picture for picture, names in keys.items() if len(names) > 1)
