"""Opening a folder and adding photos, in a browser: webcam, folders, clipboard and a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import FLAGS, find, go_without
from playwright.sync_api import Browser, Error, Page, sync_playwright

from candid.errors import UsageError
from candid.splits.user_groups import group_by_file
from candid.studio.phone import network_address
from tests.studio.opened import open_studio

_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
_EVIL = "<img src=x onerror=document.title='taken'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One with a webcam."""
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=find(), args=[*FLAGS, *_CAMERA])
        except Error as error:
            go_without(f"no browser: {str(error).strip().splitlines()[0]}. Run: make browser")
        yield started
        started.close()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the studio is started in."""
    return tmp_path_factory.mktemp("here")


@pytest.fixture(scope="module")
def page(browser: Browser, here: Path) -> Iterator[Page]:
    """The studio, started without a folder, in which an empty project was made."""
    with open_studio(within=here) as address:
        page = browser.new_context().new_page()
        page.goto(address)
        page.get_by_label("Name").fill("pets")
        page.get_by_label("Class 1").fill("cat")
        page.get_by_label("Class 2").fill("dog")
        page.get_by_role("button", name="Make it").click()
        page.wait_for_selector(".screen.add .drop")
        yield page
        page.context.close()


@pytest.fixture
def folder(page: Page, here: Path) -> Path:
    """The project's folder; the page shows the screen Add, with an empty list."""
    page.goto(page.url.partition("#")[0] + "#add?label=cat")
    page.reload()
    page.wait_for_selector(".screen.add .drop")
    return here / "pets"


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


def as_file(name: str, seed: int) -> Any:
    return {"name": name, "mimeType": "image/png", "buffer": picture(seed)}


def told(page: Page, text: str) -> None:
    page.wait_for_selector(f".sent [role=status]:text-is('{text}')")


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if not file.name.startswith(".")}


def test_each_press_is_one_group_and_the_last_can_be_taken_back(page: Page, folder: Path) -> None:
    before = names(folder / "cat") | names(folder / "dog")
    page.get_by_role("button", name="Turn the camera on").click()
    record = page.locator(".record")
    record.hover()
    page.mouse.down()
    page.wait_for_selector(".view .count:text-matches('[3-9]')")
    page.mouse.up()
    page.wait_for_selector(".record:text-matches('Hold to record')")
    classes = page.eval_on_selector_all(".into input", "(all) => all.map((one) => one.value)")
    page.keyboard.press(str(1 + classes.index("dog")))
    page.wait_for_selector(".record b:text-is('dog')")
    page.keyboard.down(" ")
    page.wait_for_selector(".view .count:text-matches('[3-9]')")
    page.keyboard.up(" ")
    page.wait_for_selector(".record:text-matches('Hold to record')")
    page.wait_for_selector(".sent [role=status]:not(:has-text('waiting'))")
    cats, dogs = names(folder / "cat") - before, names(folder / "dog") - before
    assert min(len(cats), len(dogs)) >= 2
    groups = group_by_file(folder / ".candid" / "groups.csv")
    assert {f"cat/{name}" for name in cats} | {f"dog/{name}" for name in dogs} <= set(groups)
    assert len({groups[f"cat/{name}"] for name in cats}) == 1
    assert len(set(groups.values())) == 2
    page.get_by_role("button", name="Take the last recording back").click()
    page.wait_for_selector("#toasts p:has-text('taken back')")
    assert names(folder / "cat") - before == cats
    assert names(folder / "dog") <= before
    assert names(folder / ".candid" / "removed" / "dog") == dogs
    page.get_by_role("button", name="Turn the camera off").click()


def test_names_of_folders_are_classes_and_no_name_is_run(
    page: Page, folder: Path, tmp_path: Path
) -> None:
    for place, label in enumerate(("Cat", "bird")):
        (tmp_path / "given" / label).mkdir(parents=True)
        (tmp_path / "given" / label / f"{_EVIL}.png").write_bytes(picture(50 + place))
        (tmp_path / "given" / label / ".hidden.png").write_bytes(picture(60))
    (tmp_path / "given" / "bird" / "notes.txt").write_text("hello")
    page.set_input_files("input[webkitdirectory]", tmp_path / "given")
    page.wait_for_selector("dialog[open]")
    asked = page.eval_on_selector_all(
        "dialog select", "(all) => all.map((one) => one.selectedOptions[0].text)"
    )
    assert asked == ["new class bird", "class cat"]
    page.get_by_role("button", name="Add 3 files").click()
    told(page, "2 photos added, 1 not added.")
    name = _EVIL.translate(str.maketrans("<>", "__")) + ".png"
    assert name in names(folder / "cat")
    assert names(folder / "bird") == {name}
    assert page.locator(".refused").inner_text() == "notes.txt: it is no picture (text/plain)"
    assert "taken" not in page.title()


