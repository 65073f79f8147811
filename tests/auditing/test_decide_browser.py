"""Decisions taken on the page of an audit, in Chromium, and the file that it downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from candid.auditing import page_view
from candid.auditing.finding import Finding, Item
from candid.auditing.result import Audit, Checked, ClassCount
from candid.data.decisions import Decision, about_all, decide, load_decisions, to_csv
from candid.data.scan import scan
from tests.auditing.conftest import Open
from tests.auditing.made import make_audit
from tests.auditing.pages import HOSTILE, copies, found, suspects
from tests.reporting.pages.opening import DESKTOP, PHONE, overflow

NO_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("The document is sandboxed", "SecurityError"); },
});"""


def by_picture(*findings: Finding, code: str = "label-suspects") -> Checked:
    row = found(*findings, code=code)
    return replace(row, check=replace(row.check, by_picture=True))


def with_classes(audit: Audit, *names: str) -> Audit:
    return replace(audit, classes=tuple(ClassCount(name, 3, 2) for name in names))


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as downloading:
        page.keyboard.press("s")
    assert downloading.value.suggested_filename == "decisions.csv"
    downloading.value.save_as(folder / "decisions.csv")
    return folder / "decisions.csv"


def decided(page: Page, folder: Path) -> list[str]:
    return [row.decision for row in load_decisions(download(page, folder)).rows]


def button(page: Page, place: str, word: str) -> Locator:
    return page.locator(f"{place} .choices [data-word='{word}']")


def as_written(audit: Audit, decisions: Sequence[str]) -> bytes:
    rows = [replace(row, decision=d) for row, d in zip(audit.decisions(), decisions, strict=True)]
    return ("\ufeff" + to_csv(rows)).encode("utf-8", "surrogateescape")


#: Names that CSV, a spreadsheet or HTML reads as something else.
ODD = ("happy/a,b.jpg", 'happy/say "a".jpg', "+1/a.jpg", "@x/a.jpg", "-/a.jpg", "=1/a.jpg")


@pytest.mark.parametrize("names", [(*ODD, *HOSTILE), (*ODD, "happy/a\rb.jpg")], ids=["", "return"])
def test_the_downloaded_file_is_the_bytes_that_candid_writes(
    open_page: Open, tmp_path: Path, names: tuple[str, ...]
) -> None:
    findings = [Finding(name, (Item(name, "", "drop"),)) for name in names]
    findings.append(Finding("file size", about=about_all("file size")))
    audit = with_classes(make_audit(found(*findings)), "keep", "a,b", "=1", "</script>", "é😀")
    opened = open_page(replace(audit, labels={}))
    units = opened.page.locator(".finding .choices").all()
    words = ["keep", "drop", "keep/", "a,b", "=1", "</script>", "é😀"]
    taken = []
    for number, unit in enumerate(units[:-1]):
        unit.locator("button").nth(number % len(words)).click()
        taken.append(words[number % len(words)])
    units[-1].locator("button").click()
    rows = {row.path: "" for row in audit.decisions()}
    rows |= dict(zip(names, taken, strict=True)) | {about_all("file size"): "keep"}
    file = download(opened.page, tmp_path)
    assert file.read_bytes() == as_written(audit, list(rows.values()))
    assert opened.said == []


def test_a_folder_is_changed_as_the_downloaded_file_says(
    open_page: Open, tmp_path: Path, write_picture: Callable[..., Path]
) -> None:
    for number in range(8):
        write_picture(
            tmp_path / "data" / ("happy", "sad")[number % 2] / f"{number}.png", seed=number
        )
    catalog = scan(tmp_path / "data")
    paths = [photo.path for photo in catalog.photos]
    shortcut = Finding("file size alone: 0.9", about=about_all("file size"))
    audit = make_audit(
        found(*(Finding(f"{path}: odd", (Item(path, "", ""),)) for path in paths), code="odd"),
        found(shortcut, code="shortcuts"),
        data=tmp_path / "data",
    )
    audit = replace(audit, contents={photo.path: photo.content for photo in catalog.photos})
    page = open_page(audit).page
    for key in "n124":  # happy/0 kept, happy/2 dropped, happy/4 moved to sad
        page.keyboard.press(key)
    button(page, "#check-shortcuts", "keep").click()
    file = load_decisions(download(page, tmp_path))
    applied = decide(catalog, file).applied
    assert applied.summary == "1 photo dropped, 1 relabelled"
    assert {photo.path: photo.label for photo in applied.catalog.photos}["happy/4.png"] == "sad"
    assert "happy/2.png" not in {photo.path for photo in applied.catalog.photos}
    assert {(path, code) for path, _, code in applied.kept} == {
        ("happy/0.png", "odd"),
        ("*: file size", "shortcuts"),
    }


