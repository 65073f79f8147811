"""Classes of very different sizes.

How many different pictures each class has, which is what counts: copies teach nothing.

A folder whose sub-folders are not its classes, as when a level was missed in unpacking.

Folders of classes without a photo that can be read, in the whole folder or in one part.

Classes with too few pictures to measure how well they are told from the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Bar, Chart, Check, Finding, Outcome, Severity
from candid.core.text import join_names, plural, plural_are
from candid.data.catalog import HIDDEN_FOLDER, is_part
from candid.evaluation.estimate import Estimate, wilson
from candid.splits.split import SHARES

#: Of more classes, the chart shows as many of the largest and of the smallest.
MOST_BARS: Final = 40


def pictures_by_class(evidence: Evidence) -> dict[str, int]:
    """Different pictures of every class, empty ones too, in alphabetical order.

    A picture that sits in two classes counts in both.
    """
    pairs = np.unique(np.stack([evidence.labels, evidence.groups.of_photo], axis=1), axis=0)
    numbers = Counter(pairs[:, 0].tolist())
    return {name: numbers[place] for place, name in enumerate(evidence.classes)}


def chart_of(sizes: dict[str, int]) -> Chart:
    """Classes by size, the smallest emphasised."""
    ranked = sorted(sizes, key=lambda name: (-sizes[name], name))
    title = "Different pictures of each class"
    if len(ranked) > MOST_BARS:
        half = MOST_BARS // 2
        ranked = ranked[:half] + ranked[-half:]
        title = f"Different pictures of the {half} largest and the {half} smallest classes"
    least = min(sizes.values())
    uneven = least < max(sizes.values())
    bars = [Bar(name, sizes[name], emphasis=uneven and sizes[name] == least) for name in ranked]
    return Chart(title, tuple(bars), "count")


_SUMMARY = "the sub-folders don't look like two or more classes"


def _run_folder_shape(evidence: Evidence) -> Outcome:
    """Say what the classes may be instead of those that were found."""
    told = _only_class(evidence) if len(evidence.classes) == 1 else _parts_as_classes(evidence)
    return Outcome.found(_SUMMARY, [Finding(told)]) if told else Outcome.clean()


def _only_class(evidence: Evidence) -> str:
    """Tell where classes may be below the only class that there is."""
    only = f"there is one class only, {evidence.classes[0]}"
    above, below = _branching([photo.path for photo in evidence.scanned.photos])
    catalog = evidence.scanned
    if len(below) < 2 or not catalog.below_part("/".join((*above, below[0]))):
        return f"{only}, so there is nothing to tell apart"
    place = "/".join((catalog.folder.name, *above))
    named = join_names(below)
    whose = "its sub-folders are" if above[-1] == catalog.classes[0] else f"{place} holds"
    return f"{only}; {whose} {named}. Did you mean {place}?"


def _branching(paths: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Go down as long as all files lie in one folder.

    Returns:
        The steps to the folder where they part, and the names of the folders there; nothing where
        a file lies directly in it.
    """
    folders = [path.split("/")[:-1] for path in paths]
    depth = 0
    while folders and all(len(steps) > depth for steps in folders):
        names = {steps[depth] for steps in folders}
        if len(names) > 1:
            return tuple(folders[0][:depth]), sorted(names)
        depth += 1
    return (), []


def _parts_as_classes(evidence: Evidence) -> str:
    """Tell which classes are parts by their names, where the others are not.

    One such name alone says little, as a class may well be called train; then its photos have to
    lie in sub-folders, as those of a part do.
    """
    parts = [name for name in evidence.classes if is_part(name)]
    others = [name for name in evidence.classes if not is_part(name)]
    if not parts or not others:
        return ""
    if len(parts) == 1 and not _all_deeper(evidence, parts[0]):
        return ""
    verb = "is taken for a class" if len(parts) == 1 else "are taken for classes"
    return f"{join_names(parts)} {verb}, beside {join_names(others)}"


