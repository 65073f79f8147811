"""What commands print: results on stdout, all else on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import typer

from candid.errors import UsageError

#: Exit code: it ran, and there is something to look at, such as a bad file.
FOUND_SOMETHING: Final = 1


def write_text(file: Path, text: str) -> None:
    """Write a file that the user asked for.

    Raises:
        UsageError: It can't be written.
    """
    try:
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}.") from error


def echo_json(value: object) -> None:
    """Print a value as JSON, in UTF-8 whatever is in it, on stdout."""
    from json import dumps

    text = dumps(value, indent=2, ensure_ascii=False)
    # What of a file name is not UTF-8 becomes an escape, which JSON reads as what it was.
    typer.echo(text.encode("utf-8", "backslashreplace").decode())


def refuse_typed(
    context: typer.Context, is_meant: Callable[[str], bool], *, why: str, instead: str
) -> None:
    """Refuse options that would be read past: who types one expects it to matter.

    Args:
        context: The command's.
        is_meant: Whether a parameter of this name, such as ``leak_tax``, is read past.
        why: Goes on after the options' names.
        instead: What to do other than to leave them out.

    Raises:
        UsageError: Such options were typed.
    """
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if is_meant(parameter.name or "") and _is_typed(context, parameter.name or "")
    ]
    if given:
        them = "it" if len(given) == 1 else "them"
        raise UsageError(f"{', '.join(given)}: {why}. Leave {them} out, or {instead}.")


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def warn(lines: Iterable[str]) -> None:
    """Print notes, a line each, on stderr."""
    for line in lines:
        say(f"note: {line}")


def say(line: str) -> None:
    """Print a line on stderr: whoever pipes the results does not get it."""
    typer.echo(line, err=True)
