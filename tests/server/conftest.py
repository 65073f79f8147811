"""Servers on real ports, in a thread or in a process."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from candid.cli.demo import SampleSet
from candid.server.addresses import address_of, listen
from candid.server.app import App
from candid.server.models import Models
from candid.server.running import Server
from candid.server.settings import Settings
from candid.training import Run
from tests.server.visiting import Open, Visit, visitor

PROGRAM = "import typer; from candid.cli.commands.serve import serve; typer.run(serve)"
Start = Callable[..., AbstractContextManager[httpx.Client]]


@contextmanager
def running(models: Models, settings: Settings | None = None) -> Iterator[httpx.Client]:
    """A server in a thread; its client has a connection pool of its own."""
    settings = settings or Settings()
    bound = listen("127.0.0.1", 0)
    is_up = threading.Event()
    server = Server(App(models, settings), settings, started=is_up.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    assert is_up.wait(20)
    try:
        with httpx.Client(base_url=address_of(bound), timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def models(trained: Run) -> Models:
    """The loaded run on the drawn faces. Read-only."""
    return Models([trained.folder], Settings().max_pixels)


@pytest.fixture(scope="session")
def client(models: Models) -> Iterator[httpx.Client]:
    """A client of a server with the default limits."""
    with running(models) as client:
        yield client


@pytest.fixture(name="running", scope="session")
def _running() -> object:
    return running


@pytest.fixture(scope="session")
def photos(faces: SampleSet) -> list[Path]:
    return sorted(faces.folder.glob("*/face-*"))[:8]


class Process:
    """``candid serve`` in a process."""

    def __init__(self, *arguments: object) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stdout is not None
        self.line = self.popen.stdout.readline()
        found = re.search(r"http://[\w.:]+", self.line)
        assert found, self.popen.communicate()
        self.address = found[0]

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and stderr, and keep what stood on stdout."""
        self.popen.send_signal(number)
        self.requests, errors = self.popen.communicate(timeout=60)
        return self.popen.returncode, errors


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start server processes; kill those left at the end."""
    started: list[Process] = []

    def begin(*arguments: object) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()


def metric(client: httpx.Client, line: str) -> float:
    """The value of a line at /metrics; 0 if it is missing."""
    for row in client.get("/metrics").text.splitlines():
        name, _, value = row.rpartition(" ")
        if name == line:
            return float(value)
    return 0.0


@pytest.fixture(name="metric")
def _metric() -> object:
    return metric


def error_of(response: httpx.Response) -> Any:
    """The error code of a response; checks the common error format."""
    values = response.json()
    assert values.keys() == {"error"}
    assert values["error"].keys() == {"code", "message"}
    assert "Traceback" not in response.text
    assert response.headers["content-type"] == "application/json"
    return values["error"]["code"]


@pytest.fixture(name="error_of")
def _error_of() -> object:
    return error_of


@pytest.fixture
def visit(browser: Browser, client: httpx.Client) -> Iterator[Open]:
    with visitor(browser, str(client.base_url)) as visit:
        yield visit


@pytest.fixture(scope="module")
def shared(browser: Browser, client: httpx.Client) -> Iterator[Visit]:
    """One page for all tests that need nothing before it loads."""
    with visitor(browser, str(client.base_url)) as visit:
        yield visit()


@pytest.fixture
def opened(shared: Visit) -> Visit:
    return shared.start_over()
