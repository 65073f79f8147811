"""The gate of an export to the web, run in a browser."""

import errno
import http.client
import json
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from browser import browser

from candid.core.temp_dir import locked_dir
from candid.errors import CandidError, DependencyError
from candid.exporting import FORMATS, ExportRequest, ParityError, export_run
from candid.exporting import web as web_module
from candid.exporting.web import WEB, open_web, write_web
from candid.exporting.web_browser import BrowserError, find_browser, running_browser
from candid.exporting.web_gate import open_in_browser
from tests.exporting.path_leaks import leaks
from tests.exporting.web_pages import need_assets, program, use_browser

__all__ = ["browser"]


def test_without_a_browser_the_graph_is_compared_and_a_note_says_so(trained, tmp_path, monkeypatch):
    need_assets()
    monkeypatch.setattr(web_module, "find_browser", lambda: None)
    made = export_run(ExportRequest(trained.folder, "web", tmp_path / "web"))
    parity = json.loads((made.folder / "candid-export.json").read_text("utf-8"))["parity"]
    assert parity["runtime"].startswith("ONNX Runtime ")
    assert parity["notes"] == list(made.notes)
    why = "no Chrome, Chromium, Edge or Brave was found"
    graph = f"it was not tested in a browser, only its graph in {parity['runtime']}"
    assert f"{graph}: {why}" in made.notes[0]
    assert "decoded_by_browser" not in parity
    assert leaks(made.folder, tmp_path) == []
    (tmp_path / "damaged").write_bytes(b"\0no program")
    (tmp_path / "damaged").chmod(0o755)
    for found, why in [
        ("/bin/false", "false does not run here (it exited)"),
        (str(tmp_path / "damaged"), "damaged does not run here (Exec format error)"),
        (str(tmp_path / "gone"), "gone does not run here (No such file or directory)"),
    ]:
        monkeypatch.setattr(web_module, "find_browser", lambda found=found: found)
        with open_web(made.folder) as loaded:
            assert loaded.notes == (f"{graph}: {why}",)
            assert loaded.predict_photo is None


def break_engine(folder, source):
    write_web(folder, source)
    (folder / "app" / "answer.js").write_text("export nonsense;", encoding="utf-8")


