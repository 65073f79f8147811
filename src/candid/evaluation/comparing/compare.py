"""What `candid compare` does: reads runs, holds them against one another, and says what is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from candid.core.text import join_names, sanitize
from candid.errors import UsageError
from candid.evaluation.comparing.aligned import (
    ESTIMATES,
    TITLES,
    Aligned,
    PredictedRun,
    advise_split,
    align,
    number_pictures,
    read_run,
    require_same_classes,
    require_unseen,
)
from candid.evaluation.comparing.comparison import Comparison, measure


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Compare trained runs on the same images, pair by pair.

    Images are the same if their bytes are, so files may have been renamed and lie elsewhere. With
    more than two runs the images are those that all of them have.

    The question that is answered is whether one of these models is better than another on photos
    like these; not whether a recipe would be better if it were trained again on other photos
    (Dietterich, 1998).

    Args:
        folders: The folders of two or more runs.

    Returns:
        The figures, a sentence a pair, and notes.

    Raises:
        UsageError: There are fewer than two runs, they tell other classes apart, one was trained on
            what another is tested on or on a copy of it, or they share no image.
        ArtifactError: A run is not there, or not as it was written.

    Example:
        >>> comparison = compare_runs(["runs/a", "runs/b"])  # doctest: +SKIP
        >>> print(comparison.to_text())  # doctest: +SKIP
    """
    if len(folders) < 2:
        raise UsageError(
            f"there is nothing to compare. Expected the folders of two or more runs, received "
            f"{len(folders)}: `candid compare RUN RUN`."
        )
    runs = [read_run(folder) for folder in folders]
    require_same_classes(runs)
    pictures = number_pictures(runs)
    require_unseen(runs, pictures)
    names = _names([run.folder for run in runs])
    joined = [
        align(runs, estimate, pictures)
        for estimate in ESTIMATES
        if all(estimate in run.right for run in runs)
    ]
    usable = [found for found in joined if found.num_images]
    notes = [note for found in joined for note in found.notes]
    if not usable:
        raise UsageError(_nothing_shared(runs, joined))
    notes += _notes(runs, names, usable)
    return Comparison(
        names,
        tuple(run.folder for run in runs),
        tuple(measure(found, names) for found in usable),
        tuple(notes),
    )


def _names(folders: Sequence[Path]) -> tuple[str, ...]:
    """The names of folders, or more of their paths where those are alike."""
    short = [folder.name or folder.resolve().name for folder in folders]
    names = short if len(set(short)) == len(short) else [str(folder) for folder in folders]
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(distinct)


def _nothing_shared(runs: Sequence[PredictedRun], joined: Sequence[Aligned]) -> str:
    named = join_names([sanitize(str(run.folder)) for run in runs], most=len(runs))
    tried = join_names([TITLES[found.estimate] for found in joined])
    notes = " ".join(note for found in joined for note in found.notes)
    return (
        f"there is no image to compare {named} on, by {tried}"
        f"{f' ({notes[:-1]})' if notes else ''}. {advise_split(runs[0].folder)}"
    )


def _notes(
    runs: Sequence[PredictedRun], names: Sequence[str], usable: Sequence[Aligned]
) -> list[str]:
    notes = []
    lacking = [name for run, name in zip(runs, names, strict=True) if "kfold" not in run.right]
    if lacking and len(lacking) < len(runs):
        notes.append(
            f"without cross-validated predictions of {join_names(list(map(sanitize, lacking)))} "
            "the runs are compared on their test parts alone."
        )
    if all(found.estimate != "test" for found in usable):
        notes.append(
            "the runs share no test image, so they are compared by cross-validation alone."
        )
    if len({run.folder.resolve() for run in runs}) < len(runs):
        notes.append("a run is compared with itself.")
    return notes
