"""Serves the files of a web export to a browser, for several test modules."""

import base64
import threading
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from browser import find, go_without
from playwright.sync_api import sync_playwright

from candid.errors import DependencyError
from candid.exporting import web as web_module
from candid.exporting.web import require_assets
from candid.server.static import StaticServer

#: Makes a Blob of base64, as a page's policy lets it fetch no data: addresses.
BLOB = "const blob = new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]);"
#: The pixels of a photo, or the message that refuses it.
DECODE = f"""async ({{ data, contract }}) => {{
  {BLOB}
  const {{ decode }} = await import("/app/pixels.js");
  try {{
    return [...await decode(blob, contract)];
  }} catch (error) {{
    return error.message;
  }}
}}"""


def need_assets():
    """Skip if ONNX Runtime Web is not installed; on CI, fail."""
    try:
        require_assets()
    except DependencyError as error:
        go_without(str(error))


def use_browser(patch):
    """Let the gate of an export to the web find the browser of the tests."""
    need_assets()
    path = program()
    patch.setattr(web_module, "find_browser", lambda: path)


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


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """An empty page beside the engine's modules, served from the source."""
    index = tmp_path_factory.mktemp("modules") / "index.html"
    index.write_text("<!doctype html>", encoding="utf-8")
    source = Path(str(files("candid.reporting.app")))
    modules = {f"app/{file.name}": file for file in source.glob("*.js")}
    with served(modules | {"": index}) as address:
        tab = browser.new_page()
        tab.goto(address)
        yield tab
        tab.close()


def encoded(data):
    """Bytes as base64, for `BLOB`."""
    return base64.b64encode(data).decode("ascii")
