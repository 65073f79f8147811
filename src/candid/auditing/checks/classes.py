"""Checks of the classes: folder shape, empty classes, small classes, imbalance.

Class sizes count different pictures, as copies add no information.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import numpy as np

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Bar, Chart, Check, Finding, Outcome, Severity
from candid.core.text import join_names, plural, plural_are, plural_have
from candid.data.catalog import HIDDEN_FOLDER
from candid.data.parts import role_of
from candid.evaluation.estimate import Estimate, wilson
from candid.models.recipes.linear_head import UNBALANCED
from candid.splits.grouped_split import SHARES

#: A chart of more classes shows the largest half and the smallest half of this number.
MAX_BARS: Final = 40


def pictures_by_class(evidence: Evidence) -> dict[str, int]:
    """Number of different pictures of every class, including empty ones, in alphabetical order.

    A picture in two classes counts in both.
    """
    pairs = np.unique(np.stack([evidence.labels, evidence.groups.of_photo], axis=1), axis=0)
    numbers = Counter(pairs[:, 0].tolist())
    return {name: numbers[index] for index, name in enumerate(evidence.classes)}


def _nonempty(evidence: Evidence) -> tuple[dict[str, int], list[str]]:
    """Sizes of the classes that have photos, and their names, the smallest first."""
    sizes = {name: size for name, size in pictures_by_class(evidence).items() if size}
    return sizes, sorted(sizes, key=lambda name: (sizes[name], name))


def _with_sizes(names: Sequence[str], sizes: dict[str, int]) -> str:
    """Names, sizes and verb: ``c (4) and b (10) have``."""
    joined = join_names([f"{name} ({sizes[name]})" for name in names])
    return f"{joined} {'has' if len(names) == 1 else 'have'}"


def _run_folder_shape(evidence: Evidence) -> Outcome:
    """Report a single class, or parts taken for classes, as when a folder level was missed."""
    message = _single_class(evidence) if len(evidence.classes) == 1 else _parts_as_classes(evidence)
    findings = [Finding(message)] if message else []
    return Outcome.from_findings("the sub-folders don't look like two or more classes", findings)


def _single_class(evidence: Evidence) -> str:
    """Suggest where the classes may be below the only class."""
    catalog = evidence.scanned
    only = f"there is one class only, {evidence.classes[0]}"
    above, below = _branching([photo.path for photo in catalog.photos])
    if len(below) < 2 or not catalog.below_part("/".join((*above, below[0]))):
        return f"{only}; classification needs at least two"
    folder = "/".join((catalog.source.name, *above))
    owner = "its sub-folders are" if above[-1] == catalog.classes[0] else f"{folder} holds"
    return f"{only}; {owner} {join_names(below)}. Did you mean {folder}?"


def _branching(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """The folders that all paths share, and the folder names below, if all files lie in these."""
    folders = [path.split("/")[:-1] for path in paths]
    levels = takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    shared = [names[0] for names in levels]
    if any(len(steps) == len(shared) for steps in folders):
        return shared, []
    return shared, sorted({steps[len(shared)] for steps in folders})


def _parts_as_classes(evidence: Evidence) -> str:
    """Name the classes that are called like parts, if there are others beside them.

    A single one may be a class called train; it counts if its photos lie in sub-folders.
    """
    parts = [name for name in evidence.classes if role_of(name)]
    others = [name for name in evidence.classes if not role_of(name)]
    if not parts or not others:
        return ""
    if len(parts) == 1 and not _all_in_subfolders(evidence, parts[0]):
        return ""
    verb = "is taken for a class" if len(parts) == 1 else "are taken for classes"
    return f"{join_names(parts)} {verb}, beside {join_names(others)}"


def _all_in_subfolders(evidence: Evidence, name: str) -> bool:
    """Whether all photos of a class lie in two or more sub-folders of it."""
    paths = [evidence.scanned.below_part(photo.path) for photo in evidence.scanned.photos]
    inside = [steps for steps in paths if steps[:1] == (name,)]
    return all(len(steps) > 2 for steps in inside) and len({steps[1] for steps in inside}) > 1


FOLDER_SHAPE = Check(
    code="folder-shape",
    title="Sub-folders that are not the classes",
    severity=Severity.error,
    remedy="Point Candid at the folder whose sub-folders are the classes, such as data with "
    "data/happy and data/sad. If it has train, val and test folders above the classes, each "
    "needs the classes as sub-folders.",
    run=_run_folder_shape,
    to_decide=False,
)


def _run_empty_class(evidence: Evidence) -> Outcome:
    """Report classes without readable photos, and parts that lack classes."""
    filled = {photo.label for photo in evidence.photos}
    empty = [name for name in evidence.classes if name not in filled]
    empty_parts, lacking = _missing_by_part(evidence)
    summary = []
    if empty:
        number = plural_have(len(empty), "class", "classes")
        summary.append(f"{number} no photo that can be read")
    if lacking:
        summary.append(f"{plural_are(len(lacking), 'class', 'classes')} in some of the parts only")
    if empty_parts:
        summary.append(f"{plural(len(empty_parts), 'part')} without a photo of any class")
    num_skipped = _skipped_by_class(evidence)
    lines = [_describe_empty(name, num_skipped[name]) for name in empty]
    lines += [f"{name} has no photo in {join_names(parts)}" for name, parts in lacking.items()]
    lines += [f"{part} has no photo of any class" for part in empty_parts]
    return Outcome.from_findings("; ".join(summary), [Finding(line) for line in lines])


def _missing_by_part(evidence: Evidence) -> tuple[list[str], dict[str, list[str]]]:
    """The parts without any photo; and by class, the other parts that lack it."""
    present = {(evidence.scanned.part(photo), photo.label) for photo in evidence.photos}
    filled_parts = {part for part, _ in present}
    filled_classes = {name for _, name in present}
    parts = evidence.scanned.parts
    lacking = {
        name: [part for part in parts if part in filled_parts and (part, name) not in present]
        for name in evidence.classes
        if name in filled_classes
    }
    empty_parts = [part for part in parts if part not in filled_parts]
    return empty_parts, {name: some for name, some in lacking.items() if some}


def _describe_empty(name: str, num_files: int) -> str:
    if not num_files:
        return f"{name} is empty"
    if num_files == 1:
        return f"{name} has one file, which is not a readable photo"
    return f"{name} has {num_files} files, none of which is a readable photo"


def _skipped_by_class(evidence: Evidence) -> Counter[str]:
    """Number of skipped files by class, without hidden folders."""
    catalog = evidence.features.catalog
    rows = (row for row in catalog.skipped if row.reason != HIDDEN_FOLDER)
    paths = (catalog.below_part(row.path) for row in rows)
    return Counter(steps[0] for steps in paths if steps)


EMPTY_CLASS = Check(
    code="empty-class",
    title="Empty classes",
    severity=Severity.error,
    remedy="Put photos into these folders, or remove them. A part that lacks a class can neither "
    "train nor test it.",
    run=_run_empty_class,
    to_decide=False,
)


#: With fewer, the test part may get no picture at all.
MIN_PICTURES: Final = 10
#: With fewer, the test part gets less than 5 pictures.
FEW_PICTURES: Final = 50

_RECALL = 0.9  # an example of a good model
_MAX_SMALL_BARS = 20


def _run_small_class(evidence: Evidence) -> Outcome:
    """Report classes too small to test, and the expected interval of the small ones."""
    sizes, ranked = _nonempty(evidence)
    if not sizes:
        return Outcome.not_applicable("no class has photos")
    too_few = [name for name in ranked if sizes[name] < MIN_PICTURES]
    few = [name for name in ranked if MIN_PICTURES <= sizes[name] < FEW_PICTURES]
    chart, warning = None, ""
    if few:
        chart = _recall_chart(few, sizes)
        figure = recall_interval(sizes[few[0]])
        warning = (
            f"{_with_sizes(few, sizes)} few pictures: for a recall of 0.9 in {few[0]}, the 95 % "
            f"interval of the test would be {figure.low:.2f} to {figure.high:.2f}"
        )
    if not too_few:
        return Outcome.clean(warning, chart=chart)
    summary = f"{plural_are(len(too_few), 'class', 'classes')} too small to measure"
    findings = [
        Finding(
            f"{name} has {plural(sizes[name], 'different picture')}; "
            f"{MIN_PICTURES} are needed for one to test on"
        )
        for name in too_few
    ]
    return Outcome.from_findings("; ".join(filter(None, (summary, warning))), findings, chart=chart)


def recall_interval(num_pictures: int) -> Estimate:
    """Interval of recall if 9 of 10 test pictures are right, of a class of 10 pictures or more."""
    num_tested = max(1, round(SHARES[-1] * num_pictures))
    return wilson(_RECALL * num_tested, num_tested) or Estimate(_RECALL, 0.0, 1.0, 0)


def _recall_chart(names: Sequence[str], sizes: dict[str, int]) -> Chart:
    figures = [(name, recall_interval(sizes[name])) for name in names[:_MAX_SMALL_BARS]]
    bars = [Bar(f"{name} ({sizes[name]})", f.value, f.low, f.high) for name, f in figures]
    return Chart("Expected interval of a recall of 0.9", tuple(bars), "share")


SMALL_CLASS = Check(
    code="small-class",
    title="Classes too small to measure",
    severity=Severity.error,
    remedy="Add different pictures to these classes, merge them with another class, or leave them "
    "out. A model can be trained on them, but its accuracy on them can't be measured.",
    run=_run_small_class,
    to_decide=False,
)


def _run_imbalance(evidence: Evidence) -> Outcome:
    sizes, ranked = _nonempty(evidence)
    if len(sizes) < 2:
        return Outcome.not_applicable("there is only one class with photos")
    smallest, largest = ranked[0], ranked[-1]
    ratio = sizes[largest] / sizes[smallest]
    findings = []
    if ratio > UNBALANCED:
        few = [name for name in ranked if sizes[largest] > UNBALANCED * sizes[name]]
        share = sizes[largest] / sum(sizes.values())
        findings = [
            Finding(
                f"{_with_sizes(few, sizes)} less than a third of the "
                f"{plural(sizes[largest], 'different picture')} of {largest}; always predicting "
                f"{largest} would be right for {100 * share:.0f} % of all"
            )
        ]
    summary = f"{largest} has {ratio:.1f} times as many different pictures as {smallest}"
    return Outcome.from_findings(summary, findings, chart=size_chart(sizes))


def size_chart(sizes: dict[str, int]) -> Chart:
    """Classes by size, with the smallest emphasised."""
    ranked = sorted(sizes, key=lambda name: (-sizes[name], name))
    title = "Different pictures of each class"
    if len(ranked) > MAX_BARS:
        half = MAX_BARS // 2
        ranked = ranked[:half] + ranked[-half:]
        title = f"Different pictures of the {half} largest and the {half} smallest classes"
    smallest, largest = min(sizes.values()), max(sizes.values())
    bars = [Bar(name, sizes[name], emphasis=sizes[name] == smallest < largest) for name in ranked]
    return Chart(title, tuple(bars), "count")


IMBALANCE = Check(
    code="imbalance",
    title="Class imbalance",
    severity=Severity.warning,
    remedy="Add photos to the small classes. Judge a model by the recall of each class, not by its "
    "accuracy.",
    run=_run_imbalance,
    to_decide=False,
)
