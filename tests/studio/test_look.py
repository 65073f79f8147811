"""The screen Photos in a browser: chosen, decided, applied to the folder and back, by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import browser
from playwright.sync_api import Browser, Page, expect

from candid.cli.demo import SampleSet
from tests.studio.opened import open_studio

__all__ = ["browser"]

_PATIENCE_MS = 60_000  # of a machine that others use too


@pytest.fixture(scope="module")
def folder(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces, one of them without a class and one twice."""
    folder = tmp_path_factory.mktemp("look") / "faces"
    shutil.copytree(faces.folder, folder)
    shutil.copy(folder / "sad" / "face-0008.jpg", folder / "sad" / "zz-copy.jpg")
    (folder / "sad" / "face-0002.jpg").rename(folder / "alone.jpg")
    return folder


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with open_studio(folder, within=folder.parent) as address:
        page = browser.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        expect.set_options(timeout=_PATIENCE_MS)
        page.goto(address)
        expect(page.locator(".cell i", has_text="copies").first).to_be_visible()
        yield page
        page.close()


def count(page: Page) -> str:
    return page.inner_text(".count")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.locator(".grid").press(key)


def files(folder: Path) -> dict[str, bytes]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix(): (folder / path).read_bytes()
        for path in found
        if path.parts[0] != ".candid"
    }


def test_by_keyboard_from_a_photo_without_class_to_the_folder_and_back(page, folder):
    before = files(folder)
    page.get_by_role("combobox", name="Class", exact=True).select_option(label="no class yet (1)")
    expect(page.locator(".count")).to_have_text(re.compile("^1 of "))
    press(page, "2")  # sad
    expect(page.locator(".empty")).to_contain_text("Nothing passes all filters")
    page.get_by_role("button", name="Show all photos").click()
    expect(page.locator(".cell:not([hidden])").first).to_be_visible()
    press(page, "End", "d")
    expect(page.locator(".cell.dropped")).to_have_count(1)

    page.get_by_role("button", name="Apply to folder…").click()
    dialog = page.get_by_role("dialog", name="Apply to the folder")
    expect(dialog.locator(".moves")).to_contain_text("sad/alone.jpg")
    expect(dialog.locator(".moves")).to_contain_text(".candid/removed/sad/zz-copy.jpg")
    dialog.get_by_role("button", name="Move 2 photos").click()
    expect(dialog).to_be_hidden()
    after = files(folder)
    assert before.keys() - after.keys() == {"alone.jpg", "sad/zz-copy.jpg"}
    assert after["sad/alone.jpg"] == before["alone.jpg"]

    page.reload()
    press(page, "u")  # refused: files were moved
    expect(page.locator("#toasts")).to_contain_text("Move them back first")
    page.get_by_role("button", name="Apply to folder…").click()
    dialog.get_by_role("button", name="Move them back").click()
    expect(dialog).to_be_hidden()
    assert files(folder) == before
    press(page, "u", "u")
    expect(page.get_by_role("button", name="Undo", exact=False).first).to_be_disabled()


def test_a_stack_is_opened_and_closed(page):
    page.get_by_label("stack copies").check()
    expect(page.locator(".count")).to_have_text(re.compile("pictures"))
    folded = count(page)
    page.locator(".cell i", has_text="copies").first.click()
    expect(page.locator(".count")).to_have_text(re.compile("^[2-9] photos show the picture of "))
    press(page, "s")
    expect(page.locator(".count")).to_have_text(re.compile(f"^{re.escape(folded)}"))


def test_all_like_a_photo_are_selected_and_the_slider_takes_more(page):
    press(page, "Home", "a")
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible()
    first = int(re.search(r"(\d+) selected", count(page))[1])
    slider.press("Home")
    expect(page.locator(".count")).not_to_contain_text(f"; {first} selected")
    assert 1 <= first < int(re.search(r"(\d+) selected", count(page))[1])
    slider.press("End")
    assert page.evaluate("document.activeElement.type") == "range"  # it keeps the focus
