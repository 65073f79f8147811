"""Which columns of a table have the photo, its class, its part and its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from candid.core.text import cut, join_names, sanitize
from candid.data.source import DataSource
from candid.errors import DataError

#: Usual names; the first is taken wherever it is there, of the others only one that is alone.
PATHS: Final = ("path", "file_name", "file", "image", "filename", "image_path", "filepath", "img")
IMAGES: Final = ("image", "img", "photo", "picture", "jpg", "png", "bytes")
LABELS: Final = ("label", "class", "category", "species", "target", "labels", "cls", "choice")
_PARTS: Final = ("part", "split")
_MARKED: Final = frozenset({"1", "1.0", "true"})
_UNMARKED: Final = frozenset({"0", "0.0", "false", ""})


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of a table's columns; empty for none.

    Attributes:
        image: Of the photo or its path.
        labels: Of the class; of several, the one that has a 1 names it.
        part: Of the part that it comes in.
        group: Of the person's own groups.
    """

    image: str
    labels: tuple[str, ...]
    part: str = ""
    group: str = ""

    def label(self, row: Mapping[str, object]) -> tuple[str, str]:
        """The class of a row, empty for none, and why it has none, empty if that is all."""
        if len(self.labels) == 1:
            return class_of(row.get(self.labels[0]))
        marked = []
        for name in self.labels:
            value = to_text(row.get(name))
            if value.lower() in _MARKED:
                marked.append(name)
            elif value.lower() not in _UNMARKED:
                return "", f"its {sanitize(name)} is {cut(sanitize(value), 40)}; expected 0 or 1"
        if len(marked) > 1:
            return "", f"of several classes: {join_names([*map(sanitize, marked)])}"
        return (marked[0], "") if marked else ("", "")


def class_of(value: object) -> tuple[str, str]:
    """The class that a cell names, and why it has none: a list has to have one value."""
    if isinstance(value, Mapping) and isinstance(value.get("choices"), list):
        value = value["choices"]  # of Label Studio
    if isinstance(value, list):
        names = list(dict.fromkeys(map(to_text, value)))
        if len(names) > 1:
            return "", f"of several classes: {join_names([*map(sanitize, names)])}"
        value = names[0] if names else ""
    if isinstance(value, Mapping):
        return "", "its class is an object; expected a text or a number"
    return to_text(value), ""


def to_text(value: object) -> str:
    """A cell as text, without spaces around it; as it was written, so ``007`` and ``NA`` stay."""
    if value is None or value != value:  # null, NaN
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape").strip()
    if isinstance(value, float) and value.is_integer():  # numbers beside nulls
        return str(int(value))
    return str(value).strip()


def choose_columns(
    source: DataSource,
    names: Sequence[str],
    where: str,
    *,
    images: Sequence[str] = PATHS,
    labels: Sequence[str] = LABELS,
    labelled: bool = True,
) -> Columns:
    """The columns that a person named, or those of the usual names.

    Args:
        source: With the columns that were named. Several of the class are separated by commas.
        names: All columns.
        where: The table, for messages.
        images: Usual names of the photo's column.
        labels: Those of the class.
        labelled: Whether a class is needed; else only a column that was named is read.

    Raises:
        DataError: There is no such column, or there are several.
    """
    image = choose_one(source.image_column, names, images, where, "--image-column")
    chosen = source.label_column
    several = [name.strip() for name in chosen.split(",")] if chosen not in names else [chosen]
    found: tuple[str, ...] = ()
    if chosen or labelled:
        found = tuple(choose_one(one, names, labels, where, "--label-column") for one in several)
    part = next(iter(_find(names, _PARTS)), "")
    group = next(iter(_find(names, ("group",))), "")
    return Columns(image, found, *("" if name in found else name for name in (part, group)))


def choose_one(
    chosen: str, names: Sequence[str], usual: Sequence[str], where: str, option: str
) -> str:
    """The chosen column, or that of a usual name; upper and lower case are the same.

    Raises:
        DataError: There is none, or there are several.
    """
    found = _find(names, (chosen,) if chosen else usual)
    if chosen in found:
        return chosen
    if not found:
        expected = f"the column {sanitize(chosen)}" if chosen else f"a column {join_names(usual)}"
        several = ", several of 0 and 1 separated by commas" if option == "--label-column" else ""
        raise DataError(
            f"{where} lacks {expected}; it has {_listed(names)}. Name it with {option}{several}."
        )
    if len(found) > 1 and found[0].lower() != usual[0]:
        raise DataError(
            f"{where} has several columns that could be meant: {_listed(found)}. Name one with "
            f"{option}."
        )
    return found[0]


def _find(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    lower = {name.lower(): name for name in reversed(names)}
    return [lower[name.lower()] for name in wanted if name.lower() in lower]


def _listed(names: Sequence[str]) -> str:
    return join_names([*map(sanitize, names)], most=20) or "none"
