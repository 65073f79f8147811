"""Counted names, and untrusted text in Markdown as two parsers read it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown import markdown
from markdown_it import MarkdownIt

from candid.core.text import escape_markdown, fence, first_line, join_names, sanitize, table

COMMONMARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = st.text("\\`*_{}[]()<>#+-.!|~&$\"': ab\n\udcff\x1b", max_size=30) | st.text(max_size=30)


class Page(HTMLParser):
    """Collects tags and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert not attributes or tag in ("th", "td", "code")
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def commonmark(text: str) -> Page:
    return Page(COMMONMARK.render(text))


def python_markdown(text: str) -> Page:
    return Page(markdown(text, extensions=["tables", "fenced_code"]))


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("read", [commonmark, python_markdown])
@given(name=NASTY)
@example("<img src=x onerror=alert(1)>")
@example("![a](http://x/b.png) [c][d] <http://e.f> ~~g~~ `h` **i** _j_ &amp; #")
def test_an_escaped_name_renders_literally_in_a_line(read, name: str) -> None:
    page = read(f"Class {escape_markdown(name)} end")
    assert page.tags == ["p"]
    assert squeezed(page.text) == squeezed(f"Class {sanitize(name)} end")


@pytest.mark.parametrize("read", [commonmark, python_markdown])
@given(name=NASTY)
def test_an_escaped_name_renders_literally_in_a_table(read, name: str) -> None:
    plain = read(table(["class", "n"], [["name", "3"]]))
    page = read(table(["class", "n"], [[escape_markdown(name), "3"]]))
    assert page.tags == plain.tags
    assert squeezed(page.text) == squeezed(plain.text.replace("name", sanitize(name)))


def test_tags_are_escaped() -> None:
    assert escape_markdown("a|b <c> & *d*") == r"a\|b &#60;c&#62; &#38; \*d\*"


def test_numbers_are_right_aligned() -> None:
    lines = table(["class", "n"], [["a", "3"]]).splitlines()
    assert lines == ["| class | n |", "| --- | ---: |", "| a | 3 |"]


def test_addresses_do_not_become_links() -> None:
    assert escape_markdown("https://a.b www.c.d e@f") == "https&#58;//a.b www&#46;c.d e&#64;f"


@given(code=st.text("`~a\n", max_size=20))
def test_code_never_ends_its_block(code: str) -> None:
    page = commonmark(f"{fence(code, 'sh')}\n\nafter")
    assert page.tags == ["pre", "code", "p"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d"], "a, b, c and d"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_some_names_are_listed_and_the_others_counted(names: list[str], text: str) -> None:
    assert join_names(names) == text


def test_the_number_of_listed_names_can_be_chosen() -> None:
    assert join_names(["a", "b", "c", "d"], most=1) == "a and 3 more"


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("one\ntwo"), "one"), (ValueError(), "ValueError"), (KeyError("a"), "'a'")],
)
def test_an_error_is_one_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
