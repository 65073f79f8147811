"""``candid serve`` as a process: imports, output, signals."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from candid.cli.commands import serve as command
from candid.server import running
from candid.server.addresses import listen
from candid.server.app import App
from candid.server.log import _Background
from candid.server.models import Models
from candid.server.running import serve
from candid.server.settings import Settings
from candid.training import Run
from tests.server import conftest

JPEG = {"Content-Type": "image/jpeg"}
Start = Callable[..., "conftest.Process"]


def test_it_prints_its_port_listens_at_home_and_ends_without_a_word(
    start: Start, trained: Run, photos: list[Path]
) -> None:
    process = start(trained.folder)
    assert process.line == f"Serving run on {process.address}\n"
    assert process.address.startswith("http://127.0.0.1:")
    answer = httpx.post(
        f"{process.address}/v1/predict", content=photos[0].read_bytes(), headers=JPEG
    )
    assert answer.status_code == 200
    assert process.end(signal.SIGTERM) == (0, "")
    line = r"\S+T\S+ 127\.0\.0\.1 POST /v1/predict 200 \d+\.\d ms [0-9a-f]{32}\n"
    assert re.fullmatch(line, process.requests)


def test_as_json_every_line_is_an_object_and_none_names_a_photo(
    start: Start, trained: Run, photos: list[Path]
) -> None:
    process = start(trained.folder, "--log-format", "json", "--host", "0.0.0.0")
    address = process.address.replace("0.0.0.0", "127.0.0.1")
    files = {"image": ("secret.png", photos[0].read_bytes())}
    httpx.post(f"{address}/v1/predict?model=run", files=files, headers={"X-Request-ID": "a-1"})
    httpx.get(f"{address}/secret.png?secret=1")
    httpx.get(f"{address}/v1/models/secret/samples/0", headers={"Host": "secret"})
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"secret\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    code, errors = process.end(signal.SIGTERM)
    assert code == 0
    assert json.loads(process.line)["message"] == f"Serving run on {process.address}"
    lines = [json.loads(line) for line in process.requests.splitlines()]
    keys = {"time", "level", "client", "method", "route", "status", "ms", "request_id"}
    assert all(line.keys() == keys for line in lines)
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/predict", 200),
        ("GET", "other", 404),
        ("GET", "/v1/models/{name}/samples/{number}", 403),
    ]
    assert lines[0]["request_id"] == "a-1"
    said = [json.loads(line)["message"] for line in errors.splitlines()]
    assert [line.partition(" ")[0] for line in said] == ["note:", "Invalid"]
    assert "secret" not in process.requests + errors


def test_a_reader_of_the_log_that_stalls_holds_up_no_answer() -> None:
    read, write = os.pipe()
    handler = _Background(write, "ascii")
    record = logging.LogRecord("", logging.INFO, "", 0, "é" + "x" * 95, None, None)
    writing = threading.Thread(target=lambda: [handler.emit(record) for _ in range(20_000)])
    writing.daemon = True
    writing.start()
    writing.join(20)
    assert not writing.is_alive()
    began = time.monotonic()
    handler.flush()
    assert time.monotonic() - began < 10
    assert os.read(read, 100) == b"\\xe9" + b"x" * 95 + b"\n"
    os.close(read)  # nobody reads: the rest is passed over
    for _ in range(1000):
        handler.flush()
        if not handler._waiting.unfinished_tasks:
            break
    assert not handler._waiting.unfinished_tasks


def test_a_stop_finishes_what_was_accepted(
    start: Start, trained: Run, photos: list[Path], metric: Callable
) -> None:
    process = start(trained.folder)
    files = [("image", (photo.name, photo.read_bytes())) for photo in photos] * 4
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(httpx.post(f"{process.address}/v1/predict", files=files, timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 30
    with httpx.Client(base_url=process.address) as client:
        while metric(client, "candid_waiting_images") < 3 * 32:
            assert time.monotonic() < end
            time.sleep(0.005)
    assert process.end(signal.SIGTERM) == (0, "")
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 3
    for answer in answers:
        labels = [item["label"] for item in answer.json()["predictions"]]
        assert len(labels) == 32
        assert None not in labels


def test_sighup_loads_again(start: Start, trained: Run, metric: Callable) -> None:
    process = start(trained.folder)
    with httpx.Client(base_url=process.address) as client:
        process.popen.send_signal(signal.SIGHUP)
        line = 'candid_reloads_total{model="run",result="loaded"}'
        for _ in range(500):
            if metric(client, line):
                break
            time.sleep(0.02)
        assert metric(client, line) == 1
    code, errors = process.end(signal.SIGINT)
    assert code == 0
    assert "run was reloaded" in errors


def test_signals_are_heard_where_the_loop_knows_none_and_there_is_no_sighup(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", refuse)
    monkeypatch.delattr(signal, "SIGHUP")
    before = signal.getsignal(signal.SIGTERM)
    settings = Settings()
    stop = threading.Timer(0, os.kill, (os.getpid(), signal.SIGTERM))
    bound = listen("127.0.0.1", 0)
    serve(App(models, settings), settings, bound, started=stop.start)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_server_gives_memory_back_from_time_to_time(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def give_back() -> None:
        given.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)  # ends the server

    monkeypatch.setattr(running, "keep_for_next_photo", lambda: give_back)
    settings = Settings()
    late = threading.Timer(10, os.kill, (os.getpid(), signal.SIGTERM))
    serve(App(models, settings), settings, listen("127.0.0.1", 0), started=late.start)
    late.cancel()
    assert given


def test_it_answers_without_what_only_training_needs(trained: Run, photos: list[Path]) -> None:
    code = f"""
import sys, threading
import typer
from candid.cli.commands.serve import serve
from candid.server import addresses, running
assert "fastapi" in sys.modules
def stop(app, settings, bound, *, started, on_hangup):
    import httpx
    def ask():
        data = open({str(photos[0])!r}, "rb").read()
        url = addresses.address_of(bound)
        answer = httpx.post(url + "/v1/predict?explain=1", content=data,
                            headers={{"Content-Type": "image/png"}}, timeout=60)
        assert answer.status_code == 200, answer.text
        server.should_exit = True
    server = running.Server(app, settings, started=lambda: threading.Thread(target=ask).start())
    server.run(sockets=[bound])
running.serve = stop
app = typer.Typer()
app.command()(serve)
app([{str(trained.folder)!r}, "--port", "0"], standalone_mode=False)
print(sorted({{"tensorflow", "sklearn", "matplotlib", "scipy", "onnx"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_command_is_known_without_importing_the_server() -> None:
    code = (
        "import sys, candid.cli.commands.serve; "
        "print({'fastapi', 'uvicorn', 'onnxruntime', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert callable(command.serve)
