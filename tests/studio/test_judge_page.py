"""The screen Train in a browser: what can be done with a result, by mouse and by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import browser
from playwright.sync_api import Browser, Page, expect

from candid.cli.demo import SampleSet
from candid.training import Run
from tests.studio.opened import open_studio

__all__ = ["browser"]

IS_READ = "fetch('/api/state').then((it) => it.json()).then((it) => it.project.is_embedded)"


@pytest.fixture
def page(browser: Browser, faces: SampleSet, trained: Run, tmp_path: Path) -> Iterator[Page]:
    """The screen, with a run and a copy of it."""
    expect.set_options(timeout=60_000)  # a machine that others use too may be slow
    folder = Path(shutil.copytree(faces.folder, tmp_path / "faces"))
    for name in ("faces-1", "faces-2"):
        shutil.copytree(trained.folder, folder / ".candid" / "runs" / name)
    with open_studio(folder, within=tmp_path) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.click("nav a[href='#judge']")
        page.wait_for_selector(".compared .headline")
        page.wait_for_function(IS_READ)
        yield page
        page.close()


def numbers(page: Page, selector: str) -> list[int]:
    texts = page.locator(selector).all_inner_texts()
    return [int(re.sub(r"\D", "", text)) for text in texts]


def test_a_result_is_looked_into(page: Page, trained: Run) -> None:
    believed = trained.evaluation.believed
    assert believed.accuracy is not None
    expect(page.locator(".answer .headline")).to_contain_text(
        f"{round(100 * believed.accuracy.value)} of 100"
    )
    expect(page.locator(".compared .headline")).to_contain_text("0 newly wrong, 0 newly right")

    # The slider, by keyboard: every photo is on one of four lines.
    expect(page.locator(".answering h4 span").nth(1)).not_to_have_text("0")
    assert sum(numbers(page, ".answering h4 span")) == believed.n
    answered = page.locator(".answering .pair dd.muted").first
    expect(answered).to_have_text(f"{believed.n} photos of {believed.n}")
    page.focus("#answering")
    page.keyboard.press("End")
    expect(answered).not_to_have_text(f"{believed.n} photos of {believed.n}")
    counts = numbers(page, ".answering h4 span")
    assert sum(counts) == believed.n
    assert sum(counts[2:]) > sum(counts[:2])

    # A mistake is enlarged, and dropped by a key; the screen says that training would differ.
    page.locator(".answering .columns > div:last-child .tile").first.click()
    expect(page.locator("dialog.enlarged")).to_be_visible()
    page.keyboard.press("d")
    page.keyboard.press("Escape")
    expect(page.locator(".since")).to_contain_text("1 photo removed or dropped")

    # A cell of the matrix leads to its photos.
    cell = page.locator(".confusion td.wrong a").first
    wanted = cell.inner_text()
    cell.click()
    expect(page.locator(".screen.look .count")).to_contain_text(
        re.compile(rf"\b{wanted} of \d+ photos")
    )