def _all_deeper(evidence: Evidence, name: str) -> bool:
    """Whether the photos of a class lie in two or more sub-folders of it, and nowhere else."""
    steps = [evidence.scanned.below_part(photo.path) for photo in evidence.scanned.photos]
    inside = [some for some in steps if some[:1] == (name,)]
    return all(len(some) > 2 for some in inside) and len({some[1] for some in inside}) > 1


FOLDER_SHAPE = Check(
    code="folder-shape",
    title="Sub-folders that are not the classes",
    severity=Severity.error,
    remedy="Point Candid at the folder whose sub-folders are the classes, such as data with "
    "data/happy and data/sad. Where train, val and test lie above the classes, keep nothing else "
    "beside them.",
    run=_run_folder_shape,
    to_decide=False,
)


def _run_empty_class(evidence: Evidence) -> Outcome:
    """Name the classes that have nothing to learn from, or nothing to be tested on."""
    filled = {photo.label for photo in evidence.photos}
    empty = [name for name in evidence.classes if name not in filled]
    unlabelled, lacking = _by_part(evidence)
    told = []
    if empty:
        verb = "has" if len(empty) == 1 else "have"
        told.append(f"{_classes(len(empty))} {verb} no photo that can be read")
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        told.append(f"{_classes(len(lacking))} {verb} in some of the parts only")
    if unlabelled:
        told.append(f"{plural(len(unlabelled), 'part')} without a photo of any class")
    if not told:
        return Outcome.clean()
    files = _files_by_class(evidence)
    lines = [_told(name, files[name]) for name in empty]
    lines += [f"{name} has no photo in {join_names(parts)}" for name, parts in lacking.items()]
    lines += [f"{part} has no photo of any class" for part in unlabelled]
    return Outcome.found("; ".join(told), [Finding(line) for line in lines])


def _by_part(evidence: Evidence) -> tuple[list[str], dict[str, list[str]]]:
    """The parts without any photo; and of each class, the other parts that lack it, if any do."""
    parts = evidence.scanned.parts
    there = {(evidence.scanned.part(photo), photo.label) for photo in evidence.photos}
    filled_parts = {part for part, _ in there}
    filled_classes = {name for _, name in there}
    lacking = {
        name: [part for part in parts if part in filled_parts and (part, name) not in there]
        for name in evidence.classes
        if name in filled_classes
    }
    unlabelled = [part for part in parts if part not in filled_parts]
    return unlabelled, {name: some for name, some in lacking.items() if some}


def _classes(number: int) -> str:
    return plural(number, "class", "classes")


def _told(name: str, num_files: int) -> str:
    if not num_files:
        return f"{name} is empty"
    if num_files == 1:
        return f"{name} has one file, which is no photo that can be read"
    return f"{name} has {num_files} files, none of which is a photo that can be read"


def _files_by_class(evidence: Evidence) -> Counter[str]:
    """Files that were passed over, by class; a hidden folder is none."""
    catalog = evidence.features.catalog
    rows = (row for row in catalog.skipped if row.reason != HIDDEN_FOLDER)
    steps = (catalog.below_part(row.path) for row in rows)
    return Counter(some[0] for some in steps if some)


EMPTY_CLASS = Check(
    code="empty-class",
    title="Empty classes",
    severity=Severity.error,
    remedy="Put photos into these folders, or remove them. Of a class that a part lacks, that part "
    "can teach or test nothing.",
    run=_run_empty_class,
    to_decide=False,
)


#: With fewer, the test part's share may be no picture at all.
MIN_PICTURES: Final = 10
#: With fewer, a class has less than 5 pictures to be tested on.
FEW_PICTURES: Final = 50

_RECALL = 0.9  # of a good model, taken as an example
_MOST_BARS = 20


