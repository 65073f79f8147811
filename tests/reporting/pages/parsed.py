"""Parses a page to its elements and text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_EMPTY = {"meta", "img", "input", "br", "wbr", "link", "hr"}


class Page(HTMLParser):
    """Collects elements and text; fails on elements closed out of order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every element with a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def lets_only_its_own_script_run(self) -> bool:
        """Whether its security policy allows only the one script whose hash it names."""
        [policy] = [m["content"] or "" for m in self.all("meta") if m.get("http-equiv")]
        return (
            "default-src 'none'; img-src data:;" in policy
            and re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", policy) is not None
            and "unsafe" not in policy
        )

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        """Attributes of every element with a class."""
        return [a for _, a in self.elements if name in (a.get("class") or "").split()]
