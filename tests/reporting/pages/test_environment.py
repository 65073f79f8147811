"""Rendering of templates."""

from __future__ import annotations

from importlib.util import cache_from_source
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from candid.reporting.pages import environment, make_environment, read_together


def render(tmp_path: Path, text: str, **values: object) -> str:
    (tmp_path / "page.html").write_text(text, "utf-8")
    return make_environment(tmp_path, extra="audit").get_template("page.html").render(**values)


def test_untrusted_text_is_escaped_and_sanitised(tmp_path: Path) -> None:
    shown = render(tmp_path, "{{ name }}", name="<b>\u202e\udcff\n")
    assert shown == r"&lt;b&gt;\u202e\xff\n"


def test_undefined_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        render(tmp_path, "{{ nmae }}", name="x")


def test_a_changed_template_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path / "kept"))
    compiled = Path(cache_from_source(str(environment.__file__))).parent
    compiled.mkdir(parents=True)
    assert render(tmp_path, "one {{ 1 }}") == "one 1"
    [kept] = compiled.glob("*.template")
    monkeypatch.setattr("jinja2.Environment.compile", forbidden)
    assert render(tmp_path, "one {{ 1 }}") == "one 1"
    for change in ("jinja2.__version__", "sys.implementation.cache_tag"):
        with monkeypatch.context() as changed:
            changed.setattr(change, "another")
            with pytest.raises(NotImplementedError):
                render(tmp_path, "one {{ 1 }}")
    with pytest.raises(NotImplementedError):
        render(tmp_path, "two {{ 2 }}")
    monkeypatch.undo()
    assert render(tmp_path, "two {{ 2 }}") == "two 2"
    assert kept.is_file()


def forbidden(*_: object, **__: object) -> None:
    raise NotImplementedError


def test_a_page_is_rendered_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path / "absent"))
    assert render(tmp_path, "one {{ 1 }}") == "one 1"


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
