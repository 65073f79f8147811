"""The page and the card of a run, for people."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from candid.evaluation import Evaluation, Figure, evaluate
from candid.report import write_card, write_page


def measured(classes: tuple[str, ...] = ("happy", "sad")) -> Evaluation:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32)
    return evaluate(classes, np.array([0, 1, 1]), probabilities, np.arange(3))


class Tags(HTMLParser):
    """Collects tags, and that each is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_sound_and_needs_no_network() -> None:
    tags = Tags(write_page("run", measured(), ["a note"]))
    assert tags.open == []
    assert tags.addresses == []
    assert not {"script", "img", "link"} & set(tags.seen)


def test_the_page_begins_with_the_answer_and_its_interval() -> None:
    evaluation = measured().with_kfold(Figure(0.86, 0.8, 0.9, 300))
    text = Tags(write_page("faces", evaluation, [])).text
    assert "faces: 86% right" in text
    assert "Between 80% and 90% with 95 % confidence, on 300 images" in text


def test_names_and_notes_are_no_markup() -> None:
    nasty = "<script>alert(1)</script>"
    page = write_page(nasty, measured((nasty, "z & z")), [nasty])
    assert "script" not in Tags(page).seen
    assert page.count("&lt;script&gt;") >= 4
    assert "z &amp; z" in page


def test_a_dollar_in_a_name_is_only_a_dollar() -> None:
    assert "$name" in Tags(write_page("$name", measured(("$figures", "b")), ["$x"])).text


def test_without_any_image_it_says_so() -> None:
    none = replace(measured(), accuracy=None)
    assert "nothing to measure" in write_page("run", none, [])


def test_the_card_has_the_figures_and_how_to_use_it() -> None:
    manifest = {"candid_version": "1.2.3", "recipe": "transfer", "pixels": {"size_px": 224}}
    card = write_card("faces", measured(), manifest)
    assert card.startswith("---\n")
    assert measured().to_text() in card
    assert "1.2.3" in card
    assert "s = 224" in card
