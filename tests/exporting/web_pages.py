"""Serves the files of a web export to a browser, for several test modules."""

import base64
import threading
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from browser import find, is_required
from playwright.sync_api import sync_playwright

from candid.errors import DependencyError
from candid.exporting.web import require_assets
from candid.server.static import StaticServer

#: Makes a Blob of base64, as a page's policy lets it fetch no data: addresses.
BLOB = "const blob = new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]);"


def need_assets():
    """Skip if ONNX Runtime Web is not installed; on CI, fail."""
    try:
        require_assets()
    except DependencyError as error:
        if is_required():
            pytest.fail(str(error))
        pytest.skip(str(error))


def program():
    """Path of a browser for the gate."""
    if path := find():
        return path
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


@contextmanager
def served(files_by_name):
    """Serve files; yields the address."""
    with StaticServer(files_by_name, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving_modules(folder):
    """Serve the engine's modules from the source, and an empty page."""
    (folder / "index.html").write_text("<!doctype html>", encoding="utf-8")
    source = Path(str(files("candid.reporting.app")))
    modules = {f"app/{file.name}": file for file in source.glob("*.js")}
    with served(modules | {"": folder / "index.html"}) as address:
        yield address


def encoded(data):
    """Bytes as base64, for `BLOB`."""
    return base64.b64encode(data).decode("ascii")
