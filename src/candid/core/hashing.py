"""Hexadecimal SHA-256 of files and bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path


def hash_file(file: Path) -> str:
    """SHA-256 of a file, read in blocks.

    Raises:
        OSError: It can't be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_bytes(data: bytes) -> str:
    """SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()
