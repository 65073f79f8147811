"""Checks of copies: the same picture in two classes, in two parts, saved anew, byte by byte.

A picture in two classes is reported by `TWO_CLASSES` only, with all of its files, so that no file
gets two suggestions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.core.text import plural, plural_are
from candid.data.decisions import DROP, KEEP, class_as_decision
from candid.data.parts import role_of

_SAME_PICTURE: Final = "the same picture"
_TOO_FEW = Outcome.not_applicable("there are fewer than two photos that can be read")


def _copied(evidence: Evidence) -> list[tuple[int, ...]]:
    """Photo indices of each picture with copies, the one with most files first."""
    groups = [indices for indices in evidence.pictures if len(indices) > 1]
    return sorted(groups, key=lambda indices: (-len(indices), evidence.photos[indices[0]].path))


def _copied_in_one_place(evidence: Evidence) -> list[tuple[int, ...]]:
    """The same, of pictures in one class and one part."""
    parts = [evidence.scanned.part(photo) for photo in evidence.photos]
    return [
        indices
        for indices in _copied(evidence)
        if len({(evidence.photos[index].label, parts[index]) for index in indices}) == 1
    ]


def _keep_first(
    evidence: Evidence, what: str, ordered: Sequence[int], notes: Sequence[str]
) -> Finding:
    """A finding that suggests to keep the first file and to drop the others."""
    items = [
        Item(evidence.photos[index].path, note, DROP if number else KEEP)
        for number, (index, note) in enumerate(zip(ordered, notes, strict=True))
    ]
    return Finding.naming(what, items)


def _run_two_classes(evidence: Evidence) -> Outcome:
    if len(evidence.photos) < 2:
        return _TOO_FEW
    if len(evidence.classes) < 2:
        return Outcome.not_applicable("there is one class only")
    findings = []
    for indices in _copied(evidence):
        photos = [evidence.photos[index] for index in indices]
        labels = Counter(photo.label for photo in photos).most_common()
        if len(labels) < 2:
            continue
        (majority, most), (_, second) = labels[:2]
        suggestion = class_as_decision(majority) if most > second else ""
        items = [
            Item(p.path, f"labelled {p.label}", "" if p.label == majority else suggestion)
            for p in sorted(photos, key=lambda photo: (photo.label, photo.path))
        ]
        findings.append(Finding.naming(_SAME_PICTURE, items))
    summary = f"{plural_are(len(findings), 'picture')} in two classes or more"
    return Outcome.from_findings(summary, findings)


TWO_CLASSES = Check(
    code="two-classes",
    title="Same picture in two classes",
    severity=Severity.error,
    remedy="Candid neither trains nor tests on them. Decide which class is right, or drop them.",
    run=_run_two_classes,
    by_picture=True,
)


def _run_across_parts(evidence: Evidence) -> Outcome:
    """Report pictures in two parts or more, and count them for each pair of parts."""
    if len(evidence.scanned.parts) < 2:
        return Outcome.not_applicable("the folder has no parts of its own, such as train and test")
    if len(evidence.photos) < 2:
        return _TOO_FEW
    parts = [evidence.scanned.part(photo) for photo in evidence.photos]
    trains = [role_of(part) == "train" for part in parts]
    shared: Counter[tuple[str, str]] = Counter()
    findings = []
    for indices in _copied(evidence):
        names = [name for _, name in sorted({(trains[i], parts[i]) for i in indices})]
        if len(names) < 2:
            continue
        shared.update((one, other) for i, one in enumerate(names) for other in names[i + 1 :])
        rows = sorted((trains[i], evidence.photos[i].path, parts[i]) for i in indices)
        items = [Item(path, f"in {part}", DROP if train else "") for train, path, part in rows]
        findings.append(Finding.naming(_SAME_PICTURE, items))
    total = Counter(part for indices in evidence.pictures for part in {parts[i] for i in indices})
    counts = [
        f"{number} of {plural(total[one], 'picture')} in {one} {'is' if number == 1 else 'are'} "
        f"in {other} too"
        for (one, other), number in shared.most_common()
    ]
    return Outcome.from_findings("; ".join(counts), findings)


ACROSS_PARTS = Check(
    code="across-parts",
    title="Copies across train, val and test",
    severity=Severity.error,
    remedy="Testing on training photos overestimates accuracy. Delete the copies in the training "
    "part, which leaves the test part unchanged; until then, `candid train` leaves them out of the "
    "later part (`--own-parts strict`).",
    run=_run_across_parts,
    to_decide=False,
)


_COPIES_REMEDY = (
    "Candid keeps copies together when it splits, so they don't distort its figures; other tools "
    "may put one into training and another into the test part. Drop all but {which}, or keep them."
)


def _run_near_copies(evidence: Evidence) -> Outcome:
    """Report pictures of one class and part that are stored as different files."""
    if len(evidence.photos) < 2:
        return _TOO_FEW
    groups = [
        indices
        for indices in _copied_in_one_place(evidence)
        if len({evidence.photos[index].content for index in indices}) > 1
    ]
    correlation: dict[int, float] = {}  # the lowest with any copy
    for copy in evidence.groups.copies:
        for index in (copy.first, copy.second):
            correlation[index] = min(copy.correlation, correlation.get(index, 1.0))
    findings = []
    for indices in groups:
        ordered = sorted(indices, key=lambda index: _size_rank(evidence, index))
        notes = [
            f"{_describe_size(evidence, index)}correlation of details {correlation[index]:.2f}"
            for index in ordered
        ]
        findings.append(_keep_first(evidence, _SAME_PICTURE, ordered, notes))
    number = sum(map(len, groups))
    summary = f"{number} files show {plural(len(groups), 'picture')}, saved in different ways"
    return Outcome.from_findings(summary, findings)


def _size_rank(evidence: Evidence, index: int) -> tuple[int, int, str]:
    """Sort key: most pixels first, then most bytes, then by path."""
    photo = evidence.photos[index]
    known = evidence.properties_of(photo)
    if known is None:
        return 0, 0, photo.path
    return -known.width_px * known.height_px, -known.num_bytes, photo.path


def _describe_size(evidence: Evidence, index: int) -> str:
    """``800 × 600, 41 kB, ``; empty if unknown."""
    known = evidence.properties_of(evidence.photos[index])
    if known is None:
        return ""
    return f"{known.width_px} × {known.height_px}, {known.num_bytes / 1000:.0f} kB, "


NEAR_COPIES = Check(
    code="near-copies",
    title="Near copies",
    severity=Severity.warning,
    remedy=_COPIES_REMEDY.format(which="the largest"),
    run=_run_near_copies,
)


def _run_exact_copies(evidence: Evidence) -> Outcome:
    if len(evidence.photos) < 2:
        return _TOO_FEW
    paths = [photo.path for photo in evidence.photos]
    by_content: defaultdict[str, list[int]] = defaultdict(list)
    for indices in _copied_in_one_place(evidence):
        for index in indices:
            by_content[evidence.photos[index].content].append(index)
    groups = [indices for indices in by_content.values() if len(indices) > 1]
    groups.sort(key=lambda indices: (-len(indices), paths[indices[0]]))
    what = "the same bytes"
    findings = [
        _keep_first(evidence, what, sorted(some, key=paths.__getitem__), [what] * len(some))
        for some in groups
    ]
    number = sum(len(indices) - 1 for indices in groups)
    are = "is an exact copy of another" if number == 1 else "are exact copies of others"
    return Outcome.from_findings(f"{plural(number, 'file')} {are}", findings)


EXACT_COPIES = Check(
    code="exact-copies",
    title="Exact copies",
    severity=Severity.warning,
    remedy=_COPIES_REMEDY.format(which="one"),
    run=_run_exact_copies,
)
