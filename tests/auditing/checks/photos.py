"""Photos with chosen properties, for checks that look at one photo at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from candid.auditing.evidence import Evidence
from candid.auditing.properties import PixelProperties, Properties
from tests.auditing.made import PIXELS, PROPERTIES, make_evidence


def of_size(width_px: int, height_px: int) -> Properties:
    return dataclasses.replace(PROPERTIES, width_px=width_px, height_px=height_px)


def with_pixels(**changes: float) -> Properties:
    return dataclasses.replace(PROPERTIES, pixels=pixels(**changes))


def pixels(**changes: float) -> PixelProperties:
    return dataclasses.replace(PIXELS, **changes)


def evidence_of(*properties: Properties, usual: int = 30, labels: str = "ab") -> Evidence:
    """Photos with these properties, in the first class, and as many usual ones in each."""
    names = [labels[0]] * len(properties) + [labels[0], labels[1]] * usual
    return make_evidence(names, properties=[*properties, *[PROPERTIES] * (2 * usual)])


def unmeasured(labels: Sequence[str] = ("a", "b")) -> Evidence:
    """Photos of which nothing is known."""
    return dataclasses.replace(make_evidence(labels), properties={})
