"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import typer

from candid.errors import UsageError

#: Exit code of a command that succeeded and found something, such as an unreadable file.
EXIT_FINDINGS: Final = 1


class Result(Protocol):
    """Result of a command."""

    def to_json(self) -> object:
        """As JSON values."""

    def to_text(self) -> str:
        """As text for a terminal."""


def print_result(result: Result, *, json: bool) -> None:
    """Print a result on stdout, as text or as JSON."""
    if json:
        print_json(result.to_json())
    else:
        typer.echo(result.to_text())


def print_json(value: object) -> None:
    """Print JSON on stdout."""
    typer.echo(json_text(value))


def json_text(value: object) -> str:
    """JSON that UTF-8 can encode; bytes of file names that are not UTF-8 are escaped."""
    from json import dumps

    text = dumps(value, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def print_notes(notes: Iterable[str]) -> None:
    """Print notes on stderr, one per line."""
    for note in notes:
        print_error(f"note: {note}")


def print_error(line: str) -> None:
    """Print a line on stderr, which is not piped with the results."""
    typer.echo(line, err=True)


def reject_options(
    context: typer.Context, is_rejected: Callable[[str], bool], *, why: str, instead: str
) -> None:
    """Reject options that would have no effect.

    Args:
        context: The command's.
        is_rejected: Whether a parameter name such as ``leak_tax`` is rejected.
        why: Continues the message after the options' names.
        instead: Alternative to leaving them out.

    Raises:
        UsageError: Such options were given.
    """
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source and source.name == "COMMANDLINE" and is_rejected(parameter.name or ""):
            given.append(parameter.opts[0])
    if given:
        them = "it" if len(given) == 1 else "them"
        raise UsageError(f"{', '.join(given)}: {why}. Leave {them} out, or {instead}.")


def has_screen() -> bool:
    """Whether a window can be opened."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
