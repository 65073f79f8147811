"""Rendering of templates."""

from __future__ import annotations

import errno
import os
import sys
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


def forbidden(*_: object, **__: object) -> None:
    raise NotImplementedError


def is_compiled_anew(tmp_path: Path, text: str) -> bool:
    """Whether a page is compiled rather than taken from the cache; the cache is as before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jinja2.Environment.compile", forbidden)
        try:
            assert render(tmp_path, text) == text.replace("{{ 1 }}", "1")
        except NotImplementedError:
            return True
    return False


needs_modes = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows does not tell who may write a file, so none is kept"
)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is kept of the page `one {{ 1 }}`."""
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    assert render(tmp_path, "one {{ 1 }}") == "one 1"
    [file] = (tmp_path / "cache").iterdir()
    return file


@needs_modes
def test_a_template_is_compiled_once_until_it_or_what_compiles_it_changes(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_compiled_anew(tmp_path, "one {{ 1 }}")
    (tmp_path / "other.py").write_text("another", "utf-8")
    for change, value in (
        ("jinja2.__version__", "another"),
        ("candid.reporting.pages.environment.MAGIC_NUMBER", b"another"),
        ("candid.reporting.pages.environment.__file__", str(tmp_path / "other.py")),
        ("candid.core.text.__file__", str(tmp_path / "other.py")),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(change, value)
            assert is_compiled_anew(tmp_path, "one {{ 1 }}"), change
    assert is_compiled_anew(tmp_path, "two {{ 1 }}")
    assert render(tmp_path, "two {{ 1 }}") == "two 1"
    assert not is_compiled_anew(tmp_path, "two {{ 1 }}")
    assert [*kept.parent.iterdir()] == [kept]  # of the same template, one


@needs_modes
def test_a_damaged_one_is_compiled_anew_and_replaced(kept: Path, tmp_path: Path) -> None:
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[100] ^= 1
    for damaged in (b"", whole[:40], whole[:64], whole[:-1], bytes(flipped), b"\0" * len(whole)):
        kept.write_bytes(damaged)
        assert is_compiled_anew(tmp_path, "one {{ 1 }}")
    assert render(tmp_path, "one {{ 1 }}") == "one 1"
    assert not is_compiled_anew(tmp_path, "one {{ 1 }}")


@needs_modes
def test_one_that_others_may_have_written_is_not_run(kept: Path, tmp_path: Path) -> None:
    assert kept.stat().st_mode & 0o777 == 0o600
    for mode in (0o620, 0o602, 0o644):
        kept.chmod(mode)
        assert is_compiled_anew(tmp_path, "one {{ 1 }}")
    kept.chmod(0o600)
    assert not is_compiled_anew(tmp_path, "one {{ 1 }}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.getuid", lambda: -1)
        assert is_compiled_anew(tmp_path, "one {{ 1 }}")
    elsewhere = kept.rename(tmp_path / "of a data folder")
    kept.symlink_to(elsewhere)
    assert is_compiled_anew(tmp_path, "one {{ 1 }}")
    before = elsewhere.read_bytes()
    assert render(tmp_path, "two {{ 1 }}") == "two 1"
    assert elsewhere.read_bytes() == before
    assert not kept.is_symlink()
    kept.unlink()
    os.mkfifo(kept)  # read, it would keep the page waiting
    assert is_compiled_anew(tmp_path, "one {{ 1 }}")


@pytest.mark.parametrize("failing", ["os.open", "pathlib.Path.unlink"])
def test_a_page_is_rendered_where_nothing_can_be_kept(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path))
    monkeypatch.setattr(failing, full)
    assert render(tmp_path, "one {{ 1 }}") == "one 1"
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "page.html"))  # no folder
    assert render(tmp_path, "one {{ 1 }}") == "one 1"


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_page_is_rendered_where_modes_do_not_tell_who_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr("sys.platform", "win32")
    assert render(tmp_path, "one {{ 1 }}") == "one 1"
    assert [*(tmp_path / "cache").iterdir()] == []


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
