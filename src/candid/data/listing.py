"""What a table, an archive or an address lists: photos that were not read yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from candid.core.text import plural, sanitize
from candid.data.location import PhotoFile, stamp_of


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of a listing.

    Attributes:
        path: Its name in every file and on every page: unique, with forward slashes.
        label: Its class; empty if none is given.
        file: Where its bytes are; None if they are nowhere, with a reason.
        part: The part that it comes in (``train``, ``Test_set``); empty for none.
        group: Of the person's own groups; empty for none.
        reason: Why it is left out, as a clause; empty if it is not.
        content: SHA-256 of its bytes; empty if that is not known.
        only_if: Size and time of modification (ns) of a file of which ``content`` is known to
            hold; None if it is anyway.
    """

    path: str
    label: str
    file: PhotoFile | None
    part: str = ""
    group: str = ""
    reason: str = ""
    content: str = ""
    only_if: tuple[int, int] | None = None

    def is_known(self) -> bool:
        """Whether the content is known to hold."""
        if self.only_if is None or self.file is None:
            return bool(self.content)
        try:
            stamp = stamp_of(self.file) if isinstance(self.file, Path) else self.file.stamp()
        except (OSError, ValueError):  # reading it gives the reason
            return False
        return stamp is not None and self.only_if == (stamp.num_bytes, stamp.mtime_ns)


def _say_nothing(path: str) -> str:  # noqa: ARG001
    return ""


@dataclass(frozen=True)
class Listing:
    """Photos in the order of their source.

    Attributes:
        rows: One per photo; of a path that is listed again, the first.
        classes: The classes that the source declares, also those without photos.
        notes: What the user should know about it.
        explain: Of the path of a file that is missing: what was probably meant, or nothing.
        is_folder: Whether the paths lead through folders of parts and classes.
        deep: Contents with more than 8 bits a sample, of those that are known.
    """

    rows: tuple[Listed, ...]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    explain: Callable[[str], str] = field(default=_say_nothing, compare=False, repr=False)
    is_folder: bool = False
    deep: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        rows: Iterable[Listed],
        *,
        classes: Iterable[str] = (),
        notes: Iterable[str] = (),
        explain: Callable[[str], str] = _say_nothing,
    ) -> Listing:
        """A listing of rows, each path once; one with two classes is left out."""
        kept: dict[str, Listed] = {}
        num_repeated = 0
        for row in rows:
            first = kept.setdefault(row.path, row)
            num_repeated += first is not row
            if first is not row and first.label != row.label and not first.reason:
                reason = f"listed as {first.label or 'none'} and as {row.label or 'none'}"
                kept[row.path] = replace(first, reason=sanitize(reason))
        if num_repeated:
            notes = (*notes, f"{plural(num_repeated, 'row')} of a path that is listed before")
        return cls(tuple(kept.values()), tuple(classes), tuple(notes), explain)

    @cached_property
    def by_path(self) -> dict[str, Listed]:
        """The rows by their paths."""
        return {row.path: row for row in self.rows}
