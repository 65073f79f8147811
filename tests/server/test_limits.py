"""Bodies that are too large, malformed or too slow are refused, in one error format."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from candid.server.models import Models
from candid.server.settings import Settings
from candid.training import Run

ErrorOf = Callable[[httpx.Response], str]
JPEG = {"Content-Type": "image/jpeg"}
FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def small(models: Models, running: Callable) -> Iterator[httpx.Client]:
    """A server with low limits."""
    settings = Settings(
        max_body_bytes=200_000, max_images=3, headers_s=0.5, request_s=1.0, idle_s=1.0
    )
    with running(models, settings) as client:
        yield client


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/x-www-form-urlencoded", b"\xff\xd8\xff", 415, "unsupported_media_type"),
        ("text/plain", b"hello", 415, "unsupported_media_type"),
        ("application/json", b"{", 400, "invalid_json"),
        ("application/json", b"\xff\xfe\x00", 400, "invalid_json"),
        ("application/json", b"[" * 100_000, 422, "invalid_images"),
        ("application/json", b"[]", 422, "invalid_images"),
        ("application/json", b'{"images": "a"}', 422, "invalid_images"),
        ("application/json", b'{"images": [1]}', 422, "invalid_images"),
        # Refused before it is read: it would take twenty times its bytes.
        ("application/json", b'{"images": [' + b"[]," * 9_999 + b"[]]}", 422, "invalid_images"),
        ("application/json", b'{"images": [' + b"0," * 9_999 + b"0]}", 422, "too_many_images"),
        (
            "multipart/form-data; boundary=b",
            b"\r\n--b\r\n" * 9_999,
            422,
            "too_many_images",
        ),
        ("application/json", b'{"images": [], "x": 1}', 422, "unknown_parameter"),
        ("application/json", b'{"images": []}', 422, "no_image"),
        ("application/json", b'{"images": ["?"]}', 422, "invalid_base64"),
        ("application/json", '{"images": ["é"]}'.encode(), 422, "invalid_base64"),
        ("multipart/form-data", b"", 400, "invalid_multipart"),
        (FORM, b"", 400, "invalid_multipart"),
        (FORM, b"--b\r\n\r\nno end", 400, "invalid_multipart"),
        (FORM, b"something else", 400, "invalid_multipart"),
        (FORM, b"--bX\r\n\r\nanother boundary\r\n--bX--", 400, "invalid_multipart"),
        (FORM, b"--b\r\nA: " + b"x" * 5000 + b"\r\n\r\n\r\n--b--", 400, "invalid_multipart"),
        (FORM, b"--b--\r\n", 422, "no_image"),
    ],
)
def test_a_broken_body_is_refused(
    small: httpx.Client, error_of: ErrorOf, content_type: str, body: bytes, status: int, code: str
) -> None:
    answer = small.post("/v1/predict", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, error_of(answer)) == (status, code)


def test_a_compressed_body_is_refused(small: httpx.Client, error_of: ErrorOf) -> None:
    answer = small.post("/v1/predict", content=b"x", headers=JPEG | {"Content-Encoding": "gzip"})
    assert (answer.status_code, error_of(answer)) == (415, "unsupported_encoding")


def test_too_many_images_are_refused(small: httpx.Client, error_of: ErrorOf) -> None:
    files = [("image", (str(number), b"x")) for number in range(4)]
    encoded = [b64encode(b"x").decode()] * 4
    for answer in (
        small.post("/v1/predict", files=files),
        small.post("/v1/predict", json={"images": encoded}),
    ):
        assert (answer.status_code, error_of(answer)) == (422, "too_many_images")
    assert small.post("/v1/predict", files=files[:3]).status_code == 200


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(
    small: httpx.Client,
) -> None:
    head = "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    with connect(small) as connection:
        connection.sendall(f"{head}Content-Length: 200001\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_without_a_size_is_refused_once_it_is_too_large(
    small: httpx.Client, error_of: ErrorOf
) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(30):
            sent += 10_000
            yield bytes(10_000)

    answer = small.post("/v1/predict", content=pieces(), headers=JPEG)
    assert (answer.status_code, error_of(answer)) == (413, "body_too_large")
    exact = small.post("/v1/predict", content=bytes(200_000), headers=JPEG)
    assert exact.status_code == 200


def test_a_bomb_is_refused_by_its_header(running: Callable, trained: Run) -> None:
    bomb = io.BytesIO()
    Image.new("1", (2000, 1001)).save(bomb, "PNG")
    with running(Models([trained.folder], 2_000_000)) as client:
        answer = client.post("/v1/predict", content=bomb.getvalue(), headers=JPEG)
    assert answer.status_code == 200
    assert "too large: 2000 x 1001" in answer.json()["predictions"][0]["reason"]


@pytest.mark.parametrize("query", ["coverage=0", "coverage=1", "coverage=nan", "explain=perhaps"])
def test_a_parameter_that_makes_no_sense_is_refused(
    small: httpx.Client, error_of: ErrorOf, query: str
) -> None:
    answer = small.post(f"/v1/predict?{query}", content=b"x", headers=JPEG)
    assert (answer.status_code, error_of(answer)) == (422, "invalid_parameter")


def test_a_model_that_can_not_abstain_has_no_coverage(
    copied_run: Path, running: Callable, error_of: ErrorOf
) -> None:
    manifest = json.loads((copied_run / "candid.json").read_text())
    manifest["abstention"] = None
    (copied_run / "candid.json").write_text(json.dumps(manifest))
    with running(Models([copied_run], Settings().max_pixels)) as client:
        answer = client.post("/v1/predict?coverage=0.9", content=b"x", headers=JPEG)
        assert client.get("/v1/models").json()["models"][0]["coverage"] is None
    assert (answer.status_code, error_of(answer)) == (422, "no_coverage")


def test_what_is_not_there_has_the_same_shape(small: httpx.Client, error_of: ErrorOf) -> None:
    missing = small.get("/nothing")
    assert (missing.status_code, error_of(missing)) == (404, "not_found")
    wrong = small.get("/v1/predict")
    assert (wrong.status_code, error_of(wrong)) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_what_is_not_http_has_the_same_shape(small: httpx.Client) -> None:
    with connect(small) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "invalid_http"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HT",
        b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc",
    ],
    ids=["nothing", "half a head", "a head and a half", "half a body that nobody wants"],
)
def test_a_connection_that_says_no_more_is_closed(small: httpx.Client, sent: bytes) -> None:
    with connect(small) as connection:
        connection.sendall(sent)
        read_all(connection)  # ends, or the socket's own time limit raises


def test_a_slow_body_is_answered_and_its_connection_closed(small: httpx.Client) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    with connect(small) as connection:
        connection.sendall(head + b"Content-Length: 1000\r\n\r\nslow")
        assert b" 408 " in read_all(connection)


def test_connections_beyond_their_number_are_closed(models: Models, running: Callable) -> None:
    with running(models, Settings(max_connections=2)) as client:
        one, other = connect(client), connect(client)
        with one, other:
            time.sleep(0.2)
            with connect(client) as third:
                assert read_all(third) == b""


def test_a_server_that_ends_leaves_no_thread(models: Models, running: Callable) -> None:
    before = set(threading.enumerate())
    with running(models) as client:
        client.post("/v1/predict", content=b"x", headers=JPEG)
        ours = {t for t in threading.enumerate() if t.name.startswith("candid-")} - before
        assert ours
    assert not [thread for thread in ours if thread.is_alive()]


def connect(client: httpx.Client) -> socket.socket:
    assert client.base_url.port is not None
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=15)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data
