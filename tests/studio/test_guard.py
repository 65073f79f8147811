"""The studio answers one browser on this machine, and no page of another site."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from candid.server.settings import Settings
from candid.studio.app import make_app
from candid.studio.guard import StudioGuard
from candid.studio.studio import Studio


@pytest.fixture
def app() -> StudioGuard:
    return make_app(Studio(), Settings(), 8000)


def browser(app: StudioGuard) -> TestClient:
    return TestClient(
        app,
        base_url="http://127.0.0.1:8000",
        headers={"Host": "127.0.0.1:8000"},
        follow_redirects=False,
    )


def test_the_token_is_taken_once_and_gives_a_cookie_that_scripts_cannot_read(app):
    first, second = browser(app), browser(app)
    answer = first.get(f"/?token={app.token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert first.get("/api/state").json() == {"version": 0, "project": None}
    assert first.get(f"/?token={app.token}").status_code == 303  # reloading the address
    assert second.get(f"/?token={app.token}").status_code == 403


@pytest.mark.parametrize(
    "path", ["/", "/studio.js", "/api/state", "/api/picture/0", "/?token=", "/?x=1"]
)
def test_without_the_cookie_nothing_is_served(app, path):
    answer = browser(app).get(path)
    assert answer.status_code == 403
    assert "candid studio" in answer.text


def test_a_cookie_of_another_studio_is_worth_nothing(app):
    other = browser(app)
    other.cookies.set("candid-studio-8000", "guessed")
    assert other.get("/api/state").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8000"},  # its name resolves to 127.0.0.1
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9000"},  # another program on this machine
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_writes_from_other_pages_are_refused_even_with_the_cookie(app, headers):
    page = browser(app)
    page.get(f"/?token={app.token}")
    answer = page.delete("/api/jobs", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) in (
        (403, "cross_site"),
        (403, "other_host"),
    )
    assert page.delete("/api/jobs").status_code == 409  # no project is open


def test_the_page_may_load_nothing_from_elsewhere_and_paths_lead_nowhere(app):
    page = browser(app)
    page.get(f"/?token={app.token}")
    policy = page.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'")
    assert "unsafe-inline" not in policy
    for path in ("/../app.py", "/screens/../../app.py", "/%2e%2e/app.py", "/screens"):
        assert page.get(path).status_code == 404


def test_a_folder_that_is_missing_is_told(app, tmp_path: Path):
    del app
    studio = Studio()
    project = studio.open(tmp_path / "nothing")
    try:
        for _ in range(200):
            if project.problem:
                break
            project._is_closed.wait(0.05)
        assert "nothing" in project.problem
    finally:
        studio.close()
