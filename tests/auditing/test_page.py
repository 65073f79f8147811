"""The page of an audit, as text; `test_page_browser.py` opens it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from candid.auditing import page_view
from candid.auditing.finding import Bar, Chart, Finding, Item, Outcome
from candid.auditing.page import draw as draw_chart
from candid.auditing.page import write_page
from candid.auditing.page_view import (
    MAX_ALONE,
    MAX_LARGE,
    MAX_LINES,
    MAX_PICTURED,
    MAX_SIDE_BY_SIDE,
    MAX_THUMBNAILS,
    decidable,
    fair_shares,
    large_pictures,
    not_run,
    remark,
    sections,
    typical_photos,
)
from candid.auditing.result import Audit, Checked, ClassCount
from candid.core.text import sanitize
from candid.errors import DependencyError
from tests.auditing.made import ended, make_audit, make_check
from tests.auditing.pages import (
    SHORTCUT,
    copies,
    draw,
    found,
    hostile_audit,
    large_audit,
    small_audit,
    suspects,
)
from tests.reporting.pages.parsed import Page

DATA = "application/json"


def page_of(audit: Audit) -> Page:
    return Page(write_page(audit, draw))


def test_elements_are_closed_in_order_and_ids_are_different() -> None:
    page = page_of(small_audit())
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_outside_the_page_is_referred_to() -> None:
    page = page_of(small_audit())
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:image/")), (tag, value)
    assert "url(" not in write_page(small_audit(), draw)
    assert not {"link", "iframe", "object", "embed", "form", "base"} & {t for t, _ in page.elements}


def test_links_within_the_page_lead_somewhere() -> None:
    page = page_of(small_audit())
    ids = {attributes.get("id") for _, attributes in page.elements}
    links = [a["href"][1:] for a in page.all("a") if a["href"]]  # type: ignore[index]
    assert "check-copies" in links
    assert set(links) <= ids


def test_the_verdict_counts_checks_by_severity() -> None:
    audit = small_audit()
    assert audit.verdict == "1 error, 3 warnings"
    assert "1 error, 3 warnings" in page_of(audit).words
    assert make_audit(ended("clean")).verdict == "No errors, no warnings"
    assert make_audit(found(*copies(1, 2))).verdict == "0 errors, 1 warning"


def test_checks_that_did_not_run_are_in_the_heading_and_never_listed_as_clean() -> None:
    words = page_of(small_audit()).words
    assert not_run(small_audit()) == "2 checks did not run"
    assert "1 error, 3 warnings 2 checks did not run" in words
    late = words.index("Did not run: result unknown")
    clean = words.index("Clean: nothing found")
    assert late < words.index("Failed Tiny") < clean
    assert late < words.index("Skipped Unlike") < clean
    assert clean < words.index("Blurred")


def test_the_page_does_not_mention_it_if_all_checks_ran() -> None:
    audit = make_audit(ended("clean"))
    assert not_run(audit) == ""
    assert "did not run" not in page_of(audit).words.lower()
    assert "Nothing was found." in page_of(audit).words


def test_nothing_found_by_checks_that_did_not_run_is_no_all_clear() -> None:
    words = page_of(make_audit(ended("failed"))).words
    assert "The checks that ran found nothing; 1 check did not run." in words
    assert "Nothing was found." not in words


def test_every_check_is_in_the_summary_with_the_reason_why() -> None:
    words = page_of(small_audit()).words
    overview = words[: words.index("What to do.")]
    for row in small_audit().checked:
        assert row.check.title in overview
    assert "Parts why" in overview


def test_counts_have_separators_and_parts_are_named() -> None:
    audit = replace(small_audit(), num_files=12345, parts=("train", "test"))
    words = page_of(audit).words
    assert "Files 12,345" in words
    assert "train, test" in words


def test_a_finding_shows_its_files_side_by_side_with_note_and_suggestion() -> None:
    page = page_of(small_audit())
    group = page.words[page.words.index("group 1 of 2 copies") :]
    assert group.startswith(
        "group 1 of 2 copies happy/copy-1-0.jpg copy 0 Suggested: keep "
        "happy/copy-1-1.jpg copy 1 Suggested: drop"
    )


def test_a_finding_of_one_file_says_each_thing_once() -> None:
    words = page_of(make_audit(found(*suspects(1)))).words
    finding = words[words.index("What to do.") :]
    assert finding.count("suspect-0.jpg") == 1
    assert finding.count("predicted happy") == 1
    assert "Suggested label: happy" in finding


def test_a_remark_leaves_out_the_name_with_which_it_begins() -> None:
    assert remark(Finding("cat/a.jpg: dark", (Item("cat/a.jpg"),))) == "dark"
    assert remark(Finding("a.jpg is dark", (Item("cat/a.jpg"),))) == "is dark"
    assert remark(Finding("dark", (Item("cat/a.jpg"),))) == "dark"


def test_a_file_without_a_picture_says_so() -> None:
    assert "No picture" in page_of(small_audit()).words


def test_pictures_have_a_size_and_a_text() -> None:
    images = [image for image in page_of(small_audit()).all("img") if "src" in image]
    assert len(images) == 3 * 2 + 5
    assert all(image["width"] == "160" and image["height"] == "120" for image in images)
    assert all(image["loading"] == "lazy" for image in images)
    assert images[0]["alt"] == "happy/copy-0-0.jpg, copy 0"


def test_a_chart_says_in_text_what_it_shows() -> None:
    words = page_of(make_audit(found(chart=SHORTCUT))).words
    assert "Image model 86% 82% to 90%" in words
    assert "Majority class 50%" in words
    assert "95% interval" in words


def test_the_chart_of_a_clean_check_is_shown_too() -> None:
    words = page_of(small_audit()).words
    measured = words[words.index("Measured, no finding") :]
    assert "Clean" in measured
    assert "Dark" in measured
    assert "happy 2" in measured


def test_bars_are_in_percent_of_the_width_and_never_leave_it() -> None:
    first, second, third = draw_chart(
        Chart("", (Bar("a", 0.25, 0.1, 0.4), Bar("b", 1.7), Bar("c", float("nan"))), "share")
    )
    assert (first.end, first.whisker, first.value, first.interval) == (
        25,
        (10, 40),
        "25%",
        "10% to 40%",
    )
    assert (second.end, second.whisker) == (100, None)
    assert (third.end, third.value) == (0, "unknown")


def test_shares_near_the_ends_are_not_rounded_to_them() -> None:
    bars = tuple(Bar("", value) for value in (0.996, 0.004, 1, 0))
    assert [bar.value for bar in draw_chart(Chart("", bars, "share"))] == [
        "99.6%",
        "0.4%",
        "100%",
        "0%",
    ]


def test_counts_are_drawn_up_to_the_largest() -> None:
    bars = draw_chart(Chart("", (Bar("a", 1500), Bar("b", 500, 250, 750)), "count"))
    assert [(bar.end, bar.value) for bar in bars] == [(100, "1,500"), (33.33, "500")]
    assert bars[1].whisker == (16.67, 50)
    assert draw_chart(Chart("", (Bar("a", 0),), "count"))[0].end == 0
    assert draw_chart(Chart("", (), "count")) == ()


def test_many_classes_and_bars_are_capped_and_the_page_says_so() -> None:
    bars = tuple(Bar(f"bar {number}", 0.5) for number in range(50))
    classes = tuple(ClassCount(f"class {number}", 2, 1) for number in range(1200))
    audit = replace(make_audit(found(chart=Chart("", bars, "share"))), classes=classes)
    words = page_of(audit).words
    assert "10 more bars" in words
    assert "1,160 more classes" in words
    assert "200 more classes: all of them are in audit.json" in words
    assert "class 999" in words
    assert "class 1000" not in words


@pytest.mark.parametrize(
    ("wanted", "total", "shares"),
    [
        ([], 5, []),
        ([1, 2], 5, [1, 2]),
        ([9, 9, 9], 9, [3, 3, 3]),
        ([100, 3, 50], 43, [20, 3, 20]),
        ([5, 5], 0, [0, 0]),
    ],
)
def test_limits_are_shared_fairly(wanted: list[int], total: int, shares: list[int]) -> None:
    assert fair_shares(wanted, total) == shares


def test_a_large_audit_stays_within_its_limits() -> None:
    shown = sections(large_audit())
    pictured = [finding for section in shown for finding in section.with_thumbnails]
    num_thumbnails = sum(len(finding.pictured) for finding in pictured)
    assert 0.9 * MAX_THUMBNAILS <= num_thumbnails <= MAX_THUMBNAILS
    assert max(len(section.pictured) for section in shown) <= MAX_PICTURED
    assert max(len(finding.pictured) for finding in shown[1].pictured) <= MAX_SIDE_BY_SIDE
    listed = [finding for section in shown for finding in section.listed]
    num_lines = len(listed) + sum(len(finding.named) for finding in [*listed, *pictured])
    assert 0.9 * MAX_LINES <= num_lines <= MAX_LINES
    assert all(section.listed or len(section.pictured) == 1 for section in shown)
    # No check is crowded out by the large ones.
    assert all(section.pictured and section.pictured[0].pictured for section in shown)


def test_copies_are_shown_side_by_side_or_not_at_all() -> None:
    audit = make_audit(*(found(*copies(24, 2), code=f"kind-{kind}") for kind in range(100)))
    shown = sections(audit)
    assert {len(row.pictured) for section in shown for row in section.pictured} == {2}
    assert {len(section.with_thumbnails) for section in shown} == {7}


def test_the_only_finding_of_a_check_shows_more_files() -> None:
    (section,) = sections(make_audit(found(*copies(1, 100))))
    assert len(section.pictured[0].pictured) == MAX_ALONE
    assert len(section.pictured[0].named) == 100 - MAX_ALONE


def test_what_is_left_out_is_counted_and_where_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_view, "MAX_THUMBNAILS", 40)
    monkeypatch.setattr(page_view, "MAX_LINES", 100)
    row = found(*suspects(500))
    words = page_of(make_audit(row)).words
    assert f"{40 - MAX_PICTURED} more findings" in words
    assert "460 more findings, without pictures" in words
    assert "410 more findings: all of them are in audit.json and decisions.csv." in words
    undecided = replace(row, check=replace(row.check, to_decide=False))
    assert (
        "410 more findings: all of them are in audit.json." in page_of(make_audit(undecided)).words
    )


def test_nothing_is_lost_between_pictured_listed_and_left_out() -> None:
    for section in sections(large_audit()):
        findings = section.checked.outcome.findings
        shown = [*section.with_thumbnails, *section.listed]
        assert [row.finding for row in shown] == list(findings[: len(shown)])
        assert section.num_left_out == len(findings) - len(shown)
        for row in shown:
            assert (*row.pictured, *row.named) == row.finding.items[
                : len(row.finding.items) - row.num_left_out
            ]


PIXELS = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
NOISE = bytes(cv2.imencode(".png", PIXELS)[1])


def noise(paths: Iterable[str]) -> dict[str, bytes]:
    """Pictures that can't be compressed."""
    return dict.fromkeys(paths, NOISE)


