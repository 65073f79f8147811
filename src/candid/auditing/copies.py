"""What the checks on copies share: pictures with more than one file, and how to tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Item
from candid.decisions import DROP, KEEP

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
