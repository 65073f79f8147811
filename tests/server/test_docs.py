"""The API documentation at /docs, in Chromium: it needs no network; "Try it" asks the server."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from browser import browser
from playwright.sync_api import Browser, Page, expect

from candid.server.models import Models
from candid.server.page import POLICY
from candid.server.schemas import MODELS_EXAMPLE, PREDICTIONS_EXAMPLES, ModelsOut, PredictionsOut
from candid.server.settings import Settings
from tests.reporting.pages.opening import CONTRASTS, PHONE, overflow
from tests.server.visiting import Open, visitor

__all__ = ["browser"]  # a fixture


TOKEN = "0123456789abcdef-secret"
SAMPLE = "GET /v1/models/{name}/samples/{number}"


@pytest.fixture
def docs(browser: Browser, client: httpx.Client) -> Iterator[Open]:
    with visitor(browser, f"{client.base_url}/docs") as visit:
        yield visit


def attempt(page: Page, route: str, **fields: str) -> str:
    """Fill in the form of a route and send it; gives the headline of the outcome."""
    section = page.locator(f'section[aria-label="{route}"]')
    for name, value in fields.items():
        section.locator(f"[name={name}]").fill(value)
    section.locator("button").click()
    expect(section.locator(".outcome h3")).not_to_be_empty()
    return section.locator(".outcome h3").inner_text()


def test_examples_are_answers_as_the_server_gives_them(
    client: httpx.Client, photos: list[Path]
) -> None:
    data = photos[0].read_bytes()
    for number, example in enumerate(PREDICTIONS_EXAMPLES):
        PredictionsOut.model_validate(example, strict=True)
        given = client.post(f"/v1/predict?explain={number}", files={"image": data}).json()
        assert list(example["predictions"][0]) == list(given["predictions"][0])
    ModelsOut.model_validate(MODELS_EXAMPLE, strict=True)
    assert list(MODELS_EXAMPLE["models"][0]) == list(client.get("/v1/models").json()["models"][0])


def test_it_shows_every_route_with_its_parameters_and_an_example(client: httpx.Client) -> None:
    answer = client.get("/docs")
    assert answer.headers["content-security-policy"].startswith(POLICY)
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f">{method.upper()} {path}</code>" in answer.text
            for parameter in operation.get("parameters", ()):
                assert f'name="{parameter["name"]}"' in answer.text
    assert answer.text.count("Example answer") == 5  # all but the sample, which is a picture
    assert "&quot;verdict&quot;: &quot;sure&quot;" in answer.text
    assert not re.search(
        r"<!--|(src|href|action)=.https?:|url\(|style=|<style|<script>", answer.text
    )


def test_it_asks_its_server_alone_and_shows_the_answer_and_the_command(
    docs: Open, client: httpx.Client, photos: list[Path]
) -> None:
    visited = docs()
    page = visited.page
    page.set_input_files("[name=images]", photos[:2])
    page.select_option("[name=explain]", "true")
    assert attempt(page, "POST /v1/predict", coverage="0.9").startswith("Answer: 200 OK")
    shown = json.loads(visited.show(".outcome pre"))
    assert [item["path"] for item in shown["predictions"]] == [photo.name for photo in photos[:2]]
    assert shown["predictions"][0]["explanation"]["similar"]
    command = shlex.split(visited.show(".command"))
    said = subprocess.run(
        command, cwd=photos[0].parent, capture_output=True, text=True, check=True
    ).stdout
    same = [[item["path"], item["answer"]] for item in shown["predictions"]]
    assert [[item["path"], item["answer"]] for item in json.loads(said)["predictions"]] == same
    assert attempt(page, SAMPLE, name="run", number="1").startswith("Answer: 200 OK")
    expect(page.locator(".outcome img")).to_have_js_property("complete", True)
    assert page.locator(".outcome img").evaluate("image => image.naturalWidth") > 0
    assert attempt(page, "GET /metrics").startswith("Answer: 200 OK")
    assert visited.said == []
    origin = str(client.base_url)
    assert [url for url in visited.requests if not url.startswith((origin, "blob:"))] == []


def test_an_error_is_shown_as_the_server_says_it(docs: Open) -> None:
    visited = docs()
    assert attempt(visited.page, SAMPLE, name="a/b?", number="0").startswith("Answer: 404")
    assert "not_found" in visited.show(".outcome pre")
    visited.page.route("**/healthz", lambda route: route.abort())
    assert attempt(visited.page, "GET /healthz") == "No answer"
    expect(visited.page.get_by_text("The server does not answer.")).to_be_visible()


def test_a_server_with_a_token_is_asked_with_it(
    browser: Browser, models: Models, running: Callable
) -> None:
    with (
        running(models, Settings(token=TOKEN)) as closed,
        visitor(browser, f"{closed.base_url}/docs") as visit,
    ):
        page = visit().page
        page.locator('section[aria-label="GET /v1/models"]').get_by_role("button").click()
        expect(page.get_by_role("textbox", name="Token")).to_be_focused()
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator(".outcome pre")).to_contain_text("happy or sad?")
        page.select_option("[name=explain]", "true")
        expect(page.locator(".command").first).to_contain_text("Authorization: Bearer $(cat token)")


def test_it_fits_a_phone_and_can_be_read(docs: Open, photos: list[Path]) -> None:
    visited = docs(viewport=PHONE, reduced_motion="reduce")
    visited.page.set_input_files("[name=images]", photos[:2])
    attempt(visited.page, "POST /v1/predict")
    for scheme in ("light", "dark"):
        visited.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        rows = visited.page.evaluate(CONTRASTS)
        assert len(rows) > 50
        assert [row for row in rows if row[0] < 4.5] == []
    assert overflow(visited.page) <= 0
