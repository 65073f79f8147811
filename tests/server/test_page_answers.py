"""The page at /, in Chromium: what is shown of an answer, and of a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import browser
from playwright.sync_api import Page, Route, expect

from candid.runs.explaining import draw_overlay
from tests.server.visiting import Open, Visit

__all__ = ["browser"]  # a fixture

PREDICT = "**/v1/predict?*"


@pytest.fixture(scope="module")
def words(shared: Visit) -> Page:
    """A page whose modules can be asked."""
    return shared.page


def why(page: Page, **item: Any) -> str:
    usual = {"verdict": "sure", "label": "happy", "possible": ["happy"], "familiarity": None}
    ask = "async (item) => (await import('/app/words.js')).why(item)"
    return str(page.evaluate(ask, usual | item)).replace("\u00a0", " ")


def test_a_blank_photo_is_no_evidence(words: Page) -> None:
    said = why(words, verdict="unknown", reason="blank: every pixel is black", familiarity=0.9)
    assert said == (
        "The photo is blank: every pixel is black. No class can be seen in it; the model would say "
        "happy."
    )


def similar(*labels: str) -> list[dict[str, object]]:
    return [{"label": label, "similarity": 0.5, "thumbnail": None} for label in labels]


def hot(row: int, column: int) -> dict[str, Any]:
    heat = np.full((6, 6), -0.2)
    heat[row, column] = 3.0
    return {"heat": heat.tolist(), "where": "the upper left", "similar": []}


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        ({"where": "mostly the middle"}, "Evidence for happy: mostly the middle of the picture."),
        ({"where": "the lower half"}, "Evidence for happy: the lower half of the picture."),
        ({"where": "in several places"}, "Evidence for happy is in several places."),
        ({"where": "all over"}, "Evidence for happy is all over the picture."),
        ({"where": "nowhere"}, "No part of the picture supports happy."),
        (
            {"similar": similar("sad", "sad", "sad")},
            "The three most similar training photos are all sad.",
        ),
        (
            {"similar": similar("sad", "happy", "sad")},
            "Of the three most similar training photos two are sad and one is happy.",
        ),
        ({"similar": similar("sad")}, "The most similar training photo is sad."),
        (
            {"similar": [{"label": "sad", "similarity": 0.999}]},
            "The most similar training photo is sad. This photo, or a nearly identical one, was "
            "used for training, so this answer proves little.",
        ),
        (None, ""),
    ],
)
def test_why_says_where_and_what_is_similar(
    words: Page, explanation: dict[str, Any] | None, expected: str
) -> None:
    assert why(words, explanation=explanation) == expected


@pytest.mark.parametrize(
    ("familiarity", "verdict", "expected"),
    [
        (0.6, "sure", "The photo resembles the training photos: 60 % of"),
        (1.0, "sure", "The photo resembles the training photos: nearly all"),
        (0.1, "sure", "The photo is rather unusual: only 10 % of"),
        (
            0.004,
            "unknown",
            "The most likely class would be happy. The photo is unlike the training photos: only "
            "0.4 % of",
        ),
    ],
)
def test_why_says_how_familiar_the_photo_is(
    words: Page, familiarity: float, verdict: str, expected: str
) -> None:
    said = why(words, familiarity=familiarity, verdict=verdict)
    assert said == f"{expected} held-out photos of the data set are at least as unusual."


@pytest.mark.parametrize(
    ("possible", "expected"),
    [
        (["happy", "sad", "sleepy"], "Most likely happy, but sad or sleepy is also possible."),
        ([], "No class fits this photo well."),
    ],
)
def test_why_says_what_makes_it_uncertain(words: Page, possible: list[str], expected: str) -> None:
    assert why(words, verdict="uncertain", possible=possible) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.004, "0.4 %"),
        (0.863, "86 %"),
        (0.996, "99.6 %"),
        (0.99996, "> 99.9 %"),
        (1, "100 %"),
    ],
)
def test_near_certain_is_not_certain(words: Page, share: float, expected: str) -> None:
    ask = "async (share) => (await import('/app/words.js')).percent(share)"
    assert words.evaluate(ask, share).replace("\u00a0", " ") == expected


@pytest.mark.parametrize(
    ("verdict", "answer", "badge", "shape"),
    [
        ("sure", "happy", "Sure", "clean"),
        ("uncertain", "uncertain: happy or sad", "Uncertain", "skipped"),
        ("unknown", "unknown", "Unlike the training photos", "unknown"),
        (None, "happy", None, None),
    ],
)
def test_each_verdict_has_a_word_and_a_shape_and_is_spoken(
    opened: Visit,
    photos: list[Path],
    verdict: str | None,
    answer: str,
    badge: str | None,
    shape: str | None,
) -> None:
    changed = {"verdict": verdict, "answer": answer, "label": "happy", "possible": ["happy", "sad"]}
    opened.answer_with(**changed)
    opened.ask(photos[0])
    assert opened.show(".fold") == answer
    assert opened.page.locator(".badge").is_visible() == (badge is not None)
    if badge:
        assert opened.show(".badge") == badge
        use = opened.page.locator(".badge use")
        assert use.get_attribute("href") == f"#icon-{shape}"
        assert use.evaluate("use => document.querySelector(use.getAttribute('href')) !== null")
    assert opened.page.locator("#verdicts").is_visible() == (badge is not None)
    heard = opened.page.locator("#status[role=status]").inner_text()
    assert f"{photos[0].name}: {answer}" in heard


@pytest.mark.parametrize("name", ["unknown", "unreadable", "uncertain", "sure"])
def test_a_class_called_like_a_verdict_is_shown_as_a_class(
    opened: Visit, photos: list[Path], name: str
) -> None:
    shares = {"known": 0.1, name: 0.9}
    changed = {"verdict": "sure", "answer": name, "label": name, "possible": [name]}
    changed |= {"probability": 0.9, "probabilities": shares}
    opened.answer_with(**changed)
    opened.ask(photos[0])
    assert opened.show(".fold") == name
    assert opened.show(".badge") == "Sure"
    assert opened.show(".share") == f"90 % {name}"
    assert opened.page.locator(".bars .chosen .class").all_inner_texts() == [name]


def test_the_share_shown_is_the_labels_where_another_class_is_more_probable(
    opened: Visit, photos: list[Path]
) -> None:
    # As with --threshold 0.8.
    changed = {"verdict": "uncertain", "answer": "uncertain: happy or sad", "label": "happy"}
    changed |= {"possible": ["happy", "sad"], "probability": 0.3, "positive_probability": 0.7}
    changed |= {"probabilities": {"happy": 0.3, "sad": 0.7}}
    opened.answer_with(**changed)
    opened.ask(photos[0])
    assert opened.show(".share") == "30 % happy"
    assert opened.page.locator(".bars .value").all_inner_texts() == ["70\u00a0%", "30\u00a0%"]


def test_of_many_classes_five_are_shown_and_the_rest_unfolded(
    opened: Visit, photos: list[Path]
) -> None:
    shares = {f"class {number}": (number + 1) / 78 for number in range(12)}
    changed = {"probabilities": shares, "label": "class 11", "answer": "class 11"}
    opened.answer_with(**changed)
    opened.ask(photos[0])
    bars = opened.page.locator(".bars li:visible .class")
    assert bars.all_inner_texts() == [f"class {number}" for number in (11, 10, 9, 8, 7)]
    opened.page.get_by_text("7 more classes").click()
    assert opened.page.locator(".bars li:visible").count() == 12
    widths = opened.page.locator(".fill").evaluate_all(
        "all => all.map((fill) => fill.getBoundingClientRect().width)"
    )
    assert widths[0] / widths[4] == pytest.approx(12 / 8, rel=0.02)


def test_the_heat_is_drawn_as_python_draws_it(visit: Open, photos: list[Path]) -> None:
    visited = visit()
    heat = np.array(visited.ask(photos[0])["explanation"]["heat"], np.float32)
    visited.page.keyboard.press("h")
    photo, drawn = visited.pixels(".photo"), visited.pixels(".heat")
    expected = draw_overlay(photo, heat)
    difference = np.abs(drawn.astype(int) - expected).max(axis=2)
    # All but the lines, which are drawn by other means.
    assert np.quantile(difference, 0.9) <= 2
    assert drawn.std() > 5


@pytest.mark.parametrize(
    ("fit", "size", "place"),
    [
        ("squash", (200, 100), (1 / 4, 1 / 4)),
        ("crop", (200, 100), (1 / 4 + 1 / 8, 1 / 4)),
        ("pad", (100, 150), (1 / 8, 1 / 4)),
    ],
)
def test_the_heat_lies_where_the_network_saw_it(
    visit: Open, tmp_path: Path, fit: str, size: tuple[int, int], place: tuple[float, float]
) -> None:
    width, height = size
    grey = np.full((height, width, 3), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)

    def prepare(visited: Visit) -> None:
        visited.describe_with(fit=fit)
        visited.answer_with(explanation=hot(1, 1))

    visited = visit(prepare)
    visited.ask(tmp_path / "grey.png")
    visited.page.keyboard.press("h")
    drawn = visited.pixels(".heat").astype(int)
    redness = drawn[..., 0] - drawn[..., 2]
    rows, columns = np.nonzero(redness > 0.9 * redness.max())
    found = (columns.mean() + 0.5) / drawn.shape[1], (rows.mean() + 0.5) / drawn.shape[0]
    assert redness.max() > 80
    assert found == pytest.approx(place, abs=0.03)
    assert abs(redness[-1, -1]) <= 1
    if fit == "crop":
        assert drawn[50, 5].max() < drawn[-5, drawn.shape[1] // 2].min(), "unseen is darker"


def test_the_heat_is_shown_by_a_button_and_by_a_key(visit: Open, photos: list[Path]) -> None:
    visited = visit(reduced_motion="reduce")
    item = visited.ask(photos[0], photos[1])
    page = visited.page
    toggle, frame = page.locator(".toggle").first, page.locator(".frame").first
    heat = page.locator(".open .heat")
    assert heat.count() == 0, "it is not drawn before it is wanted"
    toggle.click()
    expect(heat).to_have_css("opacity", "1")
    assert toggle.get_attribute("aria-pressed") == "true"
    assert item["explanation"]["where"] in str(frame.get_attribute("aria-label"))
    page.locator(".fold").nth(1).click()
    expect(page.locator(".open .heat")).to_have_count(2)
    page.keyboard.press("H")
    expect(heat.first).to_have_css("opacity", "0")
    assert toggle.get_attribute("aria-pressed") == "false"
    page.keyboard.press("Control+h")
    assert toggle.get_attribute("aria-pressed") == "false"


def test_a_photo_lies_upright_as_the_network_saw_it(opened: Visit, tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (400, 200), "white").save(tmp_path / "turned.jpg", exif=exif)
    opened.ask(tmp_path / "turned.jpg")
    height, width = opened.pixels(".photo").shape[:2]
    assert (width, height) == (200, 400)


def test_a_file_that_is_no_photo_has_a_reason(opened: Visit) -> None:
    item = opened.ask(Path(__file__))
    assert opened.show(".fold") == "unreadable"
    assert opened.show(".why").lower() == item["reason"].lower()
    assert opened.page.locator(".missing").first.is_visible()
    assert opened.page.locator(".toggle").is_hidden()
    assert item["verdict"] == "unreadable"
    assert opened.page.locator("#verdicts").is_hidden()
    assert item["reason"] in opened.page.locator("#status").inner_text()
    assert opened.said == []


def test_a_busy_server_says_when_to_try_again(opened: Visit, photos: list[Path]) -> None:
    error = {"error": {"code": "busy", "message": "too much is waiting."}}

    def refuse(route: Route) -> None:
        route.fulfill(status=503, headers={"Retry-After": "7"}, json=error)

    opened.page.route(PREDICT, refuse)
    opened.page.set_input_files("#files", photos[0])
    opened.wait()
    assert opened.show(".why") == "The server is busy. Try again in 7 seconds."
    opened.page.unroute(PREDICT)
    opened.page.click(".again")
    expect(opened.page.locator("[data-state=answered]")).to_have_count(1)


def test_a_server_that_is_gone_is_said_to_be(visit: Open, photos: list[Path]) -> None:
    visited = visit()
    visited.page.route(PREDICT, lambda route: route.abort())
    visited.page.set_input_files("#files", photos[0])
    visited.wait()
    assert "does not answer" in visited.show(".why")
    assert visited.page.locator(".again").is_visible()
    visited.page.route("**/v1/models", lambda route: route.abort())
    visited.page.reload()
    expect(visited.page.get_by_role("alert")).to_contain_text("does not answer")
    visited.page.unroute("**/v1/models")
    visited.page.click("#line-again")
    expect(visited.page.locator("#samples button")).to_have_count(3)
    expect(visited.page.get_by_role("alert")).to_be_hidden()
