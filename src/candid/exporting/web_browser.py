"""A Chrome, Chromium or Edge without a window, for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
)
#: Where they lie on systems that keep programs off the path.
_PLACES: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
_FLAGS: Final = (
    "--headless=new",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-default-browser-check",
    "--no-first-run",
    "--mute-audio",
)
_PATIENCE_S: Final = 10.0


def find_browser() -> str | None:
    """The first browser that is installed; it may still refuse to start."""
    on_path = (shutil.which(name) for name in _NAMES)
    placed = (place for place in _PLACES if Path(place).is_file())
    return next((path for path in (*on_path, *placed) if path), None)


@contextmanager
def browsing(browser: str, address: str) -> Iterator[subprocess.Popen[bytes]]:
    """Open a page in a browser of its own profile, and end that browser afterwards.

    Args:
        browser: Its program.
        address: The page's.

    Yields:
        The process, which may end by itself.

    Raises:
        OSError: It can't be started.
    """
    with tempfile.TemporaryDirectory(prefix="candid-browser-", ignore_cleanup_errors=True) as home:
        command = [browser, *_flags(home), address]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _flags(home: str) -> tuple[str, ...]:
    # Chromium refuses to run as root with its sandbox; it opens nothing but our own page.
    is_root = sys.platform != "win32" and os.geteuid() == 0
    return (*_FLAGS, f"--user-data-dir={home}", *(("--no-sandbox",) if is_root else ()))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser and the processes that it has started, which are of its session."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE_S)
