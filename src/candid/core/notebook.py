"""What notebooks show: a bar while something takes long, and small HTML for results.

Without scripts, styles of its own or widgets, so that it is the same in Jupyter, VS Code and Colab,
in light and dark, and in a saved notebook.
"""

from __future__ import annotations

import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import Any, Final

from candid.core.text import cut, sanitize_line

_MOST_ROWS: Final = 12
_MOST_OF_CELL: Final = 160
_EVERY_S: Final = 0.1  # each update is a message to the browser
_LEFT: Final = "text-align:left;vertical-align:top"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def card(
    title: str,
    rows: Iterable[tuple[str, str | float]] = (),
    *,
    text: str = "",
    picture: bytes = b"",
) -> str:
    """A result as a few kB of HTML; text is escaped, and cut where it is long.

    Args:
        title: The first line, in bold.
        rows: Names and values; a number from 0 to 1 has a bar.
        text: Lines below the title.
        picture: A JPEG, beside the rows.
    """
    rows = list(rows)
    more = len(rows) - _MOST_ROWS
    if more > 1:
        rows[_MOST_ROWS:] = [("", f"… and {more} more")]
    parts = [f"<b>{_clean(title)}</b>"]
    if text:
        lines = escape("\n".join(map(sanitize_line, text.splitlines())))
        parts.append(f'<pre style="white-space:pre-wrap;margin:.5em 0">{lines}</pre>')
    if rows:
        parts.append(f"<table>{''.join(_row(*row) for row in rows)}</table>")
    body = f"<div>{''.join(parts)}</div>"
    if picture:
        source = f"data:image/jpeg;base64,{b64encode(picture).decode('ascii')}"
        body = f'<img src="{source}" alt="" style="max-width:none;margin:0">{body}'
    return f'<div style="display:flex;gap:1em;align-items:flex-start">{body}</div>'


def _row(name: str, value: str | float) -> str:
    if isinstance(value, str):
        shown = _clean(value)
    else:
        bar = f"height:.6em;width:{8 * value:.2f}em;background:currentColor;opacity:.4"
        shown = f'{value:.3f} <span style="display:inline-block;{bar}"></span>'
    return f'<tr><th style="{_LEFT}">{_clean(name)}</th><td style="{_LEFT}">{shown}</td></tr>'


def _clean(text: str) -> str:
    return escape(cut(sanitize_line(text), _MOST_OF_CELL))


class NotebookBar:
    """Progress in a cell's output: the steps that are done, and a bar for the one that runs."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._shown: Any = None

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Begin a step."""
        started = shown = time.monotonic()
        done = 0
        self._show(title, done, total)

        def advance(count: int) -> None:
            nonlocal done, shown
            done += count
            if time.monotonic() - shown >= _EVERY_S:
                shown = time.monotonic()
                self._show(title, done, total)

        yield advance
        self._done.append(f"{title}: {done} in {time.monotonic() - started:.1f} s")
        self._show()

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)  # noqa: T201

    def _show(self, title: str = "", done: int = 0, total: int = 0) -> None:
        number = f"{done} of {total}" if total else str(done)
        text = " · ".join([*self._done, *([f"{title}: {number}"] if title else [])])
        html = f'<div style="opacity:.7">{escape(" · ".join(self._done))}</div>'
        if title:
            value = f' value="{done}" max="{total}"' if total else ""
            html += f"<div>{escape(title)} <progress{value}></progress> {number}</div>"
        shown = {"text/plain": text, "text/html": html}
        if self._shown is None:
            display = import_module("IPython.display").display
            self._shown = display(shown, raw=True, display_id=True)
        else:
            self._shown.update(shown, raw=True)
