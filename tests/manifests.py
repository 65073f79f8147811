"""Complete manifests for runs made by hand, and changes to the manifests of runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from candid.runs.artifact import MANIFEST
from candid.runs.manifest import (
    CalibrationSettings,
    DataSummary,
    Manifest,
    PixelSettings,
    Preparation,
    RuleSettings,
    TransferSettings,
)

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "candid.schema.json").read_text())


def make_manifest(classes: Sequence[str] = ("happy", "sad"), **changed: Any) -> Manifest:
    """A manifest of the recipe transfer without figures."""
    backbone = "efficientnet-lite0"
    made = Manifest(
        candid_version="1.2.3",
        recipe="transfer",
        complete=True,
        classes=tuple(classes),
        pixels=PixelSettings(224, "squash", "v2:224:squash"),
        rule=RuleSettings(0.5, ()),
        calibration=CalibrationSettings(1.0),
        abstention=None,
        settings=TransferSettings(backbone, 1.0, 1.0, ("train", "val"), 60, 0),
        prepared_with=Preparation(backbone, "squash"),
        data=DataSummary("/photos", "0" * 64, 60, 60, ()),
        decisions=None,
        metrics=None,
        libraries={"numpy": "2.4.6"},
    )
    return replace(made, **changed)


def change(run: Path, **values: object) -> None:
    """Change values of a run's manifest, given by name, or as a function of the old value."""
    manifest = json.loads((run / MANIFEST).read_text())
    for key, new in values.items():
        manifest[key] = new(manifest[key]) if callable(new) else new
    (run / MANIFEST).write_text(json.dumps(manifest))


def forge(run: Path, name: str, content: bytes) -> None:
    """Replace a file of a run, and its hash in the manifest."""
    (run / name).write_bytes(content)
    change(run, files=lambda files: files | {name: hashlib.sha256(content).hexdigest()})
