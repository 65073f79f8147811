"""The page at /, in Chromium: a server with several models that asks for a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from browser import browser
from playwright.sync_api import Browser, expect

from candid.server.models import Models
from candid.server.settings import Settings
from candid.training import Run
from tests.server.visiting import visitor

__all__ = ["browser"]  # a fixture

TOKEN = "0123456789abcdef-secret"


@pytest.fixture(scope="module")
def closed(trained: Run, running: Callable) -> Iterator[httpx.Client]:
    """A server with two models that asks for a token and takes small bodies."""
    models = Models([trained.folder, trained.folder], Settings().max_pixels)
    with running(models, Settings(token=TOKEN, max_body_bytes=2**20)) as client:
        yield client


def test_the_token_is_asked_for_until_it_is_right_and_then_kept(
    browser: Browser, closed: httpx.Client, photos: list[Path]
) -> None:
    with visitor(browser, str(closed.base_url)) as visit:
        visited = visit()
        page = visited.page
        expect(page.locator("#token-why")).to_have_text("The server requires a token.")
        page.keyboard.type("not the token")
        page.keyboard.press("Enter")
        expect(page.locator("#token-why")).to_have_text("The token is wrong.")
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator("#samples button")).to_have_count(3)
        assert visited.ask(photos[0])["reason"] is None
        page.reload()
        expect(page.locator("#samples button")).to_have_count(3)
        assert page.locator("#token").is_hidden()
        assert page.evaluate("localStorage.length") == 0


def test_without_the_token_it_says_so_and_can_be_asked_again(
    browser: Browser, closed: httpx.Client
) -> None:
    with visitor(browser, str(closed.base_url)) as visit:
        page = visit().page
        expect(page.locator("#token")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("alert")).to_contain_text("without a token")
        page.click("#line-again")
        expect(page.locator("#token")).to_be_visible()


def test_of_several_models_one_is_chosen(
    browser: Browser, closed: httpx.Client, photos: list[Path]
) -> None:
    with visitor(browser, str(closed.base_url)) as visit:
        visited = visit()
        page = visited.page
        page.fill("#token-text", TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator("#model option")).to_have_text(["run", "run-2"])
        page.select_option("#model", label="run-2")
        visited.ask(photos[0])
        assert next(url for url in visited.requests if "predict" in url).endswith("&model=run-2")
        assert visited.show(".model") == "run-2"
        assert page.evaluate("document.querySelectorAll('#samples button').length") == 3


def test_a_photo_that_is_too_large_is_said_to_be(
    browser: Browser, closed: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "large.png").write_bytes(bytes(3 * 2**20))
    with visitor(browser, str(closed.base_url)) as visit:
        visited = visit()
        visited.page.fill("#token-text", TOKEN)
        visited.page.keyboard.press("Enter")
        visited.page.set_input_files("#files", tmp_path / "large.png")
        visited.wait()
        assert visited.show(".why") == "The photo is too large for this server: 3.1 MB."
        assert visited.page.locator(".again").count() == 0
