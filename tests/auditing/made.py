"""Synthetic evidence and audits."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Chart, Check, Finding, Item, Outcome, Severity
from candid.auditing.result import Audit, Checked, ClassCount
from candid.core.cache import Cache
from candid.data.catalog import Catalog, Photo
from candid.data.source import DataSource
from candid.features.extract import NUM_COLOURS, Features, Thumbnails
from candid.features.properties import PixelProperties, Properties
from candid.splits.duplicates import Groups


def make_check(code: str = "blank", *, severity: str = "warning", to_decide: bool = True) -> Check:
    def run(evidence: Evidence) -> Outcome:
        del evidence
        return Outcome.clean()

    return Check(code, code.title(), Severity(severity), "Look at it.", run, to_decide)


def found_in(*paths: str, code: str = "blank", severity: str = "warning") -> Checked:
    """A check with one finding per path."""
    findings = tuple(Finding(f"{path} is {code}", (Item(path, "why", "drop"),)) for path in paths)
    return Checked(make_check(code, severity=severity), Outcome("found", "some", findings))


def ended(status: str, code: str = "dark", *, chart: Chart | None = None) -> Checked:
    return Checked(make_check(code, severity="info"), Outcome(status, "why", (), chart))  # type: ignore[arg-type]


def make_audit(*checked: Checked, data: str | Path = "/data") -> Audit:
    paths = {
        item.path for row in checked for finding in row.outcome.findings for item in finding.items
    }
    return Audit(
        data=DataSource(data),
        find=Path(data).joinpath,
        classes=(ClassCount("happy", 3, 2), ClassCount("sad", 2, 2)),
        parts=(),
        num_files=6,
        num_photos=5,
        num_pictures=4,
        checked=checked,
        settings={"candid_version": "0", "backbone": "none", "fit": "squash", "seed": 0},
        contents={path: f"content of {path}" for path in paths},
        labels={path: path.partition("/")[0] for path in paths},
    )


PIXELS = PixelProperties(0.5, 0.2, 0.9, 0.5, 0.5, 0.5, 0.3, 0.2, 7.0)
PROPERTIES = Properties("JPEG", 400, 300, "RGB", 1, 1, "", 85, 40_000, 1.0, PIXELS)


def make_evidence(
    labels: Sequence[str],
    *,
    embeddings: NDArray[np.float32] | None = None,
    properties: Sequence[Properties] | None = None,
    pictures: Sequence[int] | None = None,
) -> Evidence:
    """Evidence of synthetic photos: photo ``i`` is ``<class>/<i>.jpg``.

    By default, embeddings are clustered by class, properties are equal, and there are no copies.
    """
    photos = [
        Photo(f"{label}/{i:05}.jpg", label, hashlib.sha256(str(i).encode()).hexdigest())
        for i, label in enumerate(labels)
    ]
    classes = tuple(sorted(set(labels)))
    if embeddings is None:
        axes = np.eye(16)[[classes.index(label) for label in labels]]
        noise = np.random.default_rng(0).normal(size=axes.shape)
        embeddings = (3 * axes + noise).astype(np.float32)
    catalog = Catalog(DataSource("/made-up"), classes, tuple(photos), ())
    with Cache(None) as cache:
        colours = np.zeros((len(photos), NUM_COLOURS), np.float32)
        features = Features(catalog, embeddings, Thumbnails(cache, "none"), colours)
    groups = Groups(np.array(range(len(labels)) if pictures is None else pictures, np.int64), ())
    rows = properties or [PROPERTIES] * len(labels)
    known = {photo.content: row for photo, row in zip(photos, rows, strict=True)}
    return Evidence(catalog, features, groups, known)


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
    """Photos without properties."""
    return dataclasses.replace(make_evidence(labels), properties={})
