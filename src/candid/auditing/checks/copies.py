"""Files with the same bytes in one class.

Where the picture is in another class too, `two_classes` reports all of its files, and this check
none of them: a file is not suggested to be kept by one and to be moved by the other.

What the checks on copies share: pictures with more than one file, and how to tell of them.

The same picture in more than one class: one of its labels has to be wrong.

The same picture in two of the parts that a folder comes with: what is tested was trained on.

The same picture, saved anew: re-encoded, shrunken, mirrored, cropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.core.text import join_names, plural, plural_are
from candid.data.catalog import is_train
from candid.data.decisions import DROP, KEEP, class_as_decision

#: Why the checks do not apply.
TOO_FEW: Final = "there are fewer than two photos that can be read"


def copied(evidence: Evidence) -> list[tuple[int, ...]]:
    """The places of the photos of each picture that has two or more, the largest first."""
    groups = [places for places in evidence.pictures if len(places) > 1]
    return sorted(groups, key=lambda places: (-len(places), evidence.photos[places[0]].path))


def in_one_part(evidence: Evidence, places: Sequence[int]) -> bool:
    """Whether photos are in the same part, or there are none; those across have their check."""
    return len({evidence.scanned.part(evidence.photos[place]) for place in places}) == 1


def in_one_class(evidence: Evidence, places: Sequence[int]) -> bool:
    """Whether photos have the same label."""
    return len({evidence.photos[place].label for place in places}) == 1


def least_correlation(evidence: Evidence) -> dict[int, float]:
    """Of each photo, how alike the details are with the copy that it was joined by, at least."""
    least: dict[int, float] = {}
    for copy in evidence.groups.copies:
        for place in (copy.first, copy.second):
            least[place] = min(copy.correlation, least.get(place, 1.0))
    return least


def describe(evidence: Evidence, place: int) -> str:
    """What a file is like: ``800 × 600, 41 kB``; empty where that is not known."""
    known = evidence.properties_of(evidence.photos[place])
    if known is None:
        return ""
    return f"{known.width_px} × {known.height_px}, {known.num_bytes / 1000:.0f} kB"


def best_first(evidence: Evidence, places: Sequence[int]) -> list[int]:
    """Files in the order in which they are worth keeping: by pixels, then bytes, then path."""

    def rank(place: int) -> tuple[int, int, str]:
        known = evidence.properties_of(evidence.photos[place])
        path = evidence.photos[place].path
        return (
            (0, 0, path)
            if known is None
            else (
                -known.width_px * known.height_px,
                -known.num_bytes,
                path,
            )
        )

    return sorted(places, key=rank)


def keep_the_first(evidence: Evidence, ordered: Sequence[int], notes: Sequence[str]) -> list[Item]:
    """Items that suggest to keep the first file and to drop the others."""
    return [
        Item(evidence.photos[place].path, note, KEEP if number == 0 else DROP)
        for number, (place, note) in enumerate(zip(ordered, notes, strict=True))
    ]


def _run_two_classes(evidence: Evidence) -> Outcome:
    """Show the pictures whose copies have different labels, the most files first."""
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    if len(evidence.classes) < 2:
        return Outcome.not_applicable("there is one class only")
    groups = [places for places in copied(evidence) if not in_one_class(evidence, places)]
    if not groups:
        return Outcome.clean()
    return Outcome.found(
        f"{plural_are(len(groups), 'picture')} in two classes or more",
        [_finding(evidence, places) for places in groups],
    )


def _finding(evidence: Evidence, places: tuple[int, ...]) -> Finding:
    """The files by label; what most of them say is suggested, where there is such a label."""
    photos = [evidence.photos[place] for place in places]
    (first, most), (_, next_most), *_ = Counter(photo.label for photo in photos).most_common()
    suggestion = class_as_decision(first) if most > next_most else ""
    ordered = sorted(photos, key=lambda photo: (photo.label, photo.path))
    items = [
        Item(photo.path, f"labelled {photo.label}", "" if photo.label == first else suggestion)
        for photo in ordered
    ]
    names = join_names([photo.path for photo in ordered])
    return Finding(f"the same picture: {names}", tuple(items))


TWO_CLASSES = Check(
    code="two-classes",
    title="Same picture in two classes",
    severity=Severity.error,
    remedy="Candid trains and tests on none of them. Decide which class is right, and write it, or "
    "drop, into decisions.csv.",
    run=_run_two_classes,
)


def _run_across_parts(evidence: Evidence) -> Outcome:
    """Show the pictures that are in two parts or more, and count them for each pair of parts."""
    if len(evidence.scanned.parts) < 2:
        return Outcome.not_applicable("the folder has no parts of its own, such as train and test")
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    parts = [evidence.scanned.part(photo) for photo in evidence.photos]
    groups = [places for places in copied(evidence) if len({parts[p] for p in places}) > 1]
    if not groups:
        return Outcome.clean()
    shared: Counter[tuple[str, str]] = Counter()
    for places in groups:
        here = sorted({parts[place] for place in places}, key=lambda name: (is_train(name), name))
        shared.update((one, other) for i, one in enumerate(here) for other in here[i + 1 :])
    total = Counter(part for places in evidence.pictures for part in {parts[p] for p in places})
    told = [
        f"{number} of {plural(total[one], 'picture')} in {one} {'is' if number == 1 else 'are'} "
        f"in {other} too"
        for (one, other), number in shared.most_common()
    ]
    return Outcome.found(
        "; ".join(told), [_parts_finding(evidence, parts, places) for places in groups]
    )


def _parts_finding(evidence: Evidence, parts: list[str], places: tuple[int, ...]) -> Finding:
    ordered = sorted(places, key=lambda p: (is_train(parts[p]), evidence.photos[p].path))
    items = [
        Item(
            evidence.photos[place].path,
            f"in {parts[place]}",
            DROP if is_train(parts[place]) else "",
        )
        for place in ordered
    ]
    return Finding(f"the same picture: {join_names([i.path for i in items])}", tuple(items))


ACROSS_PARTS = Check(
    code="across-parts",
    title="Copies across train, val and test",
    severity=Severity.error,
    remedy="What a model was trained on tells nothing about it. Delete the copies in the training "
    "part, which leaves the test as others know it; or put all parts into one folder and let "
    "Candid split it.",
    run=_run_across_parts,
    to_decide=False,
)


def _run_near_copies(evidence: Evidence) -> Outcome:
    """Show the pictures of one class that are there as different files, the most often first."""
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    groups = [
        places
        for places in copied(evidence)
        if in_one_class(evidence, places)
        and in_one_part(evidence, places)
        and len({evidence.photos[place].content for place in places}) > 1
    ]
    if not groups:
        return Outcome.clean()
    least = least_correlation(evidence)
    number = sum(map(len, groups))
    return Outcome.found(
        f"{number} files show {plural(len(groups), 'picture')}, saved in different ways",
        [_near_finding(evidence, places, least) for places in groups],
    )


def _near_finding(evidence: Evidence, places: tuple[int, ...], least: dict[int, float]) -> Finding:
    ordered = best_first(evidence, places)
    notes = [
        ", ".join(filter(None, [describe(evidence, place), f"details agree by {least[place]:.2f}"]))
        for place in ordered
    ]
    paths = [evidence.photos[place].path for place in ordered]
    items = keep_the_first(evidence, ordered, notes)
    return Finding(f"the same picture: {join_names(paths)}", tuple(items))


NEAR_COPIES = Check(
    code="near-copies",
    title="Near copies",
    severity=Severity.warning,
    remedy="Candid keeps copies together when it splits, so they make no figure wrong here; other "
    "tools put one into training and the other into the test. Drop all but the largest, or keep "
    "them.",
    run=_run_near_copies,
)


def _run_exact_copies(evidence: Evidence) -> Outcome:
    """Show the files of one class that have the same bytes, the most first."""
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    same: dict[str, list[int]] = {}
    for places in copied(evidence):
        if in_one_class(evidence, places) and in_one_part(evidence, places):
            for place in places:
                same.setdefault(evidence.photos[place].content, []).append(place)
    groups = [places for places in same.values() if len(places) > 1]
    if not groups:
        return Outcome.clean()
    groups.sort(key=lambda places: (-len(places), evidence.photos[places[0]].path))
    number = sum(len(places) - 1 for places in groups)
    what = "is an exact copy of another" if number == 1 else "are exact copies of others"
    return Outcome.found(
        f"{plural(number, 'file')} {what}", [_exact_finding(evidence, g) for g in groups]
    )


def _exact_finding(evidence: Evidence, places: list[int]) -> Finding:
    paths = sorted(evidence.photos[place].path for place in places)
    by_path = sorted(places, key=lambda place: evidence.photos[place].path)
    items = keep_the_first(evidence, by_path, ["the same bytes"] * len(places))
    return Finding(f"the same bytes: {join_names(paths)}", tuple(items))


EXACT_COPIES = Check(
    code="exact-copies",
    title="Exact copies",
    severity=Severity.warning,
    remedy="Candid keeps copies together when it splits, so they make no figure wrong here; other "
    "tools put one into training and the other into the test. Drop all but one, or keep them.",
    run=_run_exact_copies,
)
