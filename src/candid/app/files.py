"""The page's files."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Final

#: All but index.html, and but the engine with its modules.
PAGE_FILES: Final = (
    "app.css",
    "app.js",
    "asking.js",
    "bars.js",
    "camera.js",
    "card.js",
    "dom.js",
    "heat.js",
    "icon.svg",
    "intake.js",
    "outline.js",
    "picture.js",
    "similar.js",
    "words.js",
)
_INDEX: Final = "index.html"
_PLACE: Final = b"<!-- policy -->"


def read_file(name: str) -> bytes:
    """Read a file of the page.

    Args:
        name: One of `PAGE_FILES`, or an engine's file beside them.

    Returns:
        Its bytes; of ``app.css`` with the looks of all our pages before it.
    """
    data = (files("candid.app") / name).read_bytes()
    if name == "app.css":
        return (files("candid.pages") / "base.css").read_bytes() + data
    return data


def index_html(policy: str | None = None) -> bytes:
    """The page itself.

    Args:
        policy: A Content-Security-Policy for those who can't send it as a header; put into a
            ``<meta>``.
    """
    said = "" if policy is None else _meta(policy)
    return read_file(_INDEX).replace(_PLACE, said.encode(), 1)


def _meta(policy: str) -> str:
    return f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
