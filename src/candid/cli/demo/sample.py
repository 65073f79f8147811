"""The sample data set on disk: drawn once, moved into place as a whole, never overwritten."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from candid.cli.demo.injected_defects import InjectedDefect, inject_defects
from candid.cli.demo.pen import CLASS_NAMES
from candid.cli.demo.scenes import SUFFIXES, choose_film, develop, draw_picture
from candid.errors import DataError, UsageError

_FORMAT_VERSION = 1
"""Increase when the same seed gives another set."""
_MANIFEST = ".candid-demo.json"
_PARTIAL = ".candid-demo.partial"
_MIN_IMAGES = 10


@dataclass(frozen=True)
class SampleSet:
    """A drawn data set on disk.

    Attributes:
        folder: Its folder.
        num_images: Number of faces, half of them per class, without the injected defects.
        defects: The injected defects.
    """

    folder: Path
    num_images: int
    defects: tuple[InjectedDefect, ...]


def draw_sample(folder: Path, *, seed: int = 0, num_images: int = 300) -> SampleSet:
    """Draw faces into ``folder/happy`` and ``folder/sad``, and inject defects.

    The classes differ in the expression only. The same arguments give the same files, byte for
    byte, with the same versions of NumPy, OpenCV and Pillow. If the folder holds this set already,
    nothing is written.

    Args:
        folder: Output folder; created if missing, otherwise it must be empty.
        seed: Random seed; not negative.
        num_images: Number of faces, 10 or more.

    Raises:
        UsageError: ``seed`` or ``num_images`` is too small.
        DataError: ``folder`` holds other files or another set, or can't be written to.

    Example:
        >>> sample = draw_sample(Path("faces"))  # doctest: +SKIP
        >>> [defect.path.as_posix() for defect in sample.defects if defect.kind == "wrong_label"]
        ['sad/IMG_2044.jpg']
    """
    if seed < 0 or num_images < _MIN_IMAGES:
        raise UsageError(
            f"A sample set needs a seed of 0 or more and at least {_MIN_IMAGES} images. "
            f"Received: seed={seed}, num_images={num_images}."
        )
    header = {"format_version": _FORMAT_VERSION, "seed": seed, "num_images": num_images}
    existing = _read_existing(folder)
    if existing is not None:
        return SampleSet(folder, num_images, _defects_of(existing, folder, header))
    files = _draw_faces(seed=seed, num_images=num_images)
    injected = inject_defects(files, seed=seed)
    files.update((defect.path, content) for defect, content in injected)
    defects = tuple(defect for defect, _ in injected)
    values = {**header, "plants": [asdict(defect) for defect in defects]}
    _write(folder, files, json.dumps(values, indent=1, default=PurePath.as_posix) + "\n")
    return SampleSet(folder, num_images, defects)


def _draw_faces(*, seed: int, num_images: int) -> dict[Path, bytes]:
    files = {}
    for index in range(num_images):
        class_name = CLASS_NAMES[index % len(CLASS_NAMES)]
        film = choose_film(np.random.default_rng((seed, 0, index)))
        pixels = draw_picture((seed, 3, index), class_name)
        path = Path(class_name) / f"face-{index + 1:04d}{SUFFIXES[film.format]}"
        files[path] = develop(pixels, film)
    return files


def _write(folder: Path, files: dict[Path, bytes], manifest: str) -> None:
    """Write everything to a partial folder, then move it; the manifest is moved last."""
    partial = folder / _PARTIAL
    try:
        for path, content in files.items():
            target = partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (partial / _MANIFEST).write_text(manifest, encoding="utf-8")
        _move_into_place(folder)
    except OSError as error:
        raise DataError(
            f"The sample set can't be written to {folder}: {error}. "
            "Choose a folder that you may write to, on a disk with 20 MB free."
        ) from error


def _move_into_place(folder: Path) -> None:
    for name in (*CLASS_NAMES, _MANIFEST):
        if (folder / _PARTIAL / name).exists():
            (folder / _PARTIAL / name).replace(folder / name)
    (folder / _PARTIAL).rmdir()


def _recover(folder: Path) -> None:
    """Finish or remove what a killed process left; change nothing else in ``folder``."""
    partial = folder / _PARTIAL
    if not partial.is_dir():
        return
    in_the_way = any((partial / name).exists() and (folder / name).exists() for name in CLASS_NAMES)
    if (partial / _MANIFEST).exists() and not in_the_way:
        _move_into_place(folder)
    else:
        shutil.rmtree(partial)


def _read_existing(folder: Path) -> dict[str, Any] | None:
    """The manifest of the set in ``folder``; None if the folder is missing or empty."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"The sample set needs a folder, but {folder} is a file. Name another one.")
    _recover(folder)
    if not folder.exists() or not any(folder.iterdir()):
        return None
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict):
        raise DataError(
            f"The sample set needs an empty folder, but {folder} has files in it that candid did "
            "not draw. They were left unchanged; name a new folder."
        )
    return manifest


def _defects_of(
    manifest: dict[str, Any], folder: Path, header: dict[str, int]
) -> tuple[InjectedDefect, ...]:
    """The defects in a manifest.

    Raises:
        DataError: It is of another set, or damaged.
    """
    found = {name: manifest.get(name) for name in header}
    if found != header:
        raise DataError(
            f"{folder} holds another sample set. Expected: {header}. Received: {found}. "
            "Name a new folder, or delete this one first."
        )
    try:
        return tuple(
            InjectedDefect(
                kind=entry["kind"],
                path=Path(entry["path"]),
                original=Path(entry["original"]) if entry["original"] else None,
                note=entry["note"],
            )
            for entry in manifest["plants"]
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"The list of defects in {folder / _MANIFEST} can't be read: {error!r}. "
            "Delete the folder and draw it again."
        ) from error
