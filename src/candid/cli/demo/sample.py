"""Draws the sample data set into a folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from candid.cli.demo.injected_defects import InjectedDefect, draw_picture, inject_defects
from candid.cli.demo.pen import CLASS_NAMES
from candid.cli.demo.scenes import SUFFIXES, choose_film, develop
from candid.errors import DataError, UsageError

_FORMAT_VERSION = 1
"""To be raised when the same seed gives another set."""
_MANIFEST = ".candid-demo.json"
_PARTIAL = ".candid-demo.partial"
_FEWEST_IMAGES = 10


@dataclass(frozen=True)
class SampleSet:
    """A drawn data set on disk."""

    folder: Path
    num_images: int
    """How many faces were drawn, half of them a class. The planted files come on top."""
    plants: tuple[InjectedDefect, ...]


def draw_sample(folder: Path, *, seed: int = 0, num_images: int = 300) -> SampleSet:
    """Draw happy and sad faces into ``folder/happy`` and ``folder/sad``, and plant troubles.

    The class is in the expression alone. The same arguments give the same files, byte for byte,
    with the same versions of NumPy, OpenCV and Pillow. A folder that holds this very set already
    is left as it is.

    Args:
        folder: Where to draw; it is made if need be and must be empty otherwise.
        seed: What everything is dealt from; not negative.
        num_images: How many faces to draw, 10 or more.

    Returns:
        What is in the folder.

    Raises:
        UsageError: ``seed`` or ``num_images`` is too small.
        DataError: ``folder`` is not empty and holds something other than this set, or it can't be
            written to.

    Example:
        >>> sample = draw_sample(Path("faces"))  # doctest: +SKIP
        >>> [plant.path.as_posix() for plant in sample.plants if plant.kind == "wrong_label"]
        ['sad/IMG_2044.jpg']
    """
    if seed < 0 or num_images < _FEWEST_IMAGES:
        raise UsageError(
            f"A sample set needs a seed of 0 or more and at least {_FEWEST_IMAGES} images. "
            f"Received: seed={seed}, num_images={num_images}."
        )
    earlier = _read_earlier_set(folder)
    if earlier is not None:
        return _same_or_refused(earlier, folder, seed=seed, num_images=num_images)
    files = _draw_faces(seed=seed, num_images=num_images)
    planted = inject_defects(files, seed=seed)
    files.update((plant.path, content) for plant, content in planted)
    plants = tuple(plant for plant, _ in planted)
    manifest = _to_json(seed=seed, num_images=num_images, plants=plants)
    _write(folder, files, manifest)
    return SampleSet(folder, num_images, plants)


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
    """Write everything beside its place, then move it there; the manifest, last, says "whole"."""
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
            "Name a folder that you may write to, on a disk with 20 MB to spare."
        ) from error


def _move_into_place(folder: Path) -> None:
    for name in (*CLASS_NAMES, _MANIFEST):
        if (folder / _PARTIAL / name).exists():
            (folder / _PARTIAL / name).replace(folder / name)
    (folder / _PARTIAL).rmdir()


def _clear_up(folder: Path) -> None:
    """Finish or remove what a killed demo left; touch nothing else in ``folder``."""
    partial = folder / _PARTIAL
    if not partial.is_dir():
        return
    in_the_way = any((partial / name).exists() and (folder / name).exists() for name in CLASS_NAMES)
    if (partial / _MANIFEST).exists() and not in_the_way:
        _move_into_place(folder)
    else:
        shutil.rmtree(partial)


def _read_earlier_set(folder: Path) -> dict[str, Any] | None:
    """The manifest of the set in ``folder``; None where nothing is there yet."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"The sample set needs a folder, but {folder} is a file. Name another one.")
    _clear_up(folder)
    if not folder.exists() or not any(folder.iterdir()):
        return None
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict):
        raise DataError(
            f"The sample set needs an empty folder, but {folder} has files in it that candid did "
            "not draw. They were left as they are; name a new folder."
        )
    return manifest


def _same_or_refused(
    manifest: dict[str, Any], folder: Path, *, seed: int, num_images: int
) -> SampleSet:
    wanted = {"format_version": _FORMAT_VERSION, "seed": seed, "num_images": num_images}
    found = {name: manifest.get(name) for name in wanted}
    if found != wanted:
        raise DataError(
            f"{folder} holds another sample set. Expected: {wanted}. Received: {found}. "
            "Name a new folder, or delete this one first."
        )
    try:
        return SampleSet(folder, num_images, tuple(map(_to_plant, manifest["plants"])))
    except (KeyError, TypeError) as error:
        raise DataError(
            f"The list of planted files in {folder / _MANIFEST} can't be read: {error!r}. "
            "Delete the folder and draw it again."
        ) from error


def _to_json(*, seed: int, num_images: int, plants: tuple[InjectedDefect, ...]) -> str:
    entries = [
        {
            "kind": plant.kind,
            "path": plant.path.as_posix(),
            "original": plant.original.as_posix() if plant.original else None,
            "note": plant.note,
        }
        for plant in plants
    ]
    header = {"format_version": _FORMAT_VERSION, "seed": seed, "num_images": num_images}
    return json.dumps({**header, "plants": entries}, indent=1) + "\n"


def _to_plant(entry: dict[str, Any]) -> InjectedDefect:
    original = entry["original"]
    return InjectedDefect(
        kind=entry["kind"],
        path=Path(entry["path"]),
        original=Path(original) if original else None,
        note=entry["note"],
    )
