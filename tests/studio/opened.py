"""Opens the studio for tests of its pages: the command in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_S = 60
_STOP_S = 30


@contextmanager
def open_studio(*words: object, within: Path, **variables: str) -> Iterator[str]:
    """Run ``candid studio`` in a folder; gives the address with the token, which works once."""
    command = "from candid.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "studio", *map(str, words), "--no-open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=within,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables,
    )
    killer = threading.Timer(_START_S, process.kill)
    killer.start()
    reader: threading.Thread | None = None
    try:
        assert process.stdout is not None
        said = ""
        while not (found := re.search(r"http\S+token=\S+", said)):
            line = process.stdout.readline()
            assert line, f"the studio did not start: {said}"
            said += line
        killer.cancel()
        # What it goes on to say is read, so that it never waits for a reader.
        reader = threading.Thread(target=process.stdout.read)
        reader.start()
        yield found[0]
    finally:
        killer.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if reader is not None:
            reader.join()
        if process.stdout is not None:
            process.stdout.close()
