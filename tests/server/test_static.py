import errno
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
from typer.testing import CliRunner

from candid.cli.commands.serve import serve
from candid.core.hashing import hash_file
from candid.errors import ArtifactError, UsageError
from candid.server import static
from candid.server.static import StaticServer, find_served

COMMAND = str(Path(sys.executable).parent / "candid")


@pytest.fixture
def export(tmp_path):
    """A folder like an export's; what the files say does not matter to who serves them."""
    folder = tmp_path / "export"
    (folder / "app" / "vendor").mkdir(parents=True)
    names = ("index.html", "app/app.js", "app/vendor/ort.mjs", "app/vendor/ort.wasm", "model.onnx")
    for name in names:
        (folder / name).write_bytes(f"this is {name}".encode())
    write_manifest(folder, {name: hash_file(folder / name) for name in names})
    (folder / "secret.txt").write_text("not served", encoding="utf-8")
    (tmp_path / "outside.txt").write_text("not served", encoding="utf-8")
    return folder


def write_manifest(folder, hashes, form="web"):
    told = json.dumps({"format": form, "files": hashes})
    (folder / "candid-export.json").write_text(told, encoding="utf-8")


@pytest.fixture
def ask(export):
    """Ask for a path as it is written, which HTTP libraries would tidy up."""
    with StaticServer(find_served(export), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def ask(path, method="GET", host="localhost"):
            connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=10)
            connection.request(method, path, headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            return answer.status, answer.headers, body

        yield ask
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/index.html?x=1", "index.html", "text/html; charset=utf-8"),
        ("/app/app.js", "app/app.js", "text/javascript; charset=utf-8"),
        ("/app/vendor/ort.mjs", "app/vendor/ort.mjs", "text/javascript; charset=utf-8"),
        ("/app/vendor/ort.wasm", "app/vendor/ort.wasm", "application/wasm"),
        ("/model.onnx", "model.onnx", "application/octet-stream"),
    ],
)
def test_each_file_of_the_manifest_is_served_as_what_it_is(path, name, kind, ask):
    status, headers, body = ask(path)
    assert (status, body) == (200, f"this is {name}".encode())
    assert headers["Content-Type"] == kind
    assert ask(path, "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/app",
        "/app/",
        "/../outside.txt",
        "/app/../secret.txt",
        "/%2e%2e/outside.txt",
        "//etc/passwd",
        "/app/app.js/",
        "/index.html%00",
        "http://[",
        "/" + "a" * 5000,
    ],
)
def test_nothing_else_is(path, ask):
    status, _, body = ask(path)
    assert (status, body) == (404, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", ""])
def test_a_name_that_somebody_else_gave_this_machine_can_not_ask(host, method, ask):
    status, headers, body = ask("/model.onnx", method, host)
    assert (status, headers["Content-Type"]) == (403, "application/json")
    if method == "GET":
        assert json.loads(body)["error"]["code"] == "other_host"
    assert b"this is" not in body


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1:8000", "[::1]", "0.0.0.0:80"])
def test_the_names_of_this_machine_can_ask(host, ask):
    assert ask("/", host=host)[0] == 200


def test_every_answer_carries_the_policy_and_says_nothing_of_the_server(ask):
    for path, host in (("/", "localhost"), ("/nowhere", "localhost"), ("/", "evil.example")):
        headers = ask(path, host=host)[1]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert "Python" not in headers["Server"]


def test_other_methods_are_refused(ask):
    assert ask("/", "POST")[0] == 501
    assert ask("/", "DELETE")[0] == 501


def test_a_file_that_was_changed_is_refused_before_anything_is_served(export):
    (export / "model.onnx").write_bytes(b"another")
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing or not as it was written"):
        find_served(export)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "a\\..\\b", "c:x"])
def test_a_manifest_that_names_something_outside_is_refused(name, export):
    write_manifest(export, {"index.html": hash_file(export / "index.html"), name: "0" * 64})
    with pytest.raises(ArtifactError, match="outside of it"):
        find_served(export)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "\ud800", "", "index.html/x"])
def test_a_manifest_that_names_what_no_file_can_be_called_is_refused(name, export):
    write_manifest(export, {"index.html": hash_file(export / "index.html"), name: "0" * 64})
    with pytest.raises(ArtifactError, match="is missing or not as it was written"):
        find_served(export)


def test_a_folder_that_no_folder_can_be_called_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="is no export to the web"):
        find_served(tmp_path / ("a" * 5000))


def test_a_file_that_can_not_be_read_is_named_with_the_reason(export, monkeypatch):
    def refuse(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(static, "hash_file", refuse)
    with pytest.raises(ArtifactError, match=r"index\.html can't be read: Permission denied\. "):
        find_served(export)


def test_a_link_is_served_only_if_its_content_is_what_was_written(export, tmp_path):
    (export / "app" / "app.js").unlink()
    (export / "app" / "app.js").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(ArtifactError, match="not as it was written"):
        find_served(export)


def test_what_is_no_export_to_the_web_is_refused(export, tmp_path):
    with pytest.raises(ArtifactError, match=r"is no export to the web\. Export again"):
        find_served(tmp_path)
    write_manifest(export, {"model.onnx": ""}, form="onnx")
    with pytest.raises(ArtifactError, match="is no export to the web"):
        find_served(export)


def test_a_file_that_goes_later_is_not_found(ask, export):
    (export / "model.onnx").unlink()
    assert ask("/model.onnx")[0] == 404


def test_a_port_that_is_taken_is_named(export):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"can't listen on 127.0.0.1, port {port}: "):
            StaticServer(find_served(export), "127.0.0.1", port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_serves_and_a_signal_ends_it(number, export):
    arguments = [COMMAND, "serve", "--static", str(export), "--port", "0", "--no-open"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line.startswith(f"Serving {export} on http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stdout.read() == ""


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--token-file", "token"),
        ("--max-mb", "32"),  # refused even at its default: it was typed, and does nothing
        ("--max-images", "1"),
        ("--max-megapixels", "1"),
        ("--queue", "1"),
        ("--timeout", "1"),
    ],
)
def test_what_only_the_full_server_honours_is_refused(option, value, export):
    app = typer.Typer()
    app.command()(serve)
    arguments = ["--static", str(export), "--port", "0", "--no-open", option, value]
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, UsageError)
    assert str(error).startswith(f"{option}: not for --static")
    assert "candid serve RUN" in str(error)


@pytest.mark.parametrize(("host", "is_said"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_who_can_reach_it_is_said_where_that_is_not_this_machine_alone(host, is_said, export):
    arguments = [COMMAND, "serve", "--static", str(export), "--host", host, "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*arguments, "--no-open"], text=True, **pipes) as process:
        assert process.stdout.readline().startswith("Serving ")
        process.terminate()
        assert ("note: anybody who reaches this port" in process.stderr.read()) is is_said


def test_runs_and_a_folder_exclude_each_other(candid, export):
    done = candid("serve", "runs/latest", "--static", export)
    assert done.returncode == 2
    assert "leave out the runs" in done.stderr


def test_it_needs_no_fastapi():
    code = (
        "import sys, candid.server.static; "
        "print({'fastapi', 'starlette', 'uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
