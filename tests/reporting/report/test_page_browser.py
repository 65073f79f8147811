"""The page of a run, opened from disk in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from browser import browser
from playwright.sync_api import Browser, expect

from candid.reporting.report.contents import Contents
from candid.reporting.report.page import write_page
from tests.reporting.pages.opening import CONTRASTS, PHONE, Opened, opener, overflow
from tests.reporting.report.made import (
    bare_contents,
    draw,
    empty_contents,
    hostile_contents,
    make_contents,
)

__all__ = ["browser"]  # a fixture

Open = Callable[..., Opened]
MANY = tuple(f"class {number:02d}" for number in range(30))


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Write a report's page and open it from disk."""
    with opener(browser, tmp_path / "report.html") as open_text:
        yield lambda contents, **options: open_text(write_page(contents, draw), **options)


@pytest.mark.parametrize("make", [make_contents, bare_contents, empty_contents, hostile_contents])
def test_it_opens_without_console_messages_and_requests(
    open_page: Open, make: Callable[[], Contents]
) -> None:
    opened = open_page(make())
    opened.page.mouse.wheel(0, 20_000)
    opened.page.wait_for_timeout(100)
    assert opened.said == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.address]


@pytest.mark.parametrize("width", [320, 390, 700, 1000])
@pytest.mark.parametrize(
    "contents",
    [make_contents(), hostile_contents(), make_contents(MANY, 900)],
    ids=["two", "hostile", "many"],
)
def test_it_does_not_overflow_narrow_screens(
    open_page: Open, contents: Contents, width: int
) -> None:
    page = open_page(contents, viewport={"width": width, "height": 800}).page
    assert overflow(page) <= 0
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert overflow(page) <= 0


@pytest.mark.parametrize("name", ["faces-transfer-1", "happy_sad-evening-transfer-12"])
def test_on_a_phone_the_date_is_in_one_line(open_page: Open, name: str) -> None:
    page = open_page(make_contents(name=name), viewport={"width": 390, "height": 844}).page
    lines = "time => new Set([...time.getClientRects()].map(box => box.top)).size"
    assert page.locator("time").evaluate(lines) == 1
    left = "element => element.getBoundingClientRect().left"
    if name != "faces-transfer-1":  # below the name, not indented
        assert page.locator("time").evaluate(left) == page.locator("h1").evaluate(left)


@pytest.mark.parametrize("width", [703, 1040])
def test_it_does_not_overflow_paper(open_page: Open, width: int) -> None:
    page = open_page(make_contents(), viewport={"width": width, "height": 1000}).page
    page.emulate_media(media="print")
    assert overflow(page) <= 0


