"""Files of the prediction page, its title and its sentence on accuracy."""

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


def test_a_policy_is_in_the_page_only_if_one_is_given() -> None:
    assert b"Content-Security-Policy" not in index_html()
    html = index_html("default-src 'none'").decode()
    assert '<meta http-equiv="Content-Security-Policy" content="default-src ' in html
    # It must come before everything that it applies to.
    assert html.index("Content-Security-Policy") < html.index("<link")


def test_the_page_has_the_styles_of_all_pages() -> None:
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
def test_the_title_names_the_classes_while_they_are_few(classes: list[str], expected: str) -> None:
    assert title_of(classes) == expected


def test_the_sentence_is_of_the_estimate_to_believe() -> None:
    other = replace(FIGURE, value=1.0, n=30)
    folds = Figures(FIGURE)
    sentence = sentence_of(Metrics(other, believe="kfold", kfold=folds))
    assert sentence.replace("\u00a0", " ") == (
        "Accuracy on 300 photos held out from training: 86 % (95 % interval 80 to 91 %)."
    )
    assert "on 30\u00a0photos" in sentence_of(Metrics(other, believe="test", kfold=folds))


@pytest.mark.parametrize(
    "metrics", [None, Metrics(), Metrics(believe="test"), Metrics(FIGURE, believe="kfold")]
)
def test_without_a_measured_accuracy_there_is_no_sentence(metrics: Metrics | None) -> None:
    assert sentence_of(metrics) == ""
