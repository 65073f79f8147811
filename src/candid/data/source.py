"""What a person gives as DATA: a folder, a file that lists or holds photos, or an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# A drive of Windows has one letter.
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


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
        return isinstance(self.data, str) and bool(_ADDRESS.match(self.data))

    @property
    def path(self) -> Path | None:
        """The absolute path; None of an address."""
        return None if self.is_address else Path(self.data).expanduser().resolve()

    @property
    def name(self) -> str:
        """What a run on it is called: the folder's name, or the file's without suffix."""
        if self.path is None:
            return Path(str(self.data).rstrip("/").rpartition("/")[2]).stem
        if "{" in self.path.name and not self.path.exists():
            return re.sub(r"[-_.]*\{.*?\}", "", self.path.stem) or "data"
        return self.path.stem if self.path.is_file() else self.path.name

    def __str__(self) -> str:
        return str(self.path or self.data)
