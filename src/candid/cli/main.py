"""Entry point of the command line. Each command imports what it needs when it runs."""

from __future__ import annotations

import errno
import gc
import os
import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from candid.cli.commands.audit import audit
from candid.cli.commands.catalog import catalog
from candid.cli.commands.compare import compare
from candid.cli.commands.demo import demo
from candid.cli.commands.evaluate import evaluate
from candid.cli.commands.export import export
from candid.cli.commands.predict import predict
from candid.cli.commands.serve import serve
from candid.cli.commands.similar import similar
from candid.cli.commands.split import split
from candid.cli.commands.studio import studio
from candid.cli.commands.train import train
from candid.cli.commands.verify import verify
from candid.cli.console import print_error
from candid.core.freed_memory import share_between_threads
from candid.core.text import sanitize_line
from candid.errors import CandidError

app = typer.Typer(
    name="candid",
    help="Train a photo classifier from a folder, with an honest measure of how good it is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_KNOWN_ERROR = 2
_INTERRUPTED = 130


@app.callback(invoke_without_command=True)
def _candid(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from candid._version import __version__

        typer.echo(f"candid {__version__}")
        raise typer.Exit


class _Command(TyperCommand):
    """A command whose help says ``FOLDER``, where Typer says ``{data}`` and ``<path>``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS] RUN [FOLDER]``; the dots of ``PHOTO...`` are part of the name."""
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        names = (p.metavar if p.required else f"[{p.metavar}]" for p in arguments)
        return [self.options_metavar or "", *map(str, names)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments without their Python types, then options."""
        for kind in ("argument", "option"):
            records = [
                (str(param.metavar) if kind == "argument" else record[0], record[1])
                for param in self.get_params(ctx)
                if param.param_type_name == kind and (record := param.get_help_record(ctx))
            ]
            if records:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl(records)


for _command in (
    audit,
    catalog,
    train,
    split,
    evaluate,
    predict,
    similar,
    compare,
    verify,
    export,
    serve,
    studio,
    demo,
):
    app.command(cls=_Command)(_command)


def main() -> None:
    """Run the command line: a known error is one line on stderr and exit code 2."""
    share_between_threads()
    # A file name that is not UTF-8 is printed as its original bytes.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        app()
    except CandidError as error:
        print_error(f"candid: {sanitize_line(str(error))}")  # may hold untrusted file names
        sys.exit(_KNOWN_ERROR)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # Keeps the interpreter from flushing the rest at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print_error(f"candid: the disk is full; {error.filename or 'the output'} is incomplete.")
        sys.exit(_KNOWN_ERROR)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            print_error(
                "candid: interrupted. Run the same command again; "
                "photos that train, audit or split have read are not read again."
            )
        raise
    finally:
        gc.freeze()  # else Python ends by looking for cycles in all that was imported: up to 0.4 s
