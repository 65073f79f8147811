"""Access control, and the headers of every response."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from candid.errors import UsageError
from candid.server.models import Models
from candid.server.page import FILES
from candid.server.security import Guard
from candid.server.settings import Settings, read_token

TOKEN = "0123456789abcdef-secret"
ErrorOf = Callable[[httpx.Response], str]


@pytest.fixture(scope="module")
def closed(models: Models, running: Callable) -> Iterator[httpx.Client]:
    """A client of a server with a token."""
    with running(models, Settings(token=TOKEN)) as client:
        yield client


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"],
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/run/samples/0",
        "/readyz",
        "/metrics",
        "/no",
    ],
)
def test_without_the_token_nothing_is_told(
    closed: httpx.Client, error_of: ErrorOf, path: str, given: str | None
) -> None:
    answer = closed.get(path, headers={} if given is None else {"Authorization": given})
    assert (answer.status_code, error_of(answer)) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_in_other_letters_is_refused(closed: httpx.Client) -> None:
    answer = closed.get("/v1/models", headers={"Authorization": "Bearer é".encode()})
    assert answer.status_code == 401


@pytest.mark.parametrize("kind", ["Bearer", "bearer"])
def test_with_the_token_everything_is(closed: httpx.Client, kind: str) -> None:
    answer = closed.get("/v1/models", headers={"Authorization": f"{kind} {TOKEN}"})
    assert answer.status_code == 200


def test_whether_it_is_alive_is_told_to_anybody(closed: httpx.Client) -> None:
    assert closed.get("/healthz").json() == {"status": "alive"}
    assert closed.post("/v1/predict", content=b"x").status_code == 401


def test_a_token_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CANDID_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("CANDID_TOKEN", TOKEN)
    assert read_token(None) == TOKEN
    (tmp_path / "token").write_text(f"{TOKEN}2\n")
    assert read_token(tmp_path / "token") == f"{TOKEN}2"


@pytest.mark.parametrize("text", ["", "short", "a b" * 10, "é" * 20])
def test_a_token_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(UsageError, match="16 visible ASCII"):
        read_token(tmp_path / "token")
    monkeypatch.setenv("CANDID_TOKEN", text)
    with pytest.raises(UsageError, match="CANDID_TOKEN"):
        read_token(None)
    with pytest.raises(UsageError, match="No such file"):
        read_token(tmp_path / "nothing")


@pytest.mark.parametrize(
    "path", ["/", "/app/app.js", "/docs", "/healthz", "/v1/models", "/no", "/v1/predict"]
)
def test_every_answer_carries_the_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/healthz", 200), ("/v1/predict", 405)])
def test_head_is_answered_as_get_without_the_body(
    client: httpx.Client, path: str, status: int
) -> None:
    answer, usual = client.head(path), client.get(path)
    assert answer.status_code == usual.status_code == status
    assert answer.content == b""
    assert answer.headers["content-length"] == str(len(usual.content))


def test_a_request_has_the_number_that_it_came_with_or_a_new_one(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "a-1"}).headers["x-request-id"] == "a-1"
    new = client.get("/healthz", headers={"X-Request-ID": "a b" * 40}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", new)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""]
)
def test_a_name_that_somebody_else_gave_this_machine_can_not_ask(
    client: httpx.Client, error_of: ErrorOf, host: str
) -> None:
    headers = {"Host": host, "Sec-Fetch-Site": "same-origin"}
    for path in ("/", "/v1/models"):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, error_of(answer)) == (403, "other_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:8000"])
def test_the_names_of_this_machine_can_ask(client: httpx.Client, host: str) -> None:
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


def test_who_has_the_token_may_call_it_what_they_like(closed: httpx.Client) -> None:
    assert closed.get("/", headers={"Host": "photos.example"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_can_not_ask(
    client: httpx.Client, error_of: ErrorOf, site: str
) -> None:
    headers = {"Sec-Fetch-Site": site, "Content-Type": "image/jpeg"}
    answer = client.post("/v1/predict", content=b"x", headers=headers)
    assert (answer.status_code, error_of(answer)) == (403, "cross_site")
    asked = client.options("/v1/predict", headers={"Origin": "https://example.org"})
    assert asked.status_code == 405
    assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://192.168.0.7:8000", 200), ("http://evil.example", 403), ("null", 403), (None, 200)],
)
def test_nor_over_plain_http_in_a_network_where_browsers_leave_that_out(
    origin: str | None, status: int
) -> None:
    transport = httpx.ASGITransport(
        Guard(Response("answered"), Settings(), lambda *_: None)  # type: ignore[arg-type]
    )

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://192.168.0.7:8000"
        ) as client:
            return await client.post("/", headers={} if origin is None else {"Origin": origin})

    assert asyncio.run(ask()).status_code == status


def test_pages_and_documentation_are_open_and_hold_nothing_of_a_run(closed: httpx.Client) -> None:
    for path in ("/", "/docs", "/openapi.json", *FILES):
        answer = closed.get(path)
        assert answer.status_code == 200, path
    assert closed.get("/app/nothing.js").status_code == 401
    assert closed.get("/app/../v1/models").status_code == 401


def test_prometheus_is_told_what_was_asked(client: httpx.Client, metric: Callable) -> None:
    line = 'candid_requests_total{route="other",status="404"}'
    before = metric(client, line)
    client.get("/nothing/of/ours")
    assert metric(client, line) == before + 1
    assert metric(client, "process_open_fds") > 0
    assert "nothing/of/ours" not in client.get("/metrics").text
