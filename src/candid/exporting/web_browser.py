"""A Chrome, Chromium, Edge or Brave without a window, for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Final

from candid.core.temp_dir import locked_dir
from candid.errors import CandidError

_PREFIX: Final = "candid-browser-"
_NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
    "brave-browser",
    "brave",
)
#: Where they lie below a folder for applications of macOS.
_OF_MACOS: Final = (
    "Google Chrome.app/Contents/MacOS/Google Chrome",
    "Chromium.app/Contents/MacOS/Chromium",
    "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "Brave Browser.app/Contents/MacOS/Brave Browser",
)
#: Where they lie below a folder for programs of Windows, and the variables that name those.
_OF_WINDOWS: Final = (
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
    "BraveSoftware/Brave-Browser/Application/brave.exe",
)
_WINDOWS_FOLDERS: Final = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
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


class BrowserError(CandidError):
    """A browser that did not come so far as to say anything.

    Attributes:
        reason: Why, in a few words without a path of this machine.
    """

    def __init__(self, reason: str) -> None:
        """Say so, and what to do."""
        super().__init__(
            f"the browser that was to check the export does not run: {reason}. Install Chrome, "
            "Chromium, Edge or Brave anew, or take it off the path to export without one."
        )
        self.reason = reason


def find_browser() -> str | None:
    """The first browser that is installed; it may still refuse to start."""
    on_path = (shutil.which(name) for name in _NAMES)
    placed = (str(place) for place in _places() if place.is_file())
    return next((path for path in (*on_path, *placed) if path), None)


def _places() -> Iterator[Path]:
    """Where browsers lie on systems that keep programs off the path."""
    for folder in ("/Applications", os.path.expanduser("~/Applications")):  # noqa: PTH111
        yield from (Path(folder, place) for place in _OF_MACOS)
    folders = (os.environ.get(name) for name in _WINDOWS_FOLDERS)
    for folder in filter(None, folders):
        yield from (Path(folder, place) for place in _OF_WINDOWS)


@contextmanager
def browsing(browser: str, address: str) -> Iterator[subprocess.Popen[bytes]]:
    """Open a page in a browser of its own profile, and end that browser afterwards.

    Args:
        browser: Its program.
        address: The page's. Nobody else on this machine sees it among the running commands.

    Yields:
        The process, which may end by itself.

    Raises:
        BrowserError: It can't be started.
        OSError: There is no room for its profile.
    """
    with locked_dir(_place_of(browser), _PREFIX) as home:
        process = _start([browser, *_flags(home), _write_start(home, address).as_uri()])
        try:
            yield process
        finally:
            _end(process)


def _place_of(browser: str) -> Path:
    """Where its profile is made: a snap (Ubuntu) has temporary files of its own, and sees no other.

    It does see ``~/snap/<name>/common``: https://snapcraft.io/docs/environment-variables
    """
    common = Path(os.path.expanduser("~"), "snap", Path(browser).name, "common")  # noqa: PTH111
    is_snap = Path(browser).resolve().name == "snap" and common.is_dir()
    return common if is_snap else Path(tempfile.gettempdir())


def _write_start(home: Path, address: str) -> Path:
    """Write a page, for this user alone to read, that leads on to an address."""
    file = home / "start.html"
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">'
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:  # noqa: PTH123
        opened.write(page)
    return file


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise BrowserError(error.strerror or type(error).__name__) from error


def _flags(home: Path) -> tuple[str, ...]:
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
