"""The page of a run, as text; `test_page_browser.py` opens it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from candid.errors import DependencyError
from candid.evaluation.estimate import Estimate
from candid.reporting.report.contents import Contents, Shortcut
from candid.reporting.report.mistakes import MOST_RIGHT, MOST_WRONG
from candid.reporting.report.page import write_page
from tests.reporting.pages.parsed import Page
from tests.reporting.report.made import (
    bare_contents,
    draw,
    empty_contents,
    hostile_contents,
    make_contents,
)


@cache
def full_page() -> Page:
    """The page with everything in it."""
    return page_of(make_contents())


def page_of(contents: Contents) -> Page:
    return Page(write_page(contents, draw))


def part(page: Page, begin: str, end: str) -> str:
    """The words from one text up to another."""
    words = page.words
    start = words.index(begin)
    return words[start : words.index(end, start)]


EVERY = [make_contents, bare_contents, empty_contents]


@pytest.mark.parametrize("make", EVERY)
def test_elements_are_closed_in_order_and_ids_are_different(make: type[Contents]) -> None:
    page = page_of(make())
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("make", EVERY)
def test_the_page_refers_to_nothing_outside(make: type[Contents]) -> None:
    page = page_of(make())
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:image/")), (tag, value)
        assert "style" not in attributes, "the policy forbids it"
    assert not {"link", "iframe", "object", "embed", "form", "base"} & {t for t, _ in page.elements}
    assert "url(" not in write_page(make(), draw)


@pytest.mark.parametrize("make", EVERY)
def test_targets_of_links_and_controls_exist(make: type[Contents]) -> None:
    page = page_of(make())
    ids = {attributes.get("id") for _, attributes in page.elements}
    for _, attributes in page.elements:
        for name in ("aria-controls", "aria-labelledby", "for"):
            assert set((attributes.get(name) or "").split()) <= ids
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids or attributes["href"].startswith("#icon-")  # type: ignore[index,union-attr]


def test_the_accuracy_comes_first_with_its_interval_and_n() -> None:
    contents = make_contents()
    accuracy = contents.evaluation.believed.accuracy
    assert accuracy is not None
    words = page_of(contents).words
    answer = words[: words.index("Summary")]
    assert "Classifies photos into happy and sad" in answer
    assert f"{accuracy.value:.0%}".rstrip("%") + " % accuracy" in answer
    interval = f"{100 * accuracy.low:.0f} to {100 * accuracy.high:.0f}"
    assert f"95 % interval {interval} %, on 300 photos held out from training" in answer
    for rule in ("Always the largest class", "Brightness and colour alone", "Nearest neighbour"):
        assert rule in answer


def test_all_figures_are_in_the_table_with_interval_and_n() -> None:
    contents = make_contents()
    words = part(page_of(contents), contents.evaluation.why, "Worst mistakes")
    for measures in (contents.evaluation.test, contents.evaluation.kfold):
        assert measures is not None
        figures = [f for row in measures.per_class for f in (row.precision, row.recall)]
        for figure in (measures.accuracy, measures.log_loss, measures.f1, *figures):
            assert figure is not None
            if measures is contents.evaluation.kfold or figure not in figures:
                assert f"{figure.value:.3f} {figure.low:.3f} to {figure.high:.3f}" in words
    assert "n = 300" in words
    assert "n = 30" in words


def test_what_was_not_measured_is_marked_and_never_looks_passed() -> None:
    page = page_of(bare_contents())
    for sentence in (
        "Not compared with baselines",
        "Leak tax not measured",
        "The model can't abstain",
        "No audit of this folder",
        "candid audit data/faces",
    ):
        assert sentence in page.words
    know = part(page, "Summary", "Next steps")
    assert "Good:" not in know
    assert know.count("Not measured:") == 4
    marks = [a.get("href") for a in page.all("use")]
    assert marks.count("#icon-skipped") == 5
    assert marks.count("#icon-clean") == 1, "the estimate to believe"


def test_without_photos_nothing_is_measured() -> None:
    page = page_of(empty_contents())
    assert "Nothing measured" in page.words
    assert "% accuracy" not in page.words
    assert "Nothing was measured." in page.words
    assert "Use the model" not in page.words


def test_a_baseline_that_is_not_beaten_is_a_warning_at_the_top() -> None:
    contents = make_contents()
    evaluation = contents.evaluation
    rule = replace(evaluation.baselines[2], gain=Estimate(-0.05, -0.08, -0.02, 300))
    weak = replace(contents, evaluation=replace(evaluation, baselines=(rule,)))
    page = page_of(weak)
    know = part(page, "Summary", "Next steps")
    assert "Warning: Worse than nearest neighbour" in know
    assert page.of_class("alarm")
    answer = page.words[: page.words.index("Summary")]
    assert "Warning: Worse than nearest neighbour" in answer
    assert "Do not use the model yet" in page.words
    assert not page_of(contents).of_class("is-bad")


def test_a_shortcut_is_a_warning_at_the_top() -> None:
    found = Shortcut("Width tells the classes apart.", ("width: 0.97",), True, "runs/audit-1")
    page = page_of(replace(make_contents(), shortcut=found))
    assert "guessed from the file alone By the audit: Width tells" in page.words
    assert not page.of_class("is-doubtful"), "no figure of the model is bad"
    assert "width: 0.97" in page.words
    assert "runs/audit-1" in page.words


def test_a_cell_opens_a_panel_with_its_photos() -> None:
    contents = make_contents()
    seen = contents.predictions
    page = page_of(contents)
    buttons = {a.get("aria-controls"): a for a in page.all("button") if a.get("aria-controls")}
    assert set(buttons) == {"cell-0-0", "cell-0-1", "cell-1-0", "cell-1-1"}
    count = int(((seen.truth == 0) & (seen.predicted == 1)).sum())
    assert buttons["cell-0-1"]["aria-label"] == f"{count}\u00a0photos of happy, predicted sad"
    places = np.flatnonzero((seen.truth == 0) & (seen.predicted == 1))
    surest = places[seen.probabilities[places, 1].argmax()]
    panel = page.words[
        page.words.index(f"{count} photos of happy, predicted sad highest probability first") :
    ]
    assert panel.index(seen.paths[surest].removeprefix("happy/")) < 120


def test_a_cell_with_many_photos_has_the_number_of_shown_ones() -> None:
    page = page_of(make_contents(num_images=3000))
    assert f"{MOST_RIGHT} of " in page.words
    assert re.search(rf"{MOST_RIGHT} of 1,\d\d\d shown, lowest probability first", page.words)
    assert re.search(rf"{MOST_WRONG} of 1\d\d shown, highest probability first", page.words)


def test_a_mistake_has_its_evidence_in_words() -> None:
    page = full_page()
    heated = [a for a in page.all("img") if a.get("class") == "heat"]
    assert heated
    assert all((a["src"] or "").startswith("data:image/png;base64,") for a in heated)
    assert any("evidence: the upper left" in (a.get("alt") or "") for a in page.all("img"))
    assert "Show heat maps" in page.words
    plain = page_of(replace(make_contents(), heat_maps={}))
    assert "Show heat maps" not in plain.words


def test_a_deleted_photo_has_a_placeholder() -> None:
    text = write_page(make_contents(), lambda _: {})
    assert "No picture" in text
    assert "data:image/jpeg" not in text


def test_every_chart_has_a_title_a_description_and_its_figures_in_text() -> None:
    contents = make_contents()
    page = page_of(contents)
    charts = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(charts) == 3
    assert all(a["aria-labelledby"] for a in charts)
    calibration, curve = contents.evaluation.calibration, contents.evaluation.learning_curve
    assert calibration is not None
    assert curve is not None
    for bin_ in (*calibration.bins_before, *calibration.bins_after):
        assert bin_.accuracy is not None
        assert f"{bin_.accuracy.value:.3f} {bin_.accuracy.low:.3f}" in page.words
    for point in curve.points:
        assert f"{point.num_photos:,.0f} {point.accuracy.value:.3f}" in page.words
    others = [a for a in page.all("svg") if a.get("role") != "img" and not a.get("viewbox")]
    assert all(a.get("aria-hidden") == "true" or a.get("focusable") == "false" for a in others)


def test_it_has_the_command_that_verifies_the_figures() -> None:
    words = full_page().words
    assert "candid verify runs/faces-transfer-1" in words
    assert "3f1c" * 16 in words
    assert "5 files are left out" in words


def test_many_classes_stay_usable() -> None:
    classes = tuple(f"class {number:03d}" for number in range(50))
    contents = make_contents(classes, 300)
    page = page_of(contents)
    assert "A matrix of 50 classes would be unreadable" in page.words
    assert "Most frequent mistakes" in page.words
    assert "True class" not in page.words


def test_two_hundred_thousand_photos_stay_below_twenty_megabytes_even_of_noise() -> None:
    noise = bytes(
        cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8))[1]
    )
    page = write_page(make_contents(num_images=200_000), lambda paths: dict.fromkeys(paths, noise))
    assert len(page.encode("utf-8")) < 20e6


def test_untrusted_text_stays_text_and_is_valid_utf8() -> None:
    text = write_page(hostile_contents(), draw)
    text.encode("utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in text


def test_the_policy_lets_only_the_pages_own_script_run() -> None:
    assert page_of(bare_contents()).lets_only_its_own_script_run


def test_without_jinja_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(DependencyError, match=r"pip install .*\[transfer\]"):
        write_page(bare_contents(), draw)


def test_the_same_contents_give_the_same_page() -> None:
    assert write_page(make_contents(), draw) == write_page(make_contents(), draw)
