"""The page of an audit, opened from disk in Chromium."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from candid.auditing import page_view
from candid.auditing.result import Audit
from tests.auditing.conftest import Open
from tests.auditing.made import ended, make_audit
from tests.auditing.pages import (
    HOSTILE,
    copies,
    found,
    hostile_audit,
    large_audit,
    small_audit,
)
from tests.reporting.pages.opening import CONTRASTS, PHONE, overflow


@pytest.mark.parametrize("audit", [small_audit(), hostile_audit(), make_audit(ended("clean"))])
def test_it_opens_without_a_word_and_asks_for_nothing_else(open_page: Open, audit: Audit) -> None:
    opened = open_page(audit)
    opened.page.mouse.wheel(0, 20_000)
    opened.page.wait_for_timeout(100)
    assert opened.said == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.address]


def test_a_page_of_ten_thousand_images_opens_and_works(open_page: Open) -> None:
    opened = open_page(large_audit())
    opened.page.keyboard.press("n")
    opened.page.fill("#filter", "copy-7-1")
    assert opened.page.locator("#count").inner_text().startswith("2 of ")
    assert opened.said == []


@pytest.mark.parametrize("audit", [small_audit(), hostile_audit()], ids=["small", "hostile"])
def test_no_screen_is_too_narrow(open_page: Open, audit: Audit) -> None:
    page = open_page(audit).page
    for _ in ("folded", "open"):
        for width in (320, 390, 700, 1000):
            page.set_viewport_size({"width": width, "height": 800})
            assert overflow(page) <= 0
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")


def test_names_do_not_squeeze_the_verdict(open_page: Open) -> None:
    box = open_page(hostile_audit()).page.locator("h1").bounding_box()
    assert box is not None
    assert box["width"] > 350
    assert box["height"] < 200


def test_names_are_neither_elements_nor_scripts(open_page: Open) -> None:
    opened = open_page(hostile_audit())
    page = opened.page
    scripts = page.locator("script:not([type='application/json'])")
    assert scripts.count() == 1
    assert page.locator("h1").count() == 1
    assert page.locator("main img[src='x']").count() == 0
    assert page.locator("[onerror], [onmouseover], [onload]").count() == 0
    page.locator("button.thumb").first.click()
    assert "<script>alert(1)</script>.jpg" in page.locator("#caption").inner_text()
    assert scripts.count() == 1
    page.keyboard.press("Escape")
    page.fill("#filter", "<script>")
    assert opened.said == []


def test_should_escaping_fail_the_policy_stops_scripts(open_page: Open, tmp_path: Path) -> None:
    opened = open_page(small_audit())
    file = tmp_path / "audit.html"
    attack = "<script>document.title = 'owned'</script><img src='https://example.com/x.png'>"
    file.write_text(file.read_text("utf-8").replace("<main>", f"<main>{attack}"), "utf-8")
    opened.page.goto(opened.address)
    assert opened.page.title() != "owned"
    assert any("Content Security Policy" in line for line in opened.said)


def test_keys_move_the_focus_between_findings(open_page: Open) -> None:
    opened = open_page(small_audit())
    seen = []
    for key in ("n", "n", "j", "p", "k", "k"):
        opened.page.keyboard.press(key)
        seen.append(opened.focussed())
    assert seen == [
        "unreadable-1",
        "copies-1",
        "copies-2",
        "copies-1",
        "unreadable-1",
        "unreadable-1",
    ]
    opened.page.locator("#copies-2 button").last.focus()
    opened.page.keyboard.press("n")
    assert opened.focussed() == "copies-3"


def test_a_finding_that_has_the_focus_is_seen_below_the_bar(open_page: Open) -> None:
    opened = open_page(small_audit(), viewport={"width": 1000, "height": 500})
    for _ in range(6):
        opened.page.keyboard.press("n")
        top, bar = opened.page.evaluate(
            "[document.activeElement.getBoundingClientRect().top, "
            "document.querySelector('.tools').getBoundingClientRect().bottom]"
        )
        assert bar <= top < 500


def test_a_link_of_the_summary_leads_to_its_section_below_the_bar(open_page: Open) -> None:
    page = open_page(small_audit(), viewport={"width": 1000, "height": 500}).page
    page.click("a[href='#check-copies']")
    section = page.locator("#check-copies").bounding_box()
    bar = page.locator(".tools").bounding_box()
    assert section is not None
    assert bar is not None
    assert bar["height"] <= section["y"] < 200


def test_single_keys_can_be_turned_off_and_leave_typing_alone(open_page: Open) -> None:
    opened = open_page(small_audit())
    opened.page.keyboard.press("/")
    assert opened.focussed() == "filter"
    opened.page.keyboard.type("n/jp")
    assert opened.page.input_value("#filter") == "n/jp"
    opened.page.keyboard.press("Escape")
    assert opened.page.input_value("#filter") == ""
    opened.page.locator(".keys summary").click()
    opened.page.uncheck("#keys")
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator("#keys").is_visible()
    assert opened.page.evaluate("document.activeElement.matches('.keys summary')")
    opened.page.keyboard.press("n")
    assert opened.page.evaluate("document.activeElement.matches('.keys summary')")


def test_enter_enlarges_and_escape_closes(open_page: Open) -> None:
    opened = open_page(small_audit())
    page = opened.page
    thumb = page.locator("#copies-1 button").first
    thumb.focus()
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()
    assert page.locator("#caption").inner_text().startswith("happy/copy-0-0.jpg")
    assert page.locator("#large").bounding_box()["height"] > 300  # type: ignore[index]
    page.keyboard.press("ArrowRight")
    assert page.locator("#caption").inner_text().startswith("happy/copy-0-1.jpg")
    assert page.locator("#place").inner_text() == "2 of 6"
    assert page.locator("#large").get_attribute("alt") == "happy/copy-0-1.jpg, copy 1"
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.locator("#place").inner_text() == "1 of 6"
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    assert thumb.evaluate("element => element === document.activeElement")


def test_enter_on_a_finding_enlarges_its_first_picture(open_page: Open) -> None:
    opened = open_page(small_audit())
    opened.page.keyboard.press("n")
    opened.page.keyboard.press("Enter")
    assert not opened.page.locator("#viewer").is_visible(), "it has no picture"
    opened.page.keyboard.press("n")
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#viewer").is_visible()
    opened.page.keyboard.press("n")
    assert opened.page.locator("#viewer").is_visible(), "keys of the page do nothing here"
    opened.page.mouse.click(5, 5)
    assert not opened.page.locator("#viewer").is_visible()


def test_a_click_enlarges(open_page: Open) -> None:
    opened = open_page(small_audit(), viewport=PHONE, has_touch=True)
    opened.page.locator("#copies-2 button.thumb").last.tap()
    assert opened.page.locator("#place").inner_text() == "4 of 6"
    opened.page.locator("#close").tap()
    opened.page.fill("#filter", "suspect-0")
    opened.page.locator("#suspects-1 button.thumb").tap()
    assert opened.page.locator("#viewer").is_visible()
    assert not opened.page.locator("#after").is_visible(), "there is only one"
    assert overflow(opened.page) <= 0
    opened.page.locator("#close").tap()
    assert not opened.page.locator("#viewer").is_visible()


def test_the_filter_shows_what_mentions_every_word(open_page: Open) -> None:
    opened = open_page(small_audit())
    page = opened.page
    total = page.locator(".finding").count()
    page.fill("#filter", "HAPPY/ copy-1")
    assert page.locator(".finding:visible").count() == 1
    assert page.locator("#count").inner_text() == f"1 of {total}"
    assert not page.locator("#check-suspects").is_visible()
    opened.page.keyboard.press("Escape")
    assert page.locator(".finding:visible").count() == total
    assert page.locator("#check-suspects").is_visible()
    page.fill("#filter", "no such file")
    assert page.locator("#nothing").is_visible()
    assert page.locator(".finding:visible").count() == 0


@pytest.fixture
def few_thumbnails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small page has findings that are pictured, folded up and only listed."""
    monkeypatch.setattr(page_view, "MAX_THUMBNAILS", 80)


