"""Which photos are frames of one burst: ``groups.csv``, in the form of ``--group-by``.

Frames of a burst are nearly the same picture, so they must not be in two parts. The file is only
ever added to, except where another program changed its form; a row comes before its photo.
"""

from __future__ import annotations

import csv
import io
import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from candid.core.journal import replace_file
from candid.splits.user_groups import count_groups, group_by_file
from candid.studio.project import Project

#: In the state folder.
GROUPS: Final = "groups.csv"
_HEAD: Final = b"path,group\n"


class Bursts:
    """The groups of a project's photos."""

    def __init__(self, project: Project) -> None:
        """Begin with those that the state folder holds."""
        self._project = project
        self.file = project.state / GROUPS
        self._lock = threading.Lock()
        self._read: tuple[object, dict[str, str]] = (None, {})
        self._described: tuple[object, list[dict[str, Any]]] = (None, [])

    @property
    def group_by(self) -> Mapping[str, str]:
        """The burst by the path of each frame; those of photos that are gone too.

        Raises:
            UsageError: The file was changed, and can't be read.
        """
        stamp = _stamp(self.file)
        if self._read[0] != stamp:
            self._read = stamp, group_by_file(self.file) if stamp else {}
        return self._read[1]

    def are_needed(self, paths: Iterable[str]) -> bool:
        """Whether a training has to be given the file, as it names a photo that is learnt from.

        Args:
            paths: Of the photos that are learnt from.
        """
        named = self.group_by
        return bool(named) and any(path in named for path in paths)

    def add(self, paths: Iterable[str], burst: str) -> None:
        """Let photos be frames of one burst.

        Args:
            paths: Relative to the project's folder.
            burst: Its name.

        Raises:
            OSError: The file can't be written.
        """
        with self._lock:
            groups, data = dict(self.group_by), self._start()
            before = _stamp(self.file)
            rows = dict.fromkeys(paths, burst)
            data += _rows(rows.items())
            _append(self.file, data)
            after = _stamp(self.file)
            if after is not None and after[1] == (before[1] if before else 0) + len(data):
                self._read = after, groups | rows  # else another studio wrote too

    def describe(self) -> list[dict[str, Any]]:
        """For each class: ``bursts``, and ``groups``, of which single photos are ones too."""
        named, num_scans = self.group_by, self._project.num_scans
        if self._described[0] != (self._read[0], num_scans):
            self._described = (self._read[0], num_scans), self._count(named)
        return self._described[1]

    def _count(self, named: Mapping[str, str]) -> list[dict[str, Any]]:
        photos = [self._project.photos[number] for number in self._project.present]
        bursts = Counter(
            label for label, _ in {(p.label, named[p.path]) for p in photos if p.path in named}
        )
        return [
            {"name": label, "bursts": bursts[label], "groups": num}
            for label, num in sorted(count_groups(photos, named).items())
        ]

    def _start(self) -> bytes:
        """What has to be written before further rows; another form is made into this one."""
        data = self.file.read_bytes() if self.file.is_file() else b""
        if not data:
            return _HEAD
        if not data.startswith(_HEAD):
            text = _HEAD + _rows(self.group_by.items())
            replace_file(self.file, text)
            return b""
        return b"" if data.endswith(b"\n") else b"\n"  # the process was killed in a line


def _rows(rows: Iterable[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _append(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab", buffering=0) as stream:
        stream.write(data)
        os.fsync(stream.fileno())


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