def test_ten_thousand_images_stay_below_twenty_megabytes_even_of_noise() -> None:
    page = write_page(large_audit(), noise)
    assert 10e6 < len(page.encode("utf-8")) < 20e6


def test_the_longest_names_stay_below_twenty_megabytes_too() -> None:
    names = [f"{'&' * 255}/{'&' * 250}-{number}" for number in range(300)]
    findings = [
        Finding(f"{name}: {'&' * 250} and more", tuple(Item(name, "&" * 250) for _ in range(12)))
        for name in names
    ]
    audit = make_audit(*(found(*findings, code=f"kind-{kind}") for kind in range(20)))
    assert len(write_page(audit, noise).encode("utf-8")) < 20e6


def test_hostile_names_are_text_and_utf8_can_encode_them() -> None:
    text = write_page(hostile_audit(), draw)
    text.encode("utf-8")
    page = Page(text)
    assert [script for script in page.all("script") if script.get("type") != DATA] == [{}]
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert page.open == []
    assert "<script>alert(1)</script>.jpg" in page.text
    assert "{{ 7 * 7 }} {% raw %}" in page.text


def test_hostile_names_are_isolated_from_the_text_around_them() -> None:
    text = write_page(make_audit(found(*suspects(1))), draw)
    assert '<bdi class="folder">sad/</bdi><wbr><bdi class="name">suspect-0.jpg</bdi>' in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("two\nlines\tof\x00", r"two\nlines\tof\x00"),
        ("\udcff\udc80", r"\xff\x80"),
        ("\ud800", r"\ud800"),
        ("\u2066\u200f\ufeff", r"\u2066\u200f\ufeff"),
        ("صورة 👨‍👩‍👧 é", "صورة 👨‍👩‍👧 é"),
    ],
)
def test_invisible_characters_are_written_as_codes(text: str, shown: str) -> None:
    assert sanitize(text) == shown


