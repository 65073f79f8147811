"""Rendering of templates."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from candid.reporting.pages import make_environment, read_together


def render(tmp_path: Path, text: str, **values: object) -> str:
    (tmp_path / "page.html").write_text(text, "utf-8")
    return make_environment(tmp_path, extra="audit").get_template("page.html").render(**values)


def test_untrusted_text_is_escaped_and_sanitised(tmp_path: Path) -> None:
    shown = render(tmp_path, "{{ name }}", name="<b>\u202e\udcff\n")
    assert shown == r"&lt;b&gt;\u202e\xff\n"


def test_undefined_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        render(tmp_path, "{{ nmae }}", name="x")


def test_the_hash_is_the_one_that_browsers_compute(tmp_path: Path) -> None:
    # The example of Content Security Policy Level 3, section 8.2.
    assert render(tmp_path, "{{ script | hash | safe }}", script="alert('Hello, world.');") == (
        "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
    )


def test_files_of_the_page_take_precedence_over_shared_ones(tmp_path: Path) -> None:
    (tmp_path / "page.css").write_text("own", "utf-8")
    text = read_together(tmp_path, "base.css", "page.css")
    assert text.startswith(":root {")
    assert text.endswith("own")
    (tmp_path / "base.css").write_text("mine ", "utf-8")
    assert read_together(tmp_path, "base.css", "page.css") == "mine own"