def halve_pixels(folder, source):
    """A runtime that computes something else."""
    write_web(folder, source)
    network = folder / "app" / "network.js"
    code = network.read_text("utf-8")
    assert '"uint8", pixels,' in code
    code = code.replace('"uint8", pixels,', '"uint8", pixels.map((value) => value >> 1),')
    network.write_text(code, encoding="utf-8")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (break_engine, "does not run in a browser: .*SyntaxError|Unexpected"),
        (halve_pixels, r"does not give the run's answers in ONNX Runtime Web.* by"),
    ],
)
def test_an_export_with_other_answers_in_the_browser_is_refused_and_removed(
    write, message, browser, trained, tmp_path, monkeypatch
):
    del browser  # skips where there is none
    use_browser(monkeypatch)
    monkeypatch.setitem(FORMATS, "web", replace(WEB, write=write, num_asked=1))
    with pytest.raises(ParityError, match=message):
        export_run(ExportRequest(trained.folder, "web", tmp_path / "web"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_browser_is_killed_with_all_its_processes(fails, browser):
    del browser  # skips where there is none
    expected = pytest.raises(ZeroDivisionError) if fails else nullcontext()
    with expected, running_browser(program(), "http://127.0.0.1:9/secret") as process:
        root = psutil.Process(process.pid)
        while not (others := root.children(recursive=True)):
            assert process.poll() is None
            time.sleep(0.05)
        homes = profiles_of(root.cmdline())
        assert "secret" not in " ".join(map(command_line, (root, *others)))
        if fails:
            raise ZeroDivisionError
    assert process.poll() is not None
    assert not homes[0].exists()
    _, left = psutil.wait_procs(others, timeout=20)
    assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []


# Stands in for a browser: writes its arguments to a file, follows the page's redirect, posts that
# the engine is ready, and waits.
STAND_IN = """\
#!{python}
import json, re, sys, time, urllib.request
from pathlib import Path
start = Path(sys.argv[-1].removeprefix("file://"))
address = re.search('url=([^"]+)', start.read_text("utf-8"))[1]
modes = [path.stat().st_mode & 0o777 for path in (start, start.parent)]
written = {{"arguments": sys.argv, "modes": modes, "address": address}}
Path({written!r}).write_text(json.dumps(written), "utf-8")
urllib.request.urlopen(address.replace("check.html", "check/ready"), b'{{"runtime": "a stand-in"}}')
time.sleep(60)
"""


@pytest.fixture
def stand_in(tmp_path):
    """A program that stands in for a browser, and an export's folder."""
    written, path = tmp_path / "written.json", tmp_path / "stand-in"
    path.write_text(STAND_IN.format(python=sys.executable, written=str(written)), encoding="utf-8")
    path.chmod(0o755)
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "model.onnx").write_bytes(b"the model")
    return StandIn(str(path), tmp_path / "export", written)


@dataclass(frozen=True)
class StandIn:
    program: str
    folder: Path
    file: Path

    @property
    def written(self):
        return json.loads(self.file.read_text("utf-8"))


def ask(address, method, target):
    """Status and body of the response to a request target that is sent unchanged."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request(method, target, b"{}" if method == "POST" else None, {"Host": "x"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_requests_without_the_secret_get_404(stand_in):
    with open_in_browser(stand_in.folder, stand_in.program):
        address = stand_in.written["address"]
        root = urlsplit(address).path.removesuffix("check.html")
        assert ask(address, "GET", f"{root}model.onnx") == (200, b"the model")
        for name in ("check/work", "check.html", "check.js", "model.onnx"):
            for target in (name, f"/{name}", f"/guess/{name}", f"//{name}", f"/x{root}{name}"):
                assert ask(address, "GET", target) == (404, b"")
        for name in ("check/answer", "check/failed", "answer", "failed"):
            for target in (name, f"/{name}", f"/guess/{name}", f"/x{root}{name}"):
                assert ask(address, "POST", target) == (404, b"")


def test_no_command_line_shows_the_secret(stand_in):
    with open_in_browser(stand_in.folder, stand_in.program):
        written = stand_in.written
    secret = urlsplit(written["address"]).path.split("/")[1]
    assert len(secret) > 20
    assert secret not in " ".join(written["arguments"])
    assert written["modes"] == [0o600, 0o700]


def test_an_error_of_the_caller_is_not_replaced(stand_in, monkeypatch):
    with (
        pytest.raises(OSError, match="No space left"),
        open_in_browser(stand_in.folder, stand_in.program),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(web_module, "find_browser", lambda: stand_in.program)
    with pytest.raises(BrowserError, match="of another"), open_web(stand_in.folder):
        raise BrowserError("of another")


def test_a_browser_that_can_not_be_started_is_an_error_in_one_line(tmp_path):
    absent = running_browser(str(tmp_path / "absent"), "about:blank")
    with pytest.raises(CandidError, match=r"not run: No such file .*\. Install ") as raised, absent:
        pass
    assert "\n" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def test_profiles_of_killed_processes_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "candid-browser-left").mkdir()
    (tmp_path / "other").mkdir()
    with (
        locked_dir(tmp_path, "candid-browser-") as living,
        running_browser(sys.executable, "about:blank") as process,
    ):
        (home,) = profiles_of(process.args)
        assert {path.name for path in tmp_path.iterdir()} == {"other", living.name, home.name}
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_snap_gets_a_profile_that_it_can_read(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    common = tmp_path / "snap" / "chromium" / "common"
    common.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    snap = Path(stand_in.program).rename(tmp_path / "bin" / "snap")
    (tmp_path / "bin" / "chromium").symlink_to(snap)
    with running_browser(str(tmp_path / "bin" / "chromium"), "about:blank") as process:
        (home,) = profiles_of(process.args)
        assert home.parent == common
        assert process.args[-1] == (home / "start.html").as_uri()
    assert list(common.iterdir()) == []


def command_line(process):
    """A process's command line; empty if it has ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def profiles_of(arguments):
    flag = "--user-data-dir="
    return [Path(word.removeprefix(flag)) for word in arguments if word.startswith(flag)]


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("PROGRAMFILES", "Google/Chrome/Application/chrome.exe"),
        ("PROGRAMFILES(X86)", "Microsoft/Edge/Application/msedge.exe"),
        ("LOCALAPPDATA", "BraveSoftware/Brave-Browser/Application/brave.exe"),
        ("LOCALAPPDATA", "Chromium/Application/chrome.exe"),
        ("HOME", "Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        ("HOME", "Applications/Brave Browser.app/Contents/MacOS/Brave Browser"),
    ],
)
def test_a_browser_that_is_not_on_the_path_is_found(variable, place, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(variable, str(tmp_path))
    assert find_browser() is None
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert find_browser() == str(tmp_path / place)


def test_an_error_on_missing_onnx_runtime_web_names_the_remedy(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(web_module, "_ASSETS", ("no-such-file.wasm",))
    with pytest.raises(DependencyError, match=r"no-such-file\.wasm .* run: make web"):
        export_run(ExportRequest(trained.folder, "web", tmp_path / "web"))
    assert list(tmp_path.iterdir()) == []