def test_long_text_keeps_its_ends() -> None:
    shown = sanitize(f"begin{'x' * 5000}end")
    assert len(shown) <= 400
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert sanitize("x" * 400) == "x" * 400


def test_the_policy_lets_only_the_pages_own_script_run() -> None:
    assert page_of(small_audit()).lets_only_its_own_script_run


def test_without_jinja_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(DependencyError, match=r"pip install .*\[audit\]"):
        write_page(small_audit(), draw)


def test_an_audit_of_nothing_gives_a_page() -> None:
    audit = replace(make_audit(), classes=(), num_files=0, num_photos=0, num_pictures=0)
    assert "No errors, no warnings" in page_of(audit).words


def test_a_check_that_did_not_run_may_have_a_chart() -> None:
    row = Checked(make_check("odd"), Outcome("skipped", "why", (), SHORTCUT))
    words = page_of(make_audit(row)).words
    measured = words[words.index("Measured, no finding") :]
    assert "Skipped" in measured


def test_the_same_audit_gives_the_same_page() -> None:
    assert write_page(small_audit(), draw) == write_page(small_audit(), draw)


def test_what_can_be_decided_has_a_limit_and_what_is_beyond_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audit = make_audit(found(*suspects(100)))
    assert decidable(audit).num_left_out == 0
    monkeypatch.setattr(page_view, "MAX_ROWS_CHARACTERS", 5000)
    some = decidable(audit)
    assert 0 < len(some.values["rows"]) == 100 - some.num_left_out < 100
    assert some.numbers(audit.checked[0].check, "sad/suspect-0.jpg", "sad/suspect-99.jpg") == "0"
    words = page_of(audit).words
    assert f"{some.num_left_out} more rows are only in the decisions.csv beside this page" in words


def test_the_first_pictures_of_every_check_and_typical_ones_are_large() -> None:
    rows = [found(*suspects(800), code="one"), found(*copies(5, 2), code="two")]
    typical = {"happy": ("happy/typical.jpg",)}
    large = large_pictures(sections(make_audit(*rows)), typical)
    assert len(large) == MAX_LARGE + 1
    assert {"happy/copy-4-1.jpg", "happy/typical.jpg", "sad/suspect-0.jpg"} <= large


def test_typical_photos_are_of_the_classes_that_a_finding_asks_about() -> None:
    row = found(*suspects(2))
    judged = replace(row, check=replace(row.check, by_picture=True))
    typical = {name: (f"{name}/typical.jpg",) for name in ("angry", "happy", "sad")}
    audit = replace(make_audit(judged), typical=typical)
    assert list(typical_photos(audit)) == ["happy", "sad"]
    assert "Typical happy" in page_of(audit).words
    assert typical_photos(replace(make_audit(row), typical=typical)) == {}
