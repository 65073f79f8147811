"""Readers of the formats of ``candid.json``, each frozen; see docs/adr/0014-manifest.md."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from candid.core.safe_json import read_as
from candid.errors import ArtifactError
from candid.runs.manifest import FORMAT_VERSION, SETTINGS, Manifest, Metrics


def _read_2(values: Mapping[str, Any], file: Path) -> Manifest:
    """Read format 2, which is frozen: format 3 without what was added to it."""
    pixels = values.get("pixels")
    if isinstance(pixels, dict):
        pixels = {name: value for name, value in pixels.items() if name not in _ADDED_IN_3}
    return _read_3({**values, "format_version": FORMAT_VERSION, "pixels": pixels}, file)


_ADDED_IN_3: Final = ("sample_range", "page", "bands", "max_pixels")


def _read_3(values: Mapping[str, Any], file: Path) -> Manifest:
    """Read format 3: a format with other fields gets its own reader."""
    try:
        read_as(Metrics | None, values.get("metrics"), "figures.test")
    except ValueError as error:
        # The server's API has no top-level figures: name the field as it does.
        why = str(error).replace("figures.test.kfold", "figures.kfold")
        raise ArtifactError(f"{file} does not say how good it is ({why}); train again.") from error
    try:
        _require_classes(values.get("classes"))
        manifest: Manifest = read_as(Manifest, values, "")
        if not isinstance(manifest.settings, SETTINGS[manifest.recipe]):
            raise ValueError(f"settings: those of the recipe {manifest.recipe} are expected")
    except ValueError as error:
        raise ArtifactError(f"{file} is incomplete: {error}; restore it or train again.") from error
    return manifest


def _require_classes(names: object) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("classes: a list of names is expected")
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError("classes: at least two different names are expected")


Reader = Callable[[Mapping[str, Any], Path], Manifest]
#: The reader of each supported format version. A later format adds its own.
READERS: Final[Mapping[int, Reader]] = {2: _read_2, 3: _read_3}


def find_reader(version: object, run: Path) -> Reader:
    """The reader of a format version.

    Args:
        version: The version in the manifest; untrusted.
        run: The run's folder, for the message.

    Raises:
        ArtifactError: The version is not supported.
    """
    # 2.0 and true equal keys, too.
    reader = READERS.get(version) if type(version) is int else None
    if reader is None:
        raise ArtifactError(
            f"{run} has format version {reprlib.repr(version)}, expected {FORMAT_VERSION}. "
            "Use the version of Candid that wrote it, or train again."
        )
    return reader