def _run_small_class(evidence: Evidence) -> Outcome:
    """Name the classes that can't be tested, and say how little is known of the small ones."""
    sizes = {name: size for name, size in pictures_by_class(evidence).items() if size}
    if not sizes:
        return Outcome.not_applicable("no class has photos")
    ranked = sorted(sizes, key=lambda name: (sizes[name], name))
    few = [name for name in ranked if MIN_PICTURES <= sizes[name] < FEW_PICTURES]
    chart = _chart({name: sizes[name] for name in few}) if few else None
    too_few = [name for name in ranked if sizes[name] < MIN_PICTURES]
    if not too_few:
        return Outcome.clean(_vague(few, sizes), chart=chart)
    summary = f"{plural_are(len(too_few), 'class', 'classes')} too small to measure"
    findings = [
        Finding(
            f"{name} has {plural(sizes[name], 'different picture')}; "
            f"{MIN_PICTURES} are needed for one to test on"
        )
        for name in too_few
    ]
    return Outcome.found(
        "; ".join(filter(None, (summary, _vague(few, sizes)))), findings, chart=chart
    )


def recall_interval(num_pictures: int) -> Estimate:
    """What is known of a class's recall after a test at which 9 of 10 were right.

    Args:
        num_pictures: Different pictures of the class, 10 or more; the test part has its share.
    """
    tested = max(1, round(SHARES[-1] * num_pictures))
    figure = wilson(_RECALL * tested, tested)
    return figure or Estimate(_RECALL, 0.0, 1.0, 0)


def _vague(few: list[str], sizes: dict[str, int]) -> str:
    if not few:
        return ""
    figure = recall_interval(sizes[few[0]])
    named = join_names([f"{name} ({sizes[name]})" for name in few])
    return (
        f"{named} {'has' if len(few) == 1 else 'have'} few pictures: of a recall of 0.9 in "
        f"{few[0]}, the test would say no more than {figure.low:.2f} to {figure.high:.2f}"
    )


def _chart(sizes: dict[str, int]) -> Chart:
    """The smallest classes that can be tested, each with what a test would say."""
    bars = []
    for name in list(sizes)[:_MOST_BARS]:
        figure = recall_interval(sizes[name])
        bars.append(Bar(f"{name} ({sizes[name]})", figure.value, figure.low, figure.high))
    return Chart("What a test could say of a recall of 0.9", tuple(bars), "share")


SMALL_CLASS = Check(
    code="small-class",
    title="Classes too small to measure",
    severity=Severity.error,
    remedy="Add different pictures to these classes, join them with another class, or leave them "
    "out; the model may learn them, but nobody will know how well.",
    run=_run_small_class,
    to_decide=False,
)


#: Of two classes, 3 to 1 is where saying the larger one whatever the photo shows is right 3 times
#: of 4: an accuracy that many would take for a model that works.
MAX_RATIO: Final = 3.0


def _run_imbalance(evidence: Evidence) -> Outcome:
    """Compare the largest class with the smallest one that has photos."""
    sizes = {name: size for name, size in pictures_by_class(evidence).items() if size}
    if len(sizes) < 2:
        return Outcome.not_applicable("there is only one class with photos")
    chart = chart_of(sizes)
    ranked = sorted(sizes, key=lambda name: (sizes[name], name))
    smallest, largest = ranked[0], ranked[-1]
    ratio = sizes[largest] / sizes[smallest]
    if ratio <= MAX_RATIO:
        return Outcome.clean(chart=chart)
    summary = f"{largest} has {ratio:.1f} times as many different pictures as {smallest}"
    few = [name for name in ranked if sizes[largest] > MAX_RATIO * sizes[name]]
    guess = sizes[largest] / sum(sizes.values())
    named = join_names([f"{name} ({sizes[name]})" for name in few])
    told = (
        f"{named} {'has' if len(few) == 1 else 'have'} less than a third of the "
        f"{plural(sizes[largest], 'different picture')} of {largest}; always saying {largest} "
        f"would be right for {100 * guess:.0f} % of all"
    )
    return Outcome.found(summary, [Finding(told)], chart=chart)


IMBALANCE = Check(
    code="imbalance",
    title="Classes of very different sizes",
    severity=Severity.warning,
    remedy="Add photos to the small classes. Do not judge a model by its accuracy here, but by the "
    "recall of each class.",
    run=_run_imbalance,
    to_decide=False,
)