def test_keys_decide_and_go_on_and_one_key_takes_it_back(open_page: Open, tmp_path: Path) -> None:
    opened = open_page(make_audit(found(*suspects(4), code="suspects")))
    page = opened.page
    for key in ("n", "1", "3", "2"):
        page.keyboard.press(key)
    assert opened.focussed() == "suspects-4"
    assert page.locator("#decided").inner_text() == "3 of 4 decided"
    assert page.locator("#said").inner_text() == "suspect-2.jpg: drop"
    page.keyboard.press("u")
    assert opened.focussed() == "suspects-3"
    assert decided(page, tmp_path) == ["keep", "happy", "", ""]
    page.keyboard.press("p")
    page.keyboard.press("0")
    page.keyboard.press("Control+z")
    page.keyboard.press("4")  # the class that it has
    assert decided(page, tmp_path) == ["keep", "keep", "", ""]


def test_a_button_shows_what_is_decided_and_pressed_again_takes_it_back(open_page: Open) -> None:
    page = open_page(make_audit(found(*suspects(1), code="suspects"))).page
    drop = button(page, "#suspects-1", "drop")
    assert drop.get_attribute("aria-pressed") == "false"
    drop.click()
    assert drop.get_attribute("aria-pressed") == "true"
    drop.click()
    assert drop.get_attribute("aria-pressed") == "false"


def test_copies_to_compare_are_decided_one_by_one(open_page: Open, tmp_path: Path) -> None:
    page = open_page(make_audit(found(*copies(2, 3)))).page
    for key in "n122":
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.closest('.finding').id") == "copies-2"
    assert decided(page, tmp_path) == ["keep", "drop", "drop", "", "", ""]


def test_a_picture_judged_by_what_it_shows_is_decided_with_its_copies(
    open_page: Open, tmp_path: Path
) -> None:
    items = [Item(f"{label}/a.jpg", "", "happy") for label in ("sad", "happy")]
    page = open_page(make_audit(by_picture(Finding("one picture", tuple(items))))).page
    button(page, "#label-suspects-1", "happy").click()
    assert decided(page, tmp_path) == ["happy", "keep"]
    page.keyboard.press("u")
    assert decided(page, tmp_path) == ["", ""]


def test_all_suggestions_are_accepted_at_once_and_what_was_decided_stays(
    open_page: Open, tmp_path: Path
) -> None:
    audit = make_audit(found(*suspects(2000), code="suspects"))
    opened = open_page(audit)
    page = opened.page
    page.keyboard.press("n")
    page.keyboard.press("1")
    accept = page.locator("#check-suspects .accept button", has_text="Accept all 1,999")
    page.fill("#filter", "suspect-0")
    accept.wait_for(state="hidden")  # it would take those that are not shown, too
    page.fill("#filter", "")
    accept.click()
    assert decided(page, tmp_path) == ["keep"] + ["happy"] * 1999
    assert page.locator(".accept:visible").count() == 0
    page.keyboard.press("u")
    assert page.locator("#decided").inner_text() == "1 of 2,000 decided"
    page.locator(".listed").last.evaluate("details => { details.open = true }")
    page.locator(".row").last.locator("[data-word='drop']").click()
    assert decided(page, tmp_path)[-1] == "drop", "beyond the pictures too"


def test_one_file_never_gets_two_classes(open_page: Open, tmp_path: Path) -> None:
    rows = [found(*suspects(1), code=code) for code in ("one", "two", "three")]
    audit = with_classes(make_audit(*rows), "angry", "happy", "sad")
    page = open_page(audit).page
    button(page, "#one-1", "happy").click()
    button(page, "#two-1", "angry").click()
    page.locator("#check-three .accept").wait_for(state="hidden")
    assert decided(page, tmp_path) == ["angry", "angry", ""]


def test_of_a_class_and_that_of_the_folder_the_last_one_holds(
    open_page: Open, tmp_path: Path
) -> None:
    rows = [found(*suspects(1), code=code) for code in ("one", "two", "three")]
    page = open_page(make_audit(*rows)).page
    button(page, "#one-1", "happy").click()
    page.locator("#two-1").focus()
    page.keyboard.press("4")  # sad, the class that it has
    assert decided(page, tmp_path) == ["keep", "keep", ""]
    page.keyboard.press("u")
    assert decided(page, tmp_path) == ["happy", "", ""]


def test_a_photo_that_was_moved_can_be_moved_there_again(open_page: Open, tmp_path: Path) -> None:
    audit = make_audit(found(*suspects(1), code="one"), found(*suspects(1), code="two"))
    path = "sad/suspect-0.jpg"
    moved = Decision(path, audit.contents[path], "one", "happy", "happy")
    page = open_page(replace(audit, decided=(moved,), labels={path: "happy"})).page
    page.locator("#two-1").focus()
    page.keyboard.press("3")
    assert decided(page, tmp_path) == ["happy", "happy"]
    assert button(page, "#two-1", "happy").get_attribute("aria-pressed") == "true"


