"""Thumbnails of the training photos that an explanation names, where they are still there."""

from __future__ import annotations

from base64 import b64encode
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from candid.artifact import SPLIT
from candid.errors import ImageError
from candid.hashing import hash_bytes
from candid.images import read_file
from candid.manifest import Manifest
from candid.pages import file_previews

_SIZE_PX: Final = 96
_MOST_KEPT: Final = 512  # thumbnails of about 3 kB


class TrainingPhotos:
    """Photos of the folder that a run was trained on.

    Only what was trained on is shown: a file whose bytes are others than those in the run's split,
    or that lies outside the folder, gives nothing.
    """

    def __init__(self, run: Path, folder: Path | None) -> None:
        """Remember where they are; nothing is read before the first question.

        Args:
            run: The run's folder.
            folder: What it was trained on; None where that is not known.
        """
        self._run = run
        self._folder = folder
        self.thumbnail = lru_cache(_MOST_KEPT)(self._thumbnail)

    @classmethod
    def of(cls, run: Path, manifest: Manifest) -> TrainingPhotos:
        """Those of a run, by its manifest."""
        folder = manifest.data.folder
        return cls(run, Path(folder) if folder else None)

    def prepare(self) -> None:
        """Read which photos they are."""
        _ = self._contents

    def _thumbnail(self, path: str) -> str | None:
        """A ``data:`` address of a JPEG, 96 pixels at its longest side, or None."""
        if self._folder is None or path not in self._contents:
            return None
        try:
            file = (self._folder / path).resolve()
            if not file.is_relative_to(self._folder.resolve()):
                return None
            if hash_bytes(read_file(file)) != self._contents[path]:
                return None
        except (ImageError, OSError, ValueError):  # ValueError: a NUL in the path
            return None
        data = file_previews(file.parent, size_px=_SIZE_PX)(file.name)
        return f"data:image/jpeg;base64,{b64encode(data).decode('ascii')}" if data else None

    @cached_property
    def _contents(self) -> dict[str, str]:
        from candid.split_file import read_csv

        return {row.path: row.content for row in read_csv(self._run / SPLIT).rows}
