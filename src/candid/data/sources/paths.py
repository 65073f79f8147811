"""What the cells of tables mean as paths, and what was meant by those that lead nowhere."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from candid.core.text import sanitize
from candid.data.sources.root import Root

_LOCAL_FILES: Final = "/data/local-files/"
_UPLOADS: Final = "/data/upload/"
# Label Studio puts it before the name of an uploaded file.
_UPLOAD_PREFIX: Final = re.compile(r"[0-9a-f]{8}-")


def to_path(cell: str, root: Root) -> str:
    """The path that a cell means, with forward slashes; empty for none."""
    if _LOCAL_FILES in cell or _UPLOADS in cell:
        return _of_label_studio(cell, root)
    path = cell.removeprefix("file://").replace("\\", "/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def _of_label_studio(cell: str, root: Root) -> str:
    """The file that an address within Label Studio stands for, if it is below the root.

    ``/data/local-files/?d=photos/a.jpg`` is relative to a folder that only Label Studio knows;
    ``/data/upload/3/0123abcd-a.jpg`` was called ``a.jpg`` before.
    """
    address = urlsplit(cell)
    if _LOCAL_FILES in address.path:
        path = parse_qs(address.query).get("d", [""])[0]
        return find_meant(root, path) or path
    uploaded = unquote(address.path).partition(_UPLOADS)[2]
    name = uploaded.rpartition("/")[2]
    original = _UPLOAD_PREFIX.sub("", name, count=1)
    choices = (f"upload/{uploaded}", name, f"images/{name}", original, f"images/{original}")
    return next(filter(root.has, choices), original)


def explain_missing(root: Root, path: str) -> str:
    """What was probably meant by the path of a file that is not there; it is not opened instead.

    A table may come from another machine, or have been written in another folder.
    """
    meant = find_meant(root, path)
    reason = ""
    if path.startswith("/") or path[1:3] == ":/":
        reason = "; it is a path of another machine" + ("" if meant else f", not below {root}")
    return f"{reason}; perhaps {sanitize(meant)} in {root} is meant" if meant else reason


def find_meant(root: Root, path: str) -> str | None:
    """The file below a root that is called like the end of a path."""
    steps = path.replace("\\", "/").strip("/").split("/")
    return next(filter(root.has, ("/".join(steps[start:]) for start in range(len(steps)))), None)