def test_two_tabs_have_the_decisions_of_both(open_page: Open, tmp_path: Path) -> None:
    opened = open_page(make_audit(found(*suspects(3), code="suspects")))
    one, other = opened.page, opened.page.context.new_page()
    other.goto(opened.address)
    button(one, "#suspects-1", "drop").click()
    expect(other.locator("#decided")).to_have_text("1 of 3 decided")
    expect(button(other, "#suspects-1", "drop")).to_have_attribute("aria-pressed", "true")
    button(other, "#suspects-2", "happy").click()
    expect(one.locator("#decided")).to_have_text("2 of 3 decided")
    one.reload()
    assert decided(one, tmp_path) == ["drop", "happy", ""]
    one.keyboard.press("u")
    expect(other.locator("#decided")).to_have_text("1 of 3 decided")
    assert opened.said == []


def test_decisions_survive_a_reload_and_can_still_be_undone(
    open_page: Open, tmp_path: Path
) -> None:
    opened = open_page(make_audit(found(*suspects(3), code="suspects")))
    page = opened.page
    for key in "n12":
        page.keyboard.press(key)
    page.reload()
    assert button(page, "#suspects-2", "drop").get_attribute("aria-pressed") == "true"
    assert decided(page, tmp_path) == ["keep", "drop", ""]
    page.keyboard.press("u")
    assert decided(page, tmp_path) == ["keep", "", ""]
    assert opened.said == []


@pytest.mark.parametrize(
    "kept", ['[[[0, "<b>"]]]', '[[[7, "drop"]]]', '[[["path", "keep"]]]', "7", "{", '[["keep"]]']
)
def test_what_another_page_put_into_the_storage_is_not_believed(open_page: Open, kept: str) -> None:
    opened = open_page(make_audit(found(*suspects(1), code="suspects")))
    page = opened.page
    page.evaluate(
        """kept => {
          const { key } = JSON.parse(document.querySelector("#rows").textContent);
          localStorage.setItem(key, kept);
        }""",
        kept,
    )
    page.reload()
    assert page.locator("#decided").inner_text() == "0 of 1 decided"
    assert opened.said == []


def test_without_storage_it_warns_before_decisions_are_lost(
    open_page: Open, tmp_path: Path
) -> None:
    opened = open_page(make_audit(found(*suspects(2), code="suspects")))
    page = opened.page
    page.add_init_script(NO_STORAGE)
    page.reload()
    page.keyboard.press("n")
    page.keyboard.press("1")
    assert "download them before you leave" in page.locator("#decided").inner_text()
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    download(page, tmp_path)
    with page.expect_event("close"):
        page.close(run_before_unload=True)


def test_decisions_taken_earlier_are_shown_and_stay_in_the_file(
    open_page: Open, tmp_path: Path
) -> None:
    audit = make_audit(found(*suspects(2), code="suspects"))
    content = audit.contents["sad/suspect-0.jpg"]
    taken = Decision("sad/suspect-0.jpg", content, "suspects", "happy", "DROP")
    gone = Decision("sad/gone.jpg", "f" * 64, "blank", "drop", "drop")
    audit = replace(audit, decided=(gone, taken))
    page = open_page(audit).page
    assert button(page, "#suspects-1", "drop").get_attribute("aria-pressed") == "true"
    assert download(page, tmp_path).read_bytes() == as_written(audit, ["drop", "DROP", ""])


def test_the_enlarged_picture_stands_beside_typical_ones_and_is_decided_there(
    open_page: Open, tmp_path: Path
) -> None:
    audit = make_audit(found(*copies(1, 2)), by_picture(*suspects(3)))
    typical = {
        name: tuple(f"{name}/typical-{n}.jpg" for n in range(6)) for name in ("happy", "sad")
    }
    opened = open_page(replace(audit, typical=typical))
    page = opened.page
    assert page.locator("#check-label-suspects details.typical img").count() == 12
    page.locator("#label-suspects-1 button.thumb").click()
    for _ in ("first", "second"):
        expect(page.locator("#beside figcaption")).to_have_text(["Typical happy", "Typical sad"])
        sizes = [image.bounding_box() for image in page.locator("#beside img").all()]
        assert len(sizes) == 12
        assert all(box and box["width"] >= 150 for box in sizes)
        page.keyboard.press("3")
    page.locator("#choices [data-word='drop']").click()
    expect(page.locator("#decided-here")).to_have_text("3 of 5 decided")
    # On to copies, which need no typical photos.
    expect(page.locator("#beside figure")).to_have_count(0)
    page.locator("#viewer .undo").click()
    expect(page.locator("#caption")).to_contain_text("sad/suspect-2.jpg")
    page.keyboard.press("Escape")
    focused = "#label-suspects-3:focus, #label-suspects-3 :focus"
    expect(page.locator(focused)).to_have_count(1)
    assert decided(page, tmp_path) == ["", "", "happy", "happy", ""]
    assert opened.said == []


