"""Files that outlive a killed process: journals of JSON lines, and files replaced as a whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_line(journal: Path, line: Mapping[str, Any], *, sync: bool = True) -> None:
    """Append a line of JSON; one that a killed process left half written is ended before it.

    Args:
        journal: The file; it and its folder are made if they are missing.
        line: JSON values.
        sync: Wait until it is on the disk.

    Raises:
        OSError: It can't be written.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a+b") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        is_torn = file.read() not in (b"", b"\n")
        file.write(b"\n" * is_torn + json.dumps(line).encode("ascii") + b"\n")
        file.flush()
        if sync:
            os.fsync(file.fileno())


def read_lines(journal: Path) -> list[dict[str, Any]]:
    """The lines of a journal, without those that are half written; none if there is no file."""
    found = []
    for line in journal.read_bytes().splitlines() if journal.is_file() else ():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            found.append(values)
    return found


def replace_file(file: Path, data: bytes) -> None:
    """Write a file that is there as a whole, the new one or the old one, at any time.

    Raises:
        OSError: It can't be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(file)
