"""The format ``web``: a folder for any static host, whose page runs the model in the browser."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from candid.errors import DependencyError
from candid.exporting.format import Format, LoadedExport
from candid.exporting.int8.graph import quantise_onnx
from candid.exporting.onnx import FILE, load_onnx, write_onnx
from candid.exporting.snippets import Snippet, SnippetContext
from candid.exporting.source import Source, describe, write_manifest
from candid.exporting.web_browser import BrowserError, find_browser
from candid.exporting.web_gate import POLICY, open_in_browser
from candid.reporting.app import PAGE_FILES, index_html, read_file, sentence_of, title_of

_APP: Final = "app"
_MODULES: Final = (
    "answer.js",
    "deep.js",
    "evidence.js",
    "network.js",
    "pixels.js",
    "quick.js",
    "resize.js",
    "scans.js",
)
_VENDOR: Final = "vendor"
_ASSETS: Final = (
    "LICENSE-onnxruntime-web",
    "ort-wasm-simd-threaded.wasm",
    "ort.wasm.bundle.min.mjs",
)


def write_web(folder: Path, source: Source) -> None:
    """Write the page, its engine, ONNX Runtime Web, the run's graph and a preliminary manifest."""
    (folder / _APP / _VENDOR).mkdir(parents=True)
    write_onnx(folder, source)
    (folder / "index.html").write_bytes(index_html(POLICY))
    for name in (*PAGE_FILES, *_MODULES):
        (folder / _APP / name).write_bytes(read_file(name))
    (folder / _APP / "engine.js").write_bytes(read_file("engine_web.js"))
    for name in _ASSETS:
        (folder / _APP / _VENDOR / name).write_bytes(read_file(f"{_VENDOR}/{name}"))
    page = {
        "title": title_of(source.classifier.classes),
        "sentence": sentence_of(source.manifest.metrics),
    }
    (folder / _APP / "about.json").write_text(json.dumps(page), encoding="utf-8")
    write_manifest(folder, describe(source) | {"format": "web"})


def require_assets() -> None:
    """Require ONNX Runtime Web, which is not part of the repository.

    Raises:
        DependencyError: A file of it is missing.
    """
    vendor = files("candid.reporting.app") / _VENDOR
    missing = [name for name in _ASSETS if not (vendor / name).is_file()]
    if missing:
        raise DependencyError(
            f"an export to the web needs {', '.join(missing)} of onnxruntime-web, which this "
            "installation lacks. In a clone of Candid, run: make web; if Candid was installed from "
            "that clone, install it again (pip install .)"
        )


@contextmanager
def open_web(folder: Path) -> Iterator[LoadedExport]:
    """Run an export in an installed browser; without one, its graph by ONNX Runtime.

    Raises:
        ParityError: It does not run in the browser.
    """
    browser = find_browser()
    why = "no Chrome, Chromium, Edge or Brave was found"
    with ExitStack() as stack:
        if browser is not None:
            try:
                export = stack.enter_context(open_in_browser(folder, browser))
            except BrowserError as error:
                why = f"{Path(browser).name} does not run here ({error.reason})"
            else:
                yield LoadedExport(export.run, export.runtime, predict_photo=export.predict)
                return
    runtime = f"ONNX Runtime {version('onnxruntime')}"
    note = f"it was not tested in a browser, only its graph in {runtime}: {why}"
    yield LoadedExport(load_onnx(folder), runtime, notes=(note,))


def _snippets(context: SnippetContext) -> tuple[Snippet, ...]:
    serve = f"candid serve --static {shlex.quote(context.folder.as_posix())}\n"
    return (
        Snippet("sh", "To preview it", serve),
        Snippet("js", "In your own page, next to a copy of these files", _JAVASCRIPT),
    )


_JAVASCRIPT: Final = """\
import { createEngine } from "./app/engine.js";

const engine = await createEngine({ say: console.log });
const photo = await (await fetch("photo.jpg")).blob(); // or a File that somebody chose
const { label, probability, verdict } = await engine.predict(photo, "photo.jpg");
console.log(label, probability, verdict); // the probability is that of the label
"""

WEB: Final = Format(
    name="web",
    title="the web",
    purpose="a page for any web server, which answers in the visitor's browser; no photo leaves it",
    runtime="ONNX Runtime Web",
    runtime_package="onnxruntime",
    packages=("onnx", "onnxruntime"),
    extra="transfer",
    files=("index.html", "app", FILE),
    write=write_web,
    load=load_onnx,
    snippets=_snippets,
    open=open_web,
    quantise=quantise_onnx,
    num_asked=12,  # each twice, as pixels and as a file
    require_more=require_assets,
)
