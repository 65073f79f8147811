"""Find an installed Chrome, Chromium, Edge or Brave, and run it headless."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Final

from candid.core.temp_dir import locked_dir
from candid.core.text import reason_of
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
#: Their paths in an applications folder of macOS.
_MACOS_PATHS: Final = (
    "Google Chrome.app/Contents/MacOS/Google Chrome",
    "Chromium.app/Contents/MacOS/Chromium",
    "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "Brave Browser.app/Contents/MacOS/Brave Browser",
)
#: Their paths in a program folder of Windows, and the variables that name those folders.
_WINDOWS_PATHS: Final = (
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
_EXIT_TIMEOUT_S: Final = 10.0


class BrowserError(CandidError):
    """A browser that does not start or does not answer.

    Attributes:
        reason: Why, in a few words without a path of this machine.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the browser to check the export with does not run: {reason}. Install Chrome, "
            "Chromium, Edge or Brave again, or take it off the path to export without one."
        )
        self.reason = reason


def find_browser() -> str | None:
    """Path of the first browser that is installed; it may still fail to start."""
    on_path = (shutil.which(name) for name in _NAMES)
    placed = (str(place) for place in _install_paths() if place.is_file())
    return next((path for path in (*on_path, *placed) if path), None)


def _install_paths() -> Iterator[Path]:
    """Where browsers are installed on systems that keep them off the path."""
    for folder in ("/Applications", os.path.expanduser("~/Applications")):  # noqa: PTH111
        yield from (Path(folder, place) for place in _MACOS_PATHS)
    folders = (os.environ.get(name) for name in _WINDOWS_FOLDERS)
    for folder in filter(None, folders):
        yield from (Path(folder, place) for place in _WINDOWS_PATHS)


@contextmanager
def running_browser(browser: str, address: str) -> Iterator[subprocess.Popen[bytes]]:
    """Open a page in a browser with a profile of its own, and stop that browser afterwards.

    Args:
        browser: Path of the browser.
        address: The page's address. It does not appear on a command line.

    Yields:
        The process, which may exit by itself.

    Raises:
        BrowserError: It can't be started.
        OSError: Its profile can't be written.
    """
    with locked_dir(_profile_parent(browser), _PREFIX) as home:
        # Chromium does not run as root with its sandbox; it opens only our own page.
        is_root = sys.platform != "win32" and os.geteuid() == 0
        flags = (*_FLAGS, f"--user-data-dir={home}", *["--no-sandbox"] * is_root)
        command = [browser, *flags, _write_start_page(home, address).as_uri()]
        null = subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                command, stdin=null, stdout=null, stderr=null, start_new_session=True
            )
        except OSError as error:
            raise BrowserError(reason_of(error)) from error
        try:
            yield process
        finally:
            _kill(process)


def _profile_parent(browser: str) -> Path:
    """Parent folder of its profile.

    A snap (Ubuntu) sees only temporary files of its own, and ``~/snap/<name>/common``:
    https://snapcraft.io/docs/environment-variables
    """
    common = Path(os.path.expanduser("~"), "snap", Path(browser).name, "common")  # noqa: PTH111
    is_snap = Path(browser).resolve().name == "snap" and common.is_dir()
    return common if is_snap else Path(tempfile.gettempdir())


def _write_start_page(home: Path, address: str) -> Path:
    """Write a page, readable by this user only, that redirects to an address."""
    path = home / "start.html"
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">'
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(page)
    return path


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the browser and the processes that it has started, which are in its session."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_EXIT_TIMEOUT_S)
