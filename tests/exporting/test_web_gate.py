"""The gate of an export to the web: what no browser runs as it should is not kept."""

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from browser import browser

from candid.errors import DependencyError
from candid.exporting import FORMATS, ExportRequest, ParityError, export_run
from candid.exporting import web as web_module
from candid.exporting.web import WEB, write_web
from candid.exporting.web_browser import browsing
from tests.exporting.browsed import need_assets, program

__all__ = ["browser"]


def test_without_a_browser_the_graph_is_checked_and_that_is_said(trained, tmp_path, monkeypatch):
    need_assets()
    for found, why in [(None, "there is no Chrome"), ("/bin/false", "false does not run here")]:
        monkeypatch.setattr(web_module, "find_browser", lambda found=found: found)
        request = ExportRequest(trained.folder, "web", tmp_path / "web", overwrite=True)
        made = export_run(request)
        told = json.loads((made.folder / "candid-export.json").read_text("utf-8"))["parity"]
        assert told["runtime"].startswith("ONNX Runtime ")
        assert told["notes"] == list(made.notes)
        assert (
            f"it was not run in a browser, but its graph in {told['runtime']}: {why}"
            in (made.notes[0])
        )
        assert "decoded_by_browser" not in told


def break_engine(folder, source):
    write_web(folder, source)
    (folder / "app" / "answer.js").write_text("export nonsense;", encoding="utf-8")


def halve_pixels(folder, source):
    """As a runtime that computes otherwise would."""
    write_web(folder, source)
    network = folder / "app" / "network.js"
    code = network.read_text("utf-8")
    assert '"uint8", pixels,' in code
    code = code.replace('"uint8", pixels,', '"uint8", pixels.map((value) => value >> 1),')
    network.write_text(code, encoding="utf-8")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (break_engine, "does not run in a browser: .*SyntaxError|Unexpected"),
        (halve_pixels, r"does not answer as the run does in ONNX Runtime Web.* by"),
    ],
)
def test_what_a_browser_does_not_run_as_the_run_does_is_refused_and_removed(
    write, said, browser, trained, tmp_path, monkeypatch
):
    del browser  # skips where there is none
    need_assets()
    path = program()
    monkeypatch.setattr(web_module, "find_browser", lambda: path)
    monkeypatch.setitem(FORMATS, "web", replace(WEB, write=write))
    with pytest.raises(ParityError, match=said):
        export_run(ExportRequest(trained.folder, "web", tmp_path / "web"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_browser_is_ended_with_all_its_processes_whatever_happened(fails, browser):
    del browser  # skips where there is none
    expected = pytest.raises(ZeroDivisionError) if fails else nullcontext()
    with expected, browsing(program(), "about:blank") as process:
        root = psutil.Process(process.pid)
        while not (others := root.children(recursive=True)):
            assert process.poll() is None
            time.sleep(0.05)
        homes = [word for word in root.cmdline() if word.startswith("--user-data-dir=")]
        if fails:
            raise ZeroDivisionError
    assert process.poll() is not None
    assert not Path(homes[0].partition("=")[2]).exists()
    _, left = psutil.wait_procs(others, timeout=20)
    assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []


def test_without_the_runtime_for_browsers_the_remedy_is_named(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(web_module, "_ASSETS", ("no-such-file.wasm",))
    with pytest.raises(DependencyError, match=r"no-such-file\.wasm .* Run: make web"):
        export_run(ExportRequest(trained.folder, "web", tmp_path / "web"))
    assert list(tmp_path.iterdir()) == []
