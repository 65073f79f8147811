"""Writes docs/cli.md from the command line's own help: ``python docs/make_cli.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMANDS = (
    "audit",
    "catalog",
    "train",
    "split",
    "evaluate",
    "predict",
    "similar",
    "compare",
    "verify",
    "export",
    "serve",
    "demo",
)


def make() -> str:
    """The reference, as Markdown."""
    parts = ["# Command line", "", "Written by `python docs/make_cli.py`; a test compares."]
    for command in ((), *((name,) for name in COMMANDS)):
        title = " ".join(("candid", *command))
        parts += ["", f"## {title}", "", "```", _help(command), "```"]
    return "\n".join(parts) + "\n"


def _help(command: tuple[str, ...]) -> str:
    candid = Path(sys.executable).with_name("candid")
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [candid, *command, "--help"], capture_output=True, text=True, check=True, env=environment
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(make(), encoding="utf-8")