def test_files_are_chosen_pasted_and_dropped_and_copies_told(page: Page, folder: Path) -> None:
    chooser = page.locator("input[type=file][multiple]")
    chooser.set_input_files([as_file("a.png", 70), as_file("b.png", 71)])
    told(page, "2 photos added.")
    chooser.set_input_files([as_file("c.png", 71)])
    told(page, "2 photos added, 1 there already.")
    for event, data in (("paste", "clipboardData"), ("drop", "dataTransfer")):
        page.evaluate(
            """async ([event, data]) => {
              const canvas = Object.assign(document.createElement("canvas"), { width: 40 });
              canvas.getContext("2d").fillText(event, 2, 10);
              const blob = await new Promise((resolve) => canvas.toBlob(resolve));
              const sent = new DataTransfer();
              sent.items.add(new File([blob], `${event}.png`, { type: "image/png" }));
              const Kind = event === "paste" ? ClipboardEvent : DragEvent;
              const options = { bubbles: true, cancelable: true, [data]: sent };
              document.body.dispatchEvent(new Kind(event, options));
            }""",
            [event, data],
        )
    told(page, "4 photos added, 1 there already.")
    assert {"a.png", "b.png", "drop.png"} <= names(folder / "cat")
    assert any(name.startswith("pasted-") for name in names(folder / "cat"))


def test_a_phone_adds_photos_and_sees_nothing_else(
    page: Page, folder: Path, browser: Browser
) -> None:
    try:
        network_address()
    except UsageError as error:
        pytest.skip(str(error))
    page.get_by_role("button", name="Allow a phone").click()
    page.wait_for_selector(".let-in img")
    assert page.evaluate("document.querySelector('.let-in img').decode().then(() => true)")
    address = page.locator(".let-in code").text_content()
    assert address is not None
    phone = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True).new_page()
    phone.goto(address)
    phone.get_by_label("Class").select_option("dog")
    phone.locator("#choose").set_input_files([as_file("p.png", 80), as_file("<b>.png", 81)])
    phone.wait_for_selector("#told:text-is('2 photos sent.')")
    assert names(folder / "dog") >= {"p.png", "_b_.png"}
    page.wait_for_selector(".let-in :text('2 photos came in.')")
    assert phone.request.get(page.url.partition("/?")[0]).status == 403
    page.get_by_role("button", name="Close it").click()
    page.wait_for_selector("button:text-is('Allow a phone')")
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        phone.goto(address)
    phone.context.close()


def test_the_tour_is_in_the_address_and_followed_by_back(page: Page) -> None:
    root = page.url.partition("#")[0]
    page.goto(f"{root}?tour=2#look")
    page.wait_for_selector("#tour h2:text-matches('^2 of 5')")
    page.get_by_role("button", name="Next: Train").click()
    page.wait_for_selector(".screen.judge")
    page.reload()
    page.wait_for_selector("#tour h2:text-matches('^3 of 5')")
    page.get_by_role("button", name="Next: Try").click()
    page.wait_for_selector(".screen.try")
    page.go_back()
    page.wait_for_selector(".screen.judge")
    page.wait_for_selector("#tour h2:text-matches('^3 of 5')")
    page.get_by_role("button", name="Leave the tour").click()
    page.wait_for_selector("#tour", state="hidden")
    assert "tour" not in page.url


def test_a_folder_opened_in_one_tab_is_shown_by_the_other(page: Page, here: Path) -> None:
    (here / "other" / "x").mkdir(parents=True)
    tab = page.context.new_page()
    tab.goto(page.url.partition("#")[0] + "#start")
    tab.get_by_label("Folder", exact=True).fill(str(here / "other"))
    tab.get_by_role("button", name="Open", exact=True).click()
    tab.wait_for_selector(".screen.look")
    tab.wait_for_selector(".brand span:text-is('other')")
    page.wait_for_selector(".brand span:text-is('other')")
    tab.goto(page.url.partition("#")[0] + "#start")
    tab.locator(".recent button", has_text=str(here / "pets")).click()
    page.wait_for_selector(".brand span:text-is('pets')")
    tab.close()