def test_the_summary_and_next_steps_are_on_the_first_screen(open_page: Open) -> None:
    page = open_page(make_contents()).page
    for selector in (".big", ".hero", ".statements li:first-child", ".steps li:first-child"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900


def test_a_cell_opens_its_panel_and_closes_the_others(open_page: Open) -> None:
    page = open_page(make_contents()).page
    assert page.locator(".panel:visible").count() == 1
    assert page.locator(".panel:visible.wrong").count() == 1, "a mistake is open at the start"
    cell = page.locator(".matrix [aria-controls='cell-1-1']")
    assert cell.get_attribute("aria-expanded") == "false"
    cell.click()
    assert cell.get_attribute("aria-expanded") == "true"
    assert page.locator(".matrix [aria-expanded='true']").count() == 1
    assert page.locator(".panel:visible").get_attribute("id") == "cell-1-1"
    assert page.locator("#cell-1-1 img:visible").count() == 30


def test_on_a_phone_the_opened_panel_is_scrolled_into_view(open_page: Open) -> None:
    page = open_page(make_contents(), viewport=PHONE, has_touch=True).page
    page.locator("[aria-controls='cell-1-0']").tap()
    box = page.locator("#cell-1-0").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < PHONE["height"]


def test_arrows_move_between_cells_and_enter_opens(open_page: Open) -> None:
    page = open_page(make_contents()).page
    focused = "document.activeElement.getAttribute('aria-controls')"
    page.locator("[aria-controls='cell-0-0']").focus()
    visited = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        visited.append(page.evaluate(focused))
    assert visited == ["cell-0-1", "cell-1-1", "cell-1-0", "cell-1-0", "cell-0-0"]
    page.keyboard.press("Enter")
    assert page.locator(".panel:visible").get_attribute("id") == "cell-0-0"


def test_a_pair_of_the_list_opens_its_photos(open_page: Open) -> None:
    page = open_page(make_contents(MANY, 900)).page
    pair = page.locator(".pairs button").nth(3)
    pair.click()
    assert page.locator(".panel:visible").get_attribute("id") == pair.get_attribute("aria-controls")
    assert pair.get_attribute("aria-expanded") == "true"


def test_the_names_of_many_classes_stay_visible(open_page: Open) -> None:
    page = open_page(make_contents(MANY[:20], 900), viewport=PHONE).page
    page.evaluate("document.querySelector('.scroll').scrollTo(400, 300)")
    box = page.locator(".scroll").first.bounding_box()
    name = page.locator(".matrix tbody th").nth(15).bounding_box()
    head = page.locator(".matrix thead th").nth(12).bounding_box()
    assert box is not None
    assert name is not None
    assert head is not None
    assert abs(name["x"] - box["x"]) < 4
    assert head["y"] >= box["y"] - 1


def test_a_photo_is_enlarged_with_its_heat_map(open_page: Open) -> None:
    page = open_page(make_contents()).page
    page.locator(".worst button").first.click()
    assert page.locator("#viewer").is_visible()
    large, heat = (
        page.locator("#large").bounding_box(),
        page.locator("#heated image").bounding_box(),
    )
    assert large is not None
    assert heat is not None
    # The photo has 160 by 120 pixels and is enlarged to fit.
    assert heat["width"] == pytest.approx(min(large["width"], large["height"] * 4 / 3), abs=1)
    assert heat["height"] == pytest.approx(heat["width"] * 3 / 4, abs=1)
    assert page.locator("#place").inner_text() == "1 of 12"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#place").inner_text() == "12 of 12"
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    page.locator(".panel:visible button").first.click()
    assert page.locator("#viewer").is_visible()
    assert not page.locator("#heated").is_visible(), "this photo has none"


def test_a_heat_map_exactly_covers_its_photo_and_can_be_hidden(open_page: Open) -> None:
    page = open_page(make_contents()).page
    photo = page.locator(".worst .heated img:not(.heat)").first
    heat = page.locator(".worst .heat").first
    heat.scroll_into_view_if_needed()
    for image in (photo, heat):
        image.evaluate("image => image.decode()")
    assert heat.bounding_box() == photo.bounding_box()
    assert heat.evaluate("e => getComputedStyle(e).opacity") == "1"
    page.uncheck("#heat")
    expect(heat).to_have_css("opacity", "0")
    assert photo.evaluate("e => getComputedStyle(e).filter") == "none"


def test_without_scripts_everything_is_visible(open_page: Open) -> None:
    page = open_page(make_contents(), java_script_enabled=False).page
    assert not page.locator(".tools").is_visible()
    assert page.locator(".panel:visible").count() == 4
    assert page.locator("dialog").is_visible() is False
    page.uncheck("#heat")
    assert page.locator("h1").is_visible()


def test_if_escaping_fails_the_policy_blocks_scripts(open_page: Open, tmp_path: Path) -> None:
    opened = open_page(make_contents())
    file = tmp_path / "report.html"
    attack = "<script>document.title = 'owned'</script><img src='https://example.com/x.png'>"
    file.write_text(file.read_text("utf-8").replace("<footer>", f"<footer>{attack}"), "utf-8")
    opened.page.goto(opened.address)
    assert opened.page.title() != "owned"
    assert any("Content Security Policy" in line for line in opened.said)


def test_malicious_names_are_neither_elements_nor_scripts(open_page: Open) -> None:
    opened = open_page(hostile_contents())
    page = opened.page
    for button in page.locator(".matrix button").all()[:5]:
        button.click()
        page.locator(".panel:visible button.thumb").first.click()
        page.keyboard.press("Escape")
    assert page.locator("script").count() == 1
    assert page.locator("h1").count() == 1
    assert page.locator("[onerror], [onmouseover], [onload], img[src='x']").count() == 0
    assert opened.said == []


def test_the_theme_follows_the_system_and_the_button(open_page: Open) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = open_page(make_contents(), color_scheme="light").page
    dark = open_page(make_contents(), color_scheme="dark").page
    colours = light.evaluate(background), dark.evaluate(background)
    assert colours[0] != colours[1]
    light.click("#theme")
    dark.click("#theme")
    assert (light.evaluate(background), dark.evaluate(background)) == colours[::-1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("make", [make_contents, bare_contents, lambda: make_contents(MANY, 900)])
def test_text_has_enough_contrast(
    open_page: Open, scheme: str, make: Callable[[], Contents]
) -> None:
    opened = open_page(make(), color_scheme=scheme)
    opened.page.locator(".worst button").first.click()
    rows = opened.page.evaluate(CONTRASTS)
    assert len(rows) > 100
    assert [row for row in rows if row[0] < 4.5] == []


def test_headings_are_in_order(open_page: Open) -> None:
    page = open_page(make_contents()).page
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


def test_pictures_and_controls_have_a_name(open_page: Open) -> None:
    page = open_page(make_contents()).page
    assert page.locator(".gallery img:not(.heat)").count() > 60
    assert (
        page.locator(
            ".gallery img:not(.heat):not([alt]), img:not(.heat)[alt='']:not(#large)"
        ).count()
        == 0
    )
    for control in page.locator("button:visible, input:visible").all():
        assert control.evaluate(
            "e => e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent || "
            "e.querySelector('img')?.alt"
        )
    assert page.get_by_role("img", name="After calibration").is_visible()
    assert page.get_by_role("table", name="Accuracy of the model").is_visible()


def test_the_skip_link_is_first_and_the_focus_is_visible(open_page: Open) -> None:
    opened = open_page(make_contents())
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    opened.page.keyboard.press("Enter")
    assert opened.focussed() == "main"
    for _ in range(14):
        opened.page.keyboard.press("Tab")
        style = opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid"


def test_a_link_scrolls_its_section_below_the_navigation_bar(open_page: Open) -> None:
    page = open_page(make_contents(), viewport={"width": 1000, "height": 500}).page
    page.click("nav a[href='#abstaining']")
    section = page.locator("#abstaining").bounding_box()
    bar = page.locator(".tools").bounding_box()
    assert section is not None
    assert bar is not None
    assert bar["height"] <= section["y"] < 200


def test_reduced_motion_turns_animations_off(open_page: Open) -> None:
    page = open_page(make_contents(), reduced_motion="reduce").page
    page.locator(".worst button").first.click()
    page.keyboard.press("Escape")
    page.uncheck("#heat")
    assert page.evaluate("document.getAnimations().length") == 0


def test_print_is_light_without_controls_and_shows_mistakes(open_page: Open) -> None:
    page = open_page(make_contents(), color_scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator(".tools").is_visible()
    assert page.locator(".panel:visible").count() == 2
    assert page.locator(".panel.wrong:visible").count() == 2
    assert page.locator("details table").first.is_visible()
    white = "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == white
