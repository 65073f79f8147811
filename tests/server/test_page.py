"""The page at /, in Chromium: how photos come in, and what is asked of the server."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import httpx
import numpy as np
import pytest
from browser import FLAGS, browser, find
from playwright.sync_api import Browser, expect

from candid.server.models import Models
from candid.training import Run
from tests.reporting.pages.opening import CONTRASTS, PHONE, overflow
from tests.server.visiting import Open, Visit, item_of, named, visitor

__all__ = ["browser"]  # a fixture

FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
HOSTILE = "<img src=x onerror=alert(1)>"

#: Brings files as if from outside: dropped or pasted.
BRING = """([kind, files]) => {
  const data = new DataTransfer();
  for (const { name, base64 } of files) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    data.items.add(new File([bytes], name, { type: "image/png" }));
  }
  if (kind === "text") data.items.add("no file", "text/plain");
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: data })
    : new DragEvent("drop", { ...options, dataTransfer: data });
  document.querySelector("h1").dispatchEvent(event);
  return event.defaultPrevented;
}"""


def bring(visited: Visit, kind: str, *files: Path) -> bool:
    given = [{"name": file.name, "base64": b64encode(file.read_bytes()).decode()} for file in files]
    return visited.page.evaluate(BRING, [kind, given])  # type: ignore[no-any-return]


def test_it_opens_without_a_word_and_asks_only_its_server(visit: Open, photos: list[Path]) -> None:
    visited = visit()
    expect(visited.page.locator("#samples button")).to_have_count(3)
    visited.ask(photos[0])
    visited.page.keyboard.press("h")
    assert visited.said == []
    elsewhere = [url for url in visited.requests if not url.startswith(visited.address)]
    assert [url for url in elsewhere if not url.startswith("data:image/")] == []


def test_it_says_what_it_tells_apart_and_how_good_it_is(
    opened: Visit, client: httpx.Client
) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    expect(opened.page.locator("h1")).to_have_text("happy or sad?")
    assert opened.show("#sentence") == model["sentence"].replace("\u00a0", " ")
    figure = model["figures"][model["believe"]]["accuracy"]
    assert f"on {figure['n']} photos" in opened.show("#sentence")
    assert f"{100 * figure['high']:.0f} %" in opened.show("#sentence")
    assert opened.page.locator("#choice").is_hidden(), "there is one model"


def test_its_answers_are_those_of_predict(
    opened: Visit, photos: list[Path], models: Models
) -> None:
    model = next(iter(models))
    for photo in photos[:3]:
        opened.start_over()
        item = opened.ask(photo)
        expected = model.classifier.predict(photo, explain=True).to_json()
        assert list(item) == list(expected)
        for name in ("probability", "positive_probability", "probabilities"):
            assert item[name] == pytest.approx(expected[name], abs=1e-4)
        same = ("answer", "label", "verdict", "possible", "reason")
        assert [item[key] for key in same] == [expected[key] for key in same]
        assert opened.show(".fold") == expected["answer"]
        assert opened.show(".share").endswith(f"% {expected['label']}")
        shown = [text.split("\n") for text in opened.page.locator(".bars li").all_inner_texts()]
        ranked = sorted(item["probabilities"].items(), key=lambda pair: -pair[1])
        assert [name for name, _ in shown] == [name for name, _ in ranked]
        assert opened.show(".legend").endswith(expected["explanation"]["where"])
        similar = expected["explanation"]["similar"]
        assert opened.page.locator(".similar .class").all_inner_texts() == [
            one["label"] for one in similar
        ]
        assert opened.page.locator(".similar .note").all_inner_texts() == [
            f"similarity {one['similarity']:.2f}" for one in similar
        ]
        assert opened.page.locator(".similar img").evaluate_all("all => all.every(i => i.width)")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_photos_can_be_dropped_anywhere_and_pasted(
    opened: Visit, photos: list[Path], kind: str
) -> None:
    with opened.page.expect_response("**/v1/predict?*") as answered:
        assert bring(opened, kind, *photos[:2]), "the browser must not open the photo itself"
    opened.wait(2)
    names = opened.page.locator(".name").all_inner_texts()
    assert names == [photo.name for photo in photos[:2]]
    assert opened.show(".fold") == item_of(answered.value)["answer"]


def test_what_is_no_file_is_said_to_be_none(opened: Visit) -> None:
    assert bring(opened, "text")
    expect(opened.page.get_by_role("alert")).to_contain_text("not a file")
    assert not bring(opened, "paste"), "text may be pasted into fields"


def test_a_sample_is_asked_about_by_a_click(opened: Visit, models: Models, trained: Run) -> None:
    model = next(iter(models))
    with np.load(trained.folder / "golden.npz") as golden:
        expected = model.classifier.predict(golden["image"][1])
    with opened.page.expect_response("**/v1/predict?*") as answered:
        opened.page.locator("#samples button").nth(1).click()
    opened.wait()
    assert item_of(answered.value)["probabilities"] == pytest.approx(
        expected.probabilities, abs=1e-4
    )
    assert opened.show(".fold") == expected.answer


def test_photos_are_answered_one_after_another_and_the_newest_are_on_top(
    opened: Visit, photos: list[Path]
) -> None:
    opened.ask(*photos[:3])
    opened.ask(photos[3])
    opened.wait(4)
    names = opened.page.locator(".name").all_inner_texts()
    assert names == [photos[number].name for number in (3, 0, 1, 2)]
    folds = opened.page.locator(".fold")
    expanded = [fold.get_attribute("aria-expanded") for fold in folds.all()]
    assert expanded == ["true", "false", "false", "false"]
    assert opened.page.locator(".bars:visible").count() == 1
    folds.nth(2).click()
    assert opened.page.locator(".bars:visible").count() == 2
    opened.page.click("#clear")
    assert opened.page.locator(".card").count() == 0
    assert opened.page.locator("#answers").is_hidden()


def test_a_camera_takes_photos_until_it_is_stopped(browser: Browser, client: httpx.Client) -> None:
    with_camera = browser.browser_type.launch(executable_path=find(), args=[*FLAGS, *FAKE_CAMERA])
    with visitor(with_camera, str(client.base_url)) as visit:
        visited = visit()
        page = visited.page
        page.click("#camera")
        expect(page.locator("#video")).to_be_visible()
        page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
        track = page.evaluate_handle("document.getElementById('video').srcObject.getTracks()[0]")
        page.click("#shoot")
        visited.wait(1)
        page.click("#shoot")
        visited.wait(2)
        assert page.locator(".name").all_inner_texts() == ["camera 2.png", "camera 1.png"]
        assert visited.pixels(".photo").std() > 1, "something is on it"
        page.click("#stop")
        assert page.locator("#video").is_hidden()
        assert page.locator("#drop").is_visible()
        assert track.evaluate("track => track.readyState") == "ended"
        assert visited.said == []
    with_camera.close()


def test_without_a_camera_a_line_says_so(opened: Visit) -> None:
    opened.page.click("#camera")
    expect(opened.page.get_by_role("alert")).to_contain_text("camera")
    assert opened.page.locator("#drop").is_visible()
    assert opened.page.locator("#viewfinder").is_hidden()


def test_all_of_it_works_by_keyboard(visit: Open, photos: list[Path]) -> None:
    visited = visit()
    page = visited.page
    page.on("filechooser", lambda _: None)  # from now on, and not from when a key is pressed
    expect(page.locator("#samples button")).to_have_count(3)
    seen = []
    for _ in range(3):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid", "the focus can be seen"
    assert seen == ["skip", "choose", "camera"]
    page.keyboard.press("Shift+Tab")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(photos[0])
    visited.wait()
    for wanted in ("camera", "", "", "", "clear", "toggle", "fold"):
        page.keyboard.press("Tab")
        at = page.evaluate("document.activeElement.id || document.activeElement.className")
        assert at == wanted
    page.keyboard.press("Enter")
    assert page.locator(".body").is_hidden()


@pytest.mark.parametrize(("width", "at"), [(390, "fold"), (1280, "")])
def test_who_chose_a_sample_by_keyboard_goes_on_where_the_answer_is(
    visit: Open, width: int, at: str
) -> None:
    visited = visit(viewport={"width": width, "height": 844})
    sample = visited.page.locator("#samples button").nth(1)
    sample.focus()
    visited.page.keyboard.press("Enter")
    visited.wait()
    assert sample.is_visible() is (at == "")  # on a phone there is no room for both
    assert visited.page.evaluate("document.activeElement.className") == at
    assert visited.page.evaluate("document.activeElement !== document.body")


@pytest.mark.parametrize("widths", [(320, 390), (700, 1280)])
def test_no_screen_is_too_narrow(visit: Open, photos: list[Path], widths: tuple[int, int]) -> None:
    def prepare(visited: Visit) -> None:
        visited.describe_with(num_samples=20)
        sample = httpx.get(f"{visited.address}/v1/models/run/samples/0").content
        answer = {"content_type": "image/png", "body": sample}
        visited.page.route("**/samples/*", lambda route: route.fulfill(**answer))

    def check() -> None:
        for width in widths:
            visited.page.set_viewport_size({"width": width, "height": 844})
            assert overflow(visited.page) <= 0

    is_small = widths[0] < 700
    visited = visit(prepare, viewport={"width": widths[0], "height": 844}, has_touch=is_small)
    expect(visited.page.locator("#samples button")).to_have_count(20)
    check()
    long = "a-very-long-name" * 12 + ".png"
    visited.ask(named(photos[0], long), named(photos[1], long))
    check()
    for fold in visited.page.locator(".fold").all():
        fold.click()
    check()


def test_on_a_phone_the_answer_is_brought_into_sight(visit: Open, photos: list[Path]) -> None:
    visited = visit(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page = visited.page
    assert page.locator("#photograph").is_visible()
    assert page.locator("#snapshot").get_attribute("capture") == "environment"
    with page.expect_file_chooser() as chooser:
        page.locator("#photograph").tap()
    chooser.value.set_files(photos[0])
    visited.wait()
    for selector in (".fold", ".bars"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= PHONE["height"]


def test_all_text_can_be_read_in_light_and_dark(visit: Open, photos: list[Path]) -> None:
    visited = visit(reduced_motion="reduce")
    visited.ask(photos[0], photos[1], named(Path(__file__), "no.png"))
    for fold in visited.page.locator(".fold").all()[1:]:
        fold.click()
    for scheme in ("light", "dark"):
        visited.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        rows = visited.page.evaluate(CONTRASTS)
        assert len(rows) > 30
        assert [row for row in rows if row[0] < 4.5] == []


def test_who_wants_no_motion_sees_none(visit: Open, photos: list[Path]) -> None:
    visited = visit(reduced_motion="reduce")
    visited.page.set_input_files("#files", photos[0])
    assert visited.page.evaluate("document.getAnimations().length") == 0
    visited.wait()
    assert visited.page.evaluate("document.getAnimations().length") == 0


def test_a_name_is_shown_as_text(visit: Open, photos: list[Path]) -> None:
    similar = {"label": HOSTILE, "similarity": 0.5, "thumbnail": "javascript:alert(1)"}
    changed = {"answer": HOSTILE, "label": HOSTILE, "possible": [HOSTILE], "verdict": "sure"}
    changed |= {"probability": 0.9, "probabilities": {HOSTILE: 0.9, "sad": 0.1}}
    changed["explanation"] = {"heat": [[1.0]], "where": HOSTILE, "similar": [similar]}

    def prepare(visited: Visit) -> None:
        visited.answer_with(**changed)
        visited.describe_with(title=HOSTILE, sentence=HOSTILE, num_samples=0)

    visited = visit(prepare)
    expect(visited.page.locator("h1")).to_have_text(HOSTILE)
    visited.ask(named(photos[0], "<img onerror=alert(2)>.png"))
    assert visited.show(".name") == "<img onerror=alert(2)>.png"
    assert visited.show(".fold") == HOSTILE
    assert HOSTILE in visited.show(".why")
    assert visited.page.locator("img").count() == 0
    assert visited.said == []
