"""The folders that were open lately, in a file beside the cache."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from candid.core.cache import default_folder
from candid.core.journal import replace_file
from candid.core.safe_json import read_as, read_object

_MOST: Final = 20


@dataclass(frozen=True)
class Recent:
    """A folder that was open.

    Attributes:
        folder: Its path.
        opened: When, in ISO 8601 with its time zone.
    """

    folder: str
    opened: str

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the screens; also whether the folder is there."""
        path = Path(self.folder)
        return asdict(self) | {"name": path.name or self.folder, "is_there": path.is_dir()}


def recent() -> list[Recent]:
    """Those that were open, the last first; none if the file is missing or damaged."""
    try:
        rows: tuple[Recent, ...] = read_as(
            tuple[Recent, ...], read_object(_file()).get("folders"), "folders"
        )
    except (OSError, ValueError):
        return []
    return [row for row in rows if "\0" not in row.folder]


def remember(folder: Path) -> None:
    """Put a folder first. Without a place to write, nothing is remembered."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _write([Recent(str(folder), now), *_without(str(folder))])


def forget(folder: str) -> None:
    """Take a folder off the list; the folder itself stays as it is."""
    _write(_without(folder))


def _without(folder: str) -> list[Recent]:
    return [one for one in recent() if one.folder != folder]


def _write(rows: list[Recent]) -> None:
    with suppress(OSError):
        replace_file(
            _file(), json.dumps({"folders": [asdict(row) for row in rows[:_MOST]]}).encode()
        )


def _file() -> Path:
    return default_folder() / "studio" / "recent.json"
