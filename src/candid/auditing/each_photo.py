"""What checks share that look at one photo at a time: who is judged, and how it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Finding, Item, Outcome
from candid.auditing.properties import PixelProperties, Properties
from candid.wording import count_are

#: Why nothing can be said where no file could be measured.
UNMEASURED: Final = "no photo could be measured"
UNJUDGED: Final = "no photo could be judged: none could be measured, or all are blank"

_LEAST_FOR_A_CLASS = 5  # of fewer, it may be chance that they are in one class
_MOST_IN_ONE_CLASS = 0.75
_MORE_THAN_ITS_SHARE = 1.5
_LEAST_FOR_A_HABIT = 20  # what most of fewer photos have in common can be listed


@dataclass(frozen=True)
class Notable:
    """A photo that a check has something to say about.

    Attributes:
        place: Its place among the photos that can be read.
        note: What is special about it.
        rank: The higher, the more so; the highest are shown first.
    """

    place: int
    note: str
    rank: float


def measured(evidence: Evidence) -> Iterator[tuple[int, Properties]]:
    """The photos whose files could be measured, with their places."""
    for place, photo in enumerate(evidence.photos):
        properties = evidence.properties_of(photo)
        if properties is not None:
            yield place, properties


def seen(evidence: Evidence) -> Iterator[tuple[int, PixelProperties]]:
    """The photos whose pixels could be measured, with their places."""
    for place, properties in measured(evidence):
        if properties.pixels is not None:
            yield place, properties.pixels


def tell(
    evidence: Evidence,
    notable: Sequence[Notable],
    *,
    num_judged: int,
    what: str,
    suggestion: str = "",
    may_be_usual: bool = True,
) -> Outcome:
    """Say which photos are notable.

    Args:
        evidence: Where they are from.
        notable: The photos, in any order.
        num_judged: How many were looked at.
        what: The predicate: ``dark``.
        suggestion: What a person may want to decide about each.
        may_be_usual: Whether it is in one line, about the whole folder, where it is true of most:
            in photos of the night, a thousand findings that it is dark help nobody.

    Returns:
        A finding a picture, copies side by side.
    """
    if not num_judged:
        return Outcome.not_applicable(UNJUDGED)
    if not notable:
        return Outcome.clean()
    places = [row.place for row in notable]
    if may_be_usual and num_judged > _LEAST_FOR_A_HABIT and len(notable) > num_judged / 2:
        summary = f"most photos are {what} ({len(notable)} of {num_judged})"
        told = f"{summary}, so it is the habit of this folder, and they are not listed one by one"
        return Outcome.found(summary + mostly_in(evidence, places), [Finding(told)])
    summary = f"{count_are(len(notable), 'photo')} {what}{mostly_in(evidence, places)}"
    return Outcome.found(summary, by_picture(evidence, notable, suggestion))


def by_picture(
    evidence: Evidence, notable: Sequence[Notable], suggestion: str = ""
) -> list[Finding]:
    """Findings of a picture each, with those of its copies that are notable too."""
    pictures: dict[int, list[Item]] = {}
    for row in sorted(notable, key=lambda row: (-row.rank, evidence.photos[row.place].content)):
        item = Item(evidence.photos[row.place].path, row.note, suggestion)
        pictures.setdefault(int(evidence.groups.of_photo[row.place]), []).append(item)
    return [
        Finding(f"{items[0].path}: {items[0].note}", tuple(items)) for items in pictures.values()
    ]


def mostly_in(evidence: Evidence, places: Sequence[int]) -> str:
    """Name the class that nearly all of some photos are in, as the end of a line, or nothing.

    A class that has most of all photos anyway is not named.
    """
    labels = Counter(evidence.photos[place].label for place in places)
    name, number = labels.most_common(1)[0]
    of_all = sum(photo.label == name for photo in evidence.photos) / len(evidence.photos)
    share = number / len(places)
    if len(places) < _LEAST_FOR_A_CLASS:
        return ""
    if share < max(_MOST_IN_ONE_CLASS, _MORE_THAN_ITS_SHARE * of_all):
        return ""
    return f"; {'all' if share == 1 else f'{number} of {len(places)}'} are in {name}"
