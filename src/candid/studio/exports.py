"""Exports of the project's runs: those that are there, and where new ones go.

An export is found by what its own manifest says, so it does not matter which command wrote it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from candid.core.safe_json import read_object
from candid.errors import DataError, DependencyError, UsageError
from candid.exporting import FORMATS, Format
from candid.exporting.source import MANIFEST, computes_in_int8
from candid.runs.artifact import MODEL
from candid.studio.judgements import FoundRun
from candid.studio.project import Project

_INT8: Final = "-int8"
_PIECE: Final = 1 << 18


@dataclass(frozen=True)
class Variant:
    """What a run can be exported to: a format, quantised or not."""

    form: Format
    is_int8: bool

    @property
    def name(self) -> str:
        """As in the names of folders: ``onnx-int8``."""
        return self.form.name + _INT8 * self.is_int8

    @property
    def words(self) -> list[str]:
        """Options of ``candid export``."""
        return ["--to", self.form.name, *["--int8"] * self.is_int8]

    @property
    def lacks(self) -> str:
        """What has to be installed first, in a sentence; empty if nothing."""
        try:
            self.form.require()
        except DependencyError as error:
            return str(error)
        return ""


def variants() -> list[Variant]:
    """All variants, format by format."""
    return [
        Variant(form, is_int8)
        for form in FORMATS.values()
        for is_int8 in (False, True)
        if form.quantise is not None or not is_int8
    ]


def variants_of(run: FoundRun) -> list[Variant]:
    """Those of a run: one that computes in eight bits already may not be quantised again."""
    settings = run.values.get("settings") or {}
    is_int8 = computes_in_int8(run.values.get("recipe", ""), settings.get("backbone"))
    return [one for one in variants() if not (one.is_int8 and is_int8) or one.form.takes_int8]


def find_variant(name: str) -> Variant:
    """A variant by its name.

    Raises:
        UsageError: There is none.
    """
    for variant in variants():
        if variant.name == name:
            return variant
    expected = ", ".join(variant.name for variant in variants())
    raise UsageError(f"there is no export {name!r}; expected one of {expected}.")


@dataclass(frozen=True)
class FoundExport:
    """An export that is there, so it passed its gate."""

    folder: Path
    stamp: int  # when it was written, in ns
    values: dict[str, Any]  # its manifest, as JSON; not checked

    @property
    def variant(self) -> str:
        """The name of its variant."""
        return str(self.values.get("format")) + _INT8 * ("int8" in self.values)

    @property
    def files(self) -> list[Path]:
        """Its files: those that its manifest lists, and the manifest."""
        root = self.folder.resolve()
        listed = ((root / name).resolve() for name in (*self.values["files"], MANIFEST))
        return [file for file in listed if file.is_file() and file.is_relative_to(root)]

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the screen."""
        values = self.values
        gate: dict[str, Any] = values.get("int8") or values.get("parity") or {}
        speeds = (values.get("int8") or {}).get("images_per_s") or {}
        return {
            "folder": str(self.folder),
            "stamp": str(self.stamp),
            "num_bytes": sum(file.stat().st_size for file in self.files),
            "runtime": gate.get("runtime", ""),
            "num_compared": gate.get("num_images"),
            "num_same_label": gate.get("num_same_label"),
            "probability_difference": gate.get("largest_probability_difference"),
            "accuracy_difference": gate.get("accuracy_difference"),
            "images_per_s": speeds.get("int8") or (values.get("speed") or {}).get("images_per_s"),
            "ratio": speeds.get("ratio"),
            "has_readme": (self.folder / "README.md").is_file(),
        }


class Exports:
    """Exports of a project's runs, in its state folder."""

    def __init__(self, project: Project) -> None:
        """Begin; what is there is looked for whenever it is asked for."""
        self.home = project.state / "exports"
        self._known: dict[Path, FoundExport] = {}

    def all(self) -> list[FoundExport]:
        """All exports, the newest first."""
        found = []
        for pattern in (f"[!.]*/{MANIFEST}", f"[!.]*/[!.]*/{MANIFEST}"):
            for file in self.home.glob(pattern):
                with suppress(OSError, ValueError):
                    stamp = file.stat().st_mtime_ns
                    known = self._known.get(file)
                    if known is None or known.stamp != stamp:
                        known = FoundExport(file.parent, stamp, read_object(file))
                        self._known[file] = known
                    if isinstance(known.values.get("files"), dict):
                        found.append(known)
        return sorted(found, key=lambda one: -one.stamp)

    def of(self, run: FoundRun) -> dict[str, FoundExport]:
        """The newest export of a run's very model, by the name of the variant."""
        model = run.values.get("files", {}).get(MODEL)
        found: dict[str, FoundExport] = {}
        for one in self.all():
            source = one.values.get("run")
            if model and isinstance(source, dict) and source.get("model_sha256") == model:
                found.setdefault(one.variant, one)
        return found

    def find(self, run: FoundRun, variant: Variant) -> FoundExport:
        """The export of a run.

        Raises:
            DataError: There is none.
        """
        try:
            return self.of(run)[variant.name]
        except KeyError:
            raise DataError(f"{run.folder.name} is not exported to {variant.name} yet.") from None

    def words(self, run: FoundRun, variant: Variant) -> list[str]:
        """What is typed after ``candid`` to export a run, again if it is exported already."""
        there = self.of(run).get(variant.name)
        words = ["export", str(run.folder), *variant.words, "--output"]
        if there is not None:
            return [*words, str(there.folder), "--overwrite"]
        name = f"{run.folder.name}-{variant.name}"
        names = (name if i == 1 else f"{name}-{i}" for i in count(1))
        return [
            *words,
            str(next(self.home / one for one in names if not (self.home / one).exists())),
        ]


class _Pieces:
    """A file that is only written to, whose content is taken piece by piece."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken


def zip_export(export: FoundExport) -> Iterator[bytes]:
    """The export's folder as an archive, piece by piece."""
    pieces = _Pieces()
    root = export.folder.resolve()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:  # type: ignore[call-overload]
        for file in export.files:
            name = (Path(export.folder.name) / file.relative_to(root)).as_posix()
            info = zipfile.ZipInfo.from_file(file, name)
            info.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(info, "w") as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield pieces.take()
    yield pieces.take()