def test_it_can_be_done_with_a_thumb_on_a_phone(open_page: Open) -> None:
    audit = make_audit(by_picture(*suspects(2)), found(*copies(2, 3)), data=Path("/my data"))
    typical = {
        name: tuple(f"{name}/typical-{n}.jpg" for n in range(6)) for name in ("happy", "sad")
    }
    page = open_page(replace(audit, typical=typical), viewport=PHONE, has_touch=True).page
    for control in page.locator(".choices button, .decide button, .accept button").all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 28
    button(page, "#label-suspects-1", "drop").tap()
    page.locator("#label-suspects-2 button.thumb").tap()
    page.locator("#choices [data-word='happy']").tap()
    assert overflow(page) <= 0
    page.locator("#close").tap()
    with page.expect_download():
        page.locator("#download").tap()
    assert page.locator("#then").inner_text() == (
        "Use it: candid train '/my data' --decisions decisions.csv"
    )
    assert overflow(page) <= 0


def test_among_many_classes_the_right_one_is_chosen_from_a_list(
    open_page: Open, tmp_path: Path
) -> None:
    names = ("happy", "sad", *(f"class {number}" for number in range(40)))
    opened = open_page(with_classes(make_audit(found(*suspects(3), code="suspects")), *names))
    page = opened.page
    page.keyboard.press("n")
    page.keyboard.press("3")  # the suggested class
    page.keyboard.press("4")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    page.locator("#suspects-2 select").select_option("class 7")
    assert page.locator("#suspects-2 select").input_value() == "class 7"
    page.keyboard.press("Tab")
    assert decided(page, tmp_path) == ["happy", "class 7", ""]
    page.reload()
    chosen = page.locator("#suspects-2 select")
    assert chosen.input_value() == "class 7"
    chosen.focus()  # which fills it
    assert chosen.input_value() == "class 7"
    assert chosen.locator("option").count() == 1 + len(names)
    assert opened.said == []


def test_a_suggested_class_that_the_list_has_no_room_for_survives_a_reload(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_view, "MAX_CLASSES", 9)
    names = (*(f"class {number}" for number in range(9)), "happy", "sad")
    page = open_page(with_classes(make_audit(found(*suspects(2), code="one")), *names)).page
    button(page, "#one-1", "happy").click()
    button(page, "#one-2", "drop").click()
    page.reload()
    assert button(page, "#one-1", "happy").get_attribute("aria-pressed") == "true"
    assert decided(page, tmp_path) == ["happy", "drop"]


def test_arrow_keys_in_the_list_go_on_through_it_and_stay_at_the_picture(
    open_page: Open, tmp_path: Path
) -> None:
    names = ("happy", "sad", *(f"class {number}" for number in range(9)))
    page = open_page(with_classes(make_audit(found(*suspects(2), code="one")), *names)).page
    page.locator("#one-1 button.thumb").click()
    for key in ("4", "ArrowDown", "ArrowDown", "ArrowRight"):  # beyond those with a button
        page.keyboard.press(key)
    expect(page.locator("#caption")).to_contain_text("suspect-0.jpg")
    assert page.locator("#choices select").input_value() == "class 0"
    page.keyboard.press("Escape")
    assert decided(page, tmp_path) == ["class 0", ""]


def test_the_focus_is_seen_on_every_step_by_keyboard(open_page: Open) -> None:
    page = open_page(make_audit(found(*copies(3, 2))), viewport={**DESKTOP, "height": 600}).page
    page.keyboard.press("n")
    for key in "121212":
        shown = page.evaluate(
            """() => {
              const element = document.activeElement;
              const box = element.getBoundingClientRect();
              const edge = (name) => document.querySelector(name).getBoundingClientRect();
              return getComputedStyle(element).outlineStyle === "solid"
                && box.top >= edge(".tools").bottom && box.top < edge(".decide").top;
            }"""
        )
        assert shown
        page.keyboard.press(key)


def test_where_there_is_nothing_to_decide_there_are_no_controls_for_it(open_page: Open) -> None:
    page = open_page(make_audit(found(Finding("class sad is small")))).page
    assert page.locator(".decide, .choices button").count() == 0
    page.keyboard.press("1")
