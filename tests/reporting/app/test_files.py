"""What the page is made of."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from candid.reporting.app import PAGE_FILES, index_html, read_file, sentence_of, title_of
from candid.runs.manifest import Figures, MeasuredFigure, Metrics

APP = Path(__file__).parents[3] / "src" / "candid" / "reporting" / "app"
FIGURE = MeasuredFigure(value=0.863, low=0.804, high=0.907, n=300)


def test_every_module_that_the_page_imports_is_one_of_its_files() -> None:
    wanted, seen = {"app.js"}, set()
    while names := wanted - seen - {"engine.js"}:
        for name in names:
            wanted |= set(re.findall(r'from "\./([\w.]+)"', read_file(name).decode()))
            seen.add(name)
    assert seen | {"app.css", "icon.svg"} == set(PAGE_FILES)
    assert set(re.findall(r'(?:href|src)="app/([^"]+)"', index_html().decode())) <= set(PAGE_FILES)


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline() -> None:
    html = index_html().decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", html)
    for name in ("index.html", *PAGE_FILES):
        text = read_file(name).decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(^|\s)//.*", "", text, flags=re.MULTILINE), name
        assert "innerHTML" not in text


def test_a_policy_stands_in_the_page_only_where_one_is_given() -> None:
    assert b"Content-Security-Policy" not in index_html()
    html = index_html("default-src 'none'").decode()
    assert '<meta http-equiv="Content-Security-Policy" content="default-src ' in html
    # Before anything that it is to hold for.
    assert html.index("Content-Security-Policy") < html.index("<link")


def test_the_page_looks_like_our_other_pages() -> None:
    base = (APP.parent / "pages" / "base.css").read_bytes()
    assert read_file("app.css").startswith(base)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["happy", "sad"], "happy or sad?"),
        (["a", "b", "c", "d"], "a, b, c or d?"),
        (["a", "b", "c", "d", "e"], "Which of 5 classes?"),
        (["one"], "one?"),
    ],
)
def test_the_title_asks_what_the_model_answers(classes: list[str], expected: str) -> None:
    assert title_of(classes) == expected


def test_the_sentence_is_of_the_estimate_to_believe() -> None:
    other = replace(FIGURE, value=1.0, n=30)
    folds = Figures(FIGURE)
    said = sentence_of(Metrics(other, believe="kfold", kfold=folds))
    assert said.replace("\u00a0", " ") == (
        "It was right for 86 % of 300 photos that it had not seen. "
        "With 95 % confidence the truth is between 80 and 91 %."
    )
    assert "of 30" in sentence_of(Metrics(other, believe="test", kfold=folds))


@pytest.mark.parametrize(
    "metrics", [None, Metrics(), Metrics(believe="test"), Metrics(FIGURE, believe="kfold")]
)
def test_what_was_not_measured_is_not_said(metrics: Metrics | None) -> None:
    assert sentence_of(metrics) == ""
