"""What is not among the photos: three kinds, each the matter of exactly one check."""

from __future__ import annotations

from typing import Literal

from candid.auditing.evidence import Evidence
from candid.catalog import DROPPED, NOT_IMAGES, OUTSIDE, Skipped

#: ``unreadable``: an image, by its suffix or content, that gives no pixels. ``truncated``: one that
#: breaks off. ``other``: a file or hidden folder that nobody would expect to be classified.
Kind = Literal["unreadable", "truncated", "other"]


def left_out(evidence: Evidence, kind: Kind) -> list[Skipped]:
    """Give the files of a kind, in order of path."""
    rows = [row for row in evidence.features.catalog.skipped if kind_of(row.reason) == kind]
    return sorted(rows, key=lambda row: row.path)


def kind_of(reason: str) -> Kind | None:
    """Tell the kind of a file by the reason why it is left out.

    Returns:
        Its kind, or None where a person decided so.
    """
    if reason == DROPPED:
        return None
    if reason in NOT_IMAGES or reason == OUTSIDE:
        return "other"
    return "truncated" if reason.startswith("truncated") else "unreadable"
