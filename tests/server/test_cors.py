"""Which pages of other sites may ask, and what is told to their browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from browser import browser
from playwright.sync_api import Browser

from candid.errors import UsageError
from candid.server.cors import read_origin
from candid.server.models import Models
from candid.server.settings import Settings

__all__ = ["browser"]  # a fixture

FRIEND = "https://friend.example"
TOKEN = "0123456789abcdef-secret"
ASKING = {"Access-Control-Request-Method": "POST", "Sec-Fetch-Site": "cross-site"}
JPEG = {"Content-Type": "image/jpeg", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def closed(models: Models, running: Callable, client: httpx.Client) -> Iterator[httpx.Client]:
    """A server with a token that pages of two origins may use; one is another server's."""
    origins = (FRIEND, read_origin(str(client.base_url)))
    with running(models, Settings(token=TOKEN, cors_origins=origins)) as client:
        yield client


@pytest.fixture(scope="module")
def public(models: Models, running: Callable) -> Iterator[httpx.Client]:
    """A server that all pages may use, and that takes small bodies."""
    with running(models, Settings(cors_origins=("*",), max_body_bytes=100_000)) as client:
        yield client


def allowed(response: httpx.Response) -> str | None:
    assert "access-control-allow-credentials" not in response.headers
    return response.headers.get("access-control-allow-origin")


def test_an_allowed_origin_may_ask_before_it_has_the_token(closed: httpx.Client) -> None:
    answer = closed.options("/v1/predict", headers=ASKING | {"Origin": FRIEND})
    assert answer.status_code == 204
    assert allowed(answer) == FRIEND
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert "Authorization, Content-Type" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-private-network" not in answer.headers
    private = {"Origin": FRIEND, "Access-Control-Request-Private-Network": "true"}
    answer = closed.options("/v1/predict", headers=ASKING | private)
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"{FRIEND}.evil.example", f"{FRIEND}:444", "http://localhost"],
)
def test_other_origins_are_told_nothing(
    closed: httpx.Client, error_of: Callable, origin: str
) -> None:
    token = {"Origin": origin, "Authorization": f"Bearer {TOKEN}"}
    preflight = closed.options("/v1/predict", headers=ASKING | {"Origin": origin})
    asked = closed.post("/v1/predict", content=b"x", headers=JPEG | token)
    for answer in (preflight, asked):
        assert (answer.status_code, error_of(answer)) == (403, "cross_site")
    for answer in (preflight, asked, closed.get("/v1/models", headers=token)):
        assert allowed(answer) is None
        assert answer.headers["vary"] == "Origin"


def test_answers_and_errors_can_be_read_by_an_allowed_origin(closed: httpx.Client) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    headers = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
    answers = [
        closed.post("/v1/predict", content=b"x", headers=JPEG | headers | token),
        closed.post("/v1/predict?user=7", content=b"x", headers=JPEG | headers | token),
        closed.get("/v1/models", headers=headers),
        closed.get("/nothing", headers=headers | token),
        closed.options("/v1/predict", headers=headers | token),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 401, 404, 405]
    for answer in answers:
        assert allowed(answer) == FRIEND
        assert answer.headers["vary"] == "Origin"
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in closed.get("/healthz").headers


def test_a_star_allows_all_pages_and_no_other_name_of_the_host(
    public: httpx.Client, error_of: Callable
) -> None:
    headers = JPEG | {"Origin": "null"}
    assert allowed(public.post("/v1/predict", content=b"x", headers=headers)) == "*"
    large = public.post("/v1/predict", content=bytes(100_001), headers=headers)
    assert (allowed(large), error_of(large)) == ("*", "body_too_large")
    elsewhere = public.get("/v1/models", headers=headers | {"Host": "evil.example"})
    assert (elsewhere.status_code, error_of(elsewhere)) == (403, "other_host")


def test_without_the_option_a_browser_that_asks_is_refused(
    client: httpx.Client, error_of: Callable
) -> None:
    headers = {"Origin": FRIEND, "Access-Control-Request-Method": "POST"}
    answer = client.options("/v1/predict", headers=headers)
    assert (answer.status_code, error_of(answer)) == (403, "cross_site")
    assert allowed(answer) is None
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Friend.Example/", FRIEND),
        ("https://friend.example:443", FRIEND),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://münchen.example:80", "http://xn--mnchen-3ya.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*", "*"),
    ],
)
def test_an_origin_is_read_as_browsers_send_it(text: str, origin: str) -> None:
    assert read_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    ["", "friend.example", "null", "https://", f"{FRIEND}/page", "https://*.example", "https://a:b",
     "https://u@friend.example", f"{FRIEND}, https://b.example"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected an origin such as"):
        read_origin(text)


_ASK = """async ([url, token]) => {
  const body = new FormData();
  body.append("image", new Blob([new Uint8Array(9)]), "a.png");
  const headers = { Authorization: `Bearer ${token}` };
  try {
    const answer = await fetch(url, { method: "POST", body, headers });
    return [answer.status, answer.headers.get("X-Request-ID")?.length];
  } catch (error) { return String(error); }
}"""


def test_a_real_browser_keeps_to_it(
    browser: Browser, closed: httpx.Client, client: httpx.Client, public: httpx.Client
) -> None:
    """It asks first, as the page sends a token. Only the pages of `client` are allowed."""
    asked = [f"{closed.base_url}/v1/predict", TOKEN]
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{client.base_url}/healthz")
    assert page.evaluate(_ASK, asked) == [200, 32]
    page.goto(f"{public.base_url}/healthz")
    assert page.evaluate(_ASK, asked) == "TypeError: Failed to fetch"
    context.close()
