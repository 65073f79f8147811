"""What a person gives as DATA: a folder, a file that lists or holds photos, or an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

#: Suffixes of tables with paths.
CSV: Final = (".csv", ".tsv")
TABLES: Final = (*CSV, ".jsonl", ".ndjson")
#: Of archives, which can be read where they are, and of those that can't.
TAR: Final = (".tar",)
COMPRESSED: Final = (".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
PARQUET: Final = (".parquet", ".pq")
#: Of what labelling tools write.
LABELLING: Final = (".json",)
# A drive of Windows has one letter.
_ADDRESS: Final = re.compile(r"(?!file://)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")
_SIGNATURE: Final = re.compile(r"\?\S*(?:signature|sig|token|key)\S*?=[^:\s]*", re.IGNORECASE)

_SECRETS: Final[dict[str, str]] = {}


def is_address(text: str) -> bool:
    """Whether it is an address such as ``s3://bucket/photos``; a path and ``file://`` are none."""
    return bool(_ADDRESS.match(text))


def without_secrets(address: str) -> str:
    """An address without user, password and signature.

    >>> without_secrets("https://me:secret@example.com/set.tar?X-Amz-Signature=0123")
    'https://example.com/set.tar'
    """
    return _SIGNATURE.sub("", _USER.sub("", address))


def hide(address: str) -> str:
    """An address without user, password and signature, which this process remembers."""
    shown = without_secrets(address)
    if shown != address:
        _SECRETS[shown] = address
    return shown


def with_secrets(shown: str) -> str:
    """The address of which this is what `hide` showed."""
    return _SECRETS.get(shown, shown)


def holds_secrets() -> bool:
    """Whether some addresses can be read by this process alone."""
    return bool(_SECRETS)


def is_listed(path: str) -> bool:
    """Whether a path is that of a table, an archive or a pattern of them, by its suffix."""
    return path.lower().endswith((*TAR, *COMPRESSED, *PARQUET, *TABLES, *LABELLING))


@dataclass(frozen=True)
class DataSource:
    """A folder, a file or an address of photos, and how its columns are called.

    Attributes:
        data: As it was given.
        image_column: Of a table: the column with the photo's bytes or path. Empty: the usual names.
        label_column: Of a table: the column with the class. Empty: the usual names.

    Example:
        >>> candid.train(candid.DataSource("moths.parquet", label_column="species"))
        ... # doctest: +SKIP
    """

    data: str | Path
    image_column: str = ""
    label_column: str = ""

    @classmethod
    def of(cls, data: str | Path | DataSource) -> DataSource:
        """The same, or one with columns of the usual names."""
        return data if isinstance(data, DataSource) else cls(data)

    @property
    def is_address(self) -> bool:
        """Whether it is an address such as ``s3://bucket/photos``, rather than a path."""
        return isinstance(self.data, str) and is_address(self.data)

    @property
    def path(self) -> Path | None:
        """The absolute path; None of an address."""
        if self.is_address:
            return None
        text = str(self.data)
        is_uri = text.lower().startswith("file://")
        return Path(unquote(urlsplit(text).path) if is_uri else text).expanduser().resolve()

    @property
    def name(self) -> str:
        """What a run on it is called: the folder's name, or the file's without suffix."""
        if self.path is None:
            steps = [step for step in re.split("[/:]+", str(self).rstrip("/")) if step]
            return Path(steps[-1]).stem
        if "{" in self.path.name and not self.path.exists():
            return re.sub(r"[-_.]*\{.*?\}", "", self.path.stem) or "data"
        return self.path.stem if self.path.is_file() else self.path.name

    def __repr__(self) -> str:
        columns = f", {self.image_column!r}, {self.label_column!r}"
        named = self.image_column or self.label_column
        return f"DataSource({str(self)!r}{columns if named else ''})"

    @property
    def options(self) -> tuple[str, ...]:
        """What names its columns on a command line."""
        named = (("--image-column", self.image_column), ("--label-column", self.label_column))
        return tuple(word for option, name in named if name for word in (option, name))

    def __str__(self) -> str:
        return str(self.path or hide(str(self.data)))
