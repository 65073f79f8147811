"""JSON that labelling tools write: COCO, exports of Label Studio, or a list of paths and classes.

https://cocodataset.org/#format-data, https://labelstud.io/guide/export. They are told apart by
what is in them. A photo has the class that all its annotations agree on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from candid.core.text import cut, first_line, sanitize
from candid.data.images import SUFFIXES as IMAGE_SUFFIXES
from candid.data.listing import Listing
from candid.data.source import DataSource
from candid.data.sources.columns import choose_one, to_text
from candid.data.sources.root import Root
from candid.data.sources.tables import list_rows
from candid.errors import DataError

_MOST_BYTES: Final = 2**30
_NUM_TRIED: Final = 20
_EXPECTED: Final = (
    "expected a COCO file (images, annotations, categories), an export of Label Studio, or a list "
    "of objects with path and label"
)


def list_labelling(source: DataSource, root: Root, name: str, *, labelled: bool = True) -> Listing:
    """List the photos of a JSON file.

    Raises:
        DataError: It can't be read, or is of another form.
    """
    where = f"{root}/{name}"
    value = _load(root, name, where)
    rows: Iterator[Mapping[str, object]]
    if isinstance(value, dict) and isinstance(value.get("images"), list):
        rows = _read_coco(root, name, value)
    elif not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise DataError(f"{where} is of no known form; {_EXPECTED}.")
    elif not value or not isinstance(value[0].get("data"), dict):
        return list_rows(source, root, where, value, labelled=labelled)
    else:
        rows = _read_tasks(source, where, value, labelled=labelled)
    return list_rows(DataSource(source.data), root, where, rows, labelled=labelled)


def _load(root: Root, name: str, where: str) -> Any:
    try:
        with root.open(name) as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise DataError(f"{where} is larger than {_MOST_BYTES >> 20} MiB; divide it.")
        return json.loads(data.decode("utf-8-sig", "surrogateescape"))
    except OSError as error:
        raise DataError(f"{where} can't be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        reason = cut(sanitize(first_line(error)), 100)
        raise DataError(f"{where} can't be read as JSON: {reason}; {_EXPECTED}.") from error


def _read_coco(root: Root, name: str, coco: Mapping[str, Any]) -> Iterator[Mapping[str, object]]:
    """A path and the names of categories of each image."""
    names = {_key(row, "id"): to_text(row.get("name")) for row in _objects(coco, "categories")}
    found: dict[object, dict[str, None]] = {}
    for row in _objects(coco, "annotations"):
        category = names.get(_key(row, "category_id"))
        if category:
            found.setdefault(_key(row, "image_id"), {})[category] = None
    images = _objects(coco, "images")
    folder = _find_folder(root, name, [to_text(row.get("file_name")) for row in images])
    for row in images:
        path = to_text(row.get("file_name"))
        yield {"path": path and folder + path, "label": list(found.get(_key(row, "id"), ()))}


def _find_folder(root: Root, name: str, paths: Sequence[str]) -> str:
    """Where the images of a COCO file are: beside it, or as in the original set.

    That has ``annotations/instances_train2017.json`` and ``train2017/000000000009.jpg``.
    """
    last = PurePosixPath(name).stem.rpartition("_")[2]
    for folder in ("", "images/", f"{last}/", "../", "../images/", f"../{last}/"):
        if any(root.has(folder + path) for path in paths[:_NUM_TRIED] if path):
            return folder
    return ""


def _read_tasks(
    source: DataSource, where: str, tasks: Sequence[Mapping[str, Any]], *, labelled: bool
) -> Iterator[Mapping[str, object]]:
    """A path and the choices of each task of Label Studio."""
    data = [task["data"] if isinstance(task.get("data"), dict) else {} for task in tasks]
    keys = list(dict.fromkeys(key for values in data for key in values))
    shown = [key for key in keys if any(_is_image(values.get(key)) for values in data)]
    image = choose_one(source.image_column, keys, ("image", *shown), where, "--image-column")
    choices = [list(_choices(task)) for task in tasks]
    controls = list(dict.fromkeys(control for found in choices for control, _ in found))
    control = ""
    if labelled or source.label_column:
        usual = ("choice", *controls)
        control = choose_one(source.label_column, controls, usual, where, "--label-column")
    for values, found in zip(data, choices, strict=True):
        labels = dict.fromkeys(choice for name, choice in found if name == control)
        yield {"path": to_text(values.get(image)), "label": list(labels)}


def _choices(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names of controls and what was chosen there, but not in annotations that were skipped."""
    for annotation in (*_objects(task, "annotations"), *_objects(task, "completions")):
        if not annotation.get("was_cancelled"):
            for result in _objects(annotation, "result"):
                value = result.get("value")
                chosen = value.get("choices") if isinstance(value, dict) else None
                for choice in chosen if isinstance(chosen, list) else ():
                    yield to_text(result.get("from_name")), to_text(choice)


def _is_image(value: object) -> bool:
    return PurePosixPath(to_text(value)).suffix.lower() in IMAGE_SUFFIXES


def _objects(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = holder.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _key(row: Mapping[str, Any], name: str) -> str | int | None:
    """A number or text that names a row; files are free to have anything there."""
    value = row.get(name)
    return value if isinstance(value, (str, int)) else None