@pytest.mark.usefixtures("few_thumbnails")
def test_the_filter_finds_what_is_folded_up_or_only_listed(open_page: Open) -> None:
    opened = open_page(make_audit(found(*copies(60, 2))))
    page = opened.page
    page.fill("#filter", "copy-50-1")
    assert page.locator(".row:visible").count() == 1
    page.fill("#filter", "copy-30-1")
    assert page.locator(".finding:visible").count() == 1
    page.fill("#filter", "")
    assert page.locator(".row:visible").count() == 0
    assert page.locator(".finding:visible").count() == 24


def test_without_scripts_all_is_there(open_page: Open) -> None:
    opened = open_page(small_audit(), java_script_enabled=False)
    page = opened.page
    assert not page.locator(".tools").is_visible()
    assert page.locator("h1").is_visible()
    assert page.locator(".finding:visible").count() == 3 + 5 + 2
    assert page.locator("button.thumb").first.is_disabled()
    assert page.locator("dialog").is_visible() is False


def test_colours_follow_the_system_and_the_button(open_page: Open) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = open_page(small_audit(), color_scheme="light").page
    dark = open_page(small_audit(), color_scheme="dark").page
    colours = light.evaluate(background), dark.evaluate(background)
    assert colours[0] != colours[1]
    assert light.locator("#theme").inner_text() == "Dark"
    light.click("#theme")
    dark.click("#theme")
    assert (light.evaluate(background), dark.evaluate(background)) == colours[::-1]
    assert light.locator("#theme").inner_text() == "Light"


