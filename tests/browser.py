"""Finds browsers for the tests of pages; as a script (`make browser`) it installs them.

Chromium is driven by Playwright. The studio is also driven, in Chromium and in Firefox, by the
packages of ``tests/studio/browser/package.json``, which need Node.js.

Without one of them, tests of pages are skipped; on CI, or with CANDID_REQUIRE_BROWSER=1, they fail.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    # Chromium refuses to run as root with its sandbox; the tests open only pages of their own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FIREFOX = ("firefox-esr", "firefox")
#: Where the packages for Node.js are kept.
DRIVER = Path(__file__).parent / "studio" / "browser"
_TIMEOUT_S = 900


def find(names: Sequence[str] = NAMES) -> str | None:
    """A Chromium, or another browser, that is installed on this machine, and starts."""
    for name in names:
        path = shutil.which(name)
        # Ubuntu's packages are scripts that only say where else to get one.
        if path and _succeeds([path, "--version"]):
            return path
    return None


def has_driver() -> bool:
    """Whether the pinned packages for Node.js are here."""
    pins = json.loads((DRIVER / "package.json").read_text("utf-8"))["dependencies"]
    for name, version in pins.items():
        file = DRIVER / "node_modules" / name / "package.json"
        if not file.is_file() or json.loads(file.read_text("utf-8"))["version"] != version:
            return False
    return shutil.which("node") is not None


def is_required() -> bool:
    """Whether a missing browser is a failure."""
    return any(
        os.environ.get(name, "") not in ("", "0") for name in ("CI", "CANDID_REQUIRE_BROWSER")
    )


def go_without(why: str) -> NoReturn:
    """Skip a test of pages; fail it where `is_required`."""
    if is_required():
        pytest.fail(why)
    pytest.skip(why)


# By module and not by session: Playwright keeps an event loop running in this thread for as long as
# it is open, which tests of other modules may not expect.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module."""
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        except Error as error:
            go_without(f"no browser: {str(error).strip().splitlines()[0]}. Run: make browser")
        yield started
        started.close()


def bring() -> str:
    """See to it that there is a Chromium.

    Returns:
        What was done, in a line; empty where nothing helped.
    """
    if path := find():
        return f"{path} is here"
    if _has_playwright_own():
        return "Playwright's own Chromium is here"
    if _install_from_debian("chromium") and (path := find()):
        return f"installed Debian's package: {path}"
    # Of the same version as the package that is to drive it.
    own = [sys.executable, "-m", "playwright", "install", "chromium"]
    if _installs(own) and _has_playwright_own():
        return "downloaded Playwright's own Chromium"
    return ""


def bring_firefox() -> str:
    """See to it that there is a Firefox; see `bring`."""
    if path := find(FIREFOX):
        return f"{path} is here"
    if _install_from_debian("firefox-esr") and (path := find(FIREFOX)):
        return f"installed Debian's package: {path}"
    return ""


def bring_driver() -> str:
    """See to it that Node.js has the pinned packages; see `bring`."""
    if has_driver():
        return f"{DRIVER.name}/node_modules is here"
    if not shutil.which("npm"):
        _install_from_debian("npm")
    npm = shutil.which("npm") or "npm"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]
    if _installs([npm, "ci", "--prefix", str(DRIVER), *quiet]) and has_driver():
        return "npm brought puppeteer-core and axe-core"
    return ""


def main() -> int:
    """Bring all and say so."""
    is_complete = True
    for what, done in (
        ("Chromium", bring()),
        ("Firefox", bring_firefox()),
        ("a driver", bring_driver()),
    ):
        is_complete &= bool(done)
        lacking = f"{what} is not here, and could not be installed; tests of pages that need it"
        print(f"browser: {done or f'{lacking} can not run'}", flush=True)
    return 1 if is_required() and not is_complete else 0


def _has_playwright_own() -> bool:
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def _install_from_debian(package: str) -> bool:
    """Install Debian's package, where we may. Ubuntu's of these names are empty ones."""
    if not shutil.which("apt-get") or _distribution() != "debian":
        return False
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and not _succeeds([*as_root, "true"]):
        return False
    patience = ["-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30"]
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *patience, "-q", "-y"]
    return _installs([*apt, "update"]) and _installs(
        [*apt, "install", "--no-install-recommends", package]
    )


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def _installs(command: Sequence[str]) -> bool:
    """Like `_succeeds`, and says why not."""
    done = _run(command)
    if done is not None and done.returncode == 0:
        return True
    said = done.stderr.decode("utf-8", "replace").strip().splitlines() if done else []
    errors = [line for line in said if "error" in line.lower() or line.startswith("E:")]
    why = [*errors, *reversed(said), "failed"][0]
    print(f"browser: {' '.join(command)}: {why}", flush=True)
    return False


def _succeeds(command: Sequence[str]) -> bool:
    done = _run(command)
    return done is not None and done.returncode == 0


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None


if __name__ == "__main__":
    sys.exit(main())