@pytest.mark.usefixtures("few_thumbnails")
def test_text_can_be_read(open_page: Open) -> None:
    audit = small_audit()
    audit = replace(audit, checked=(*audit.checked, found(*copies(30, 9), code="many")))
    page = open_page(audit, color_scheme="light").page
    page.locator("#copies-1 [data-word='drop']").first.click()
    page.locator("button.thumb").first.click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        rows = page.evaluate(CONTRASTS)
        assert len(rows) > 400
        assert [row for row in rows if row[0] < 4.5] == []


def test_headings_are_in_order(open_page: Open) -> None:
    opened = open_page(small_audit())
    levels = opened.page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


def test_pictures_and_controls_have_a_name(open_page: Open) -> None:
    page = open_page(small_audit()).page
    assert page.locator(".finding img").count() == 11
    assert page.locator(".finding img:not([alt]), .finding img[alt='']").count() == 0
    for control in page.locator("button:visible, input:visible").all():
        name = control.evaluate(
            "e => e.textContent.trim() || e.labels?.[0]?.textContent || e.querySelector('img')?.alt"
        )
        assert name


def test_the_skip_link_comes_first_and_leads_to_the_findings(open_page: Open) -> None:
    opened = open_page(small_audit())
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    opened.page.keyboard.press("Enter")
    assert opened.focussed() == "findings"


def test_where_the_focus_is_can_be_seen(open_page: Open) -> None:
    opened = open_page(small_audit())
    for _ in range(12):
        opened.page.keyboard.press("Tab")
        style = opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid"


def test_nothing_moves_for_those_who_asked_for_it(open_page: Open) -> None:
    opened = open_page(small_audit(), reduced_motion="reduce")
    opened.page.keyboard.press("n")
    opened.page.keyboard.press("n")
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.getAnimations().length") == 0


def test_on_paper_there_are_no_controls_and_it_is_light(open_page: Open) -> None:
    opened = open_page(small_audit(), color_scheme="dark")
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert not opened.page.locator(".tools").is_visible()
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert opened.page.locator(".finding:visible").count() == 10


def test_pictures_keep_their_place_while_they_load(open_page: Open) -> None:
    page = open_page(make_audit(found(*copies(60, 2)))).page
    height = page.evaluate("document.documentElement.scrollHeight")
    num_loaded = page.evaluate(
        """async () => {
          const images = [...document.querySelectorAll(".finding img")];
          for (const image of images) image.loading = "eager";
          await Promise.all(images.map((image) => image.decode()));
          return images.length;
        }"""
    )
    assert num_loaded == 120
    assert page.evaluate("document.documentElement.scrollHeight") == height


def test_long_hostile_names_are_shown_whole(open_page: Open) -> None:
    page = open_page(hostile_audit()).page
    longest = max(HOSTILE, key=len).removeprefix("happy/")
    box = page.locator("bdi.name:visible", has_text=longest).first.bounding_box()
    assert box is not None
    assert box["height"] > 60
