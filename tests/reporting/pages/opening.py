"""Opens pages from disk in Chromium and records messages and requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

#: Contrast with the background of every element with text (WCAG 2.2).
CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const channels = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  for (const details of document.querySelectorAll("details")) details.open = true;
  const rows = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!hasText || !element.checkVisibility() || element.closest("script, .unseen")) continue;
    const text = luminance(channels(getComputedStyle(element).color));
    const ground = luminance(behind(element));
    const contrast = (Math.max(text, ground) + .05) / (Math.min(text, ground) + .05);
    rows.push([contrast, element.outerHTML.slice(0, 120)]);
  }
  return rows;
}"""


@dataclass
class Opened:
    """A page with its console messages and requests."""

    page: Page
    address: str
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def focussed(self) -> str:
        """Id of the focused element."""
        return self.page.evaluate("document.activeElement.id")  # type: ignore[no-any-return]


@contextmanager
def opener(browser: Browser, file: Path) -> Iterator[Callable[..., Opened]]:
    """Yield a function that writes a page to a file, overwriting it, and opens it."""
    contexts: list[BrowserContext] = []

    def open_text(text: str, **options: object) -> Opened:
        file.write_text(text, "utf-8")
        contexts.append(browser.new_context(**{"viewport": DESKTOP, **options}))  # type: ignore[arg-type]
        opened = Opened(contexts[-1].new_page(), file.as_uri())
        opened.page.on("console", lambda message: opened.said.append(message.text))
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.page.on("dialog", lambda dialog: (opened.said.append("alert"), dialog.dismiss()))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(opened.address)
        return opened

    yield open_text
    for context in contexts:
        context.close()


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")  # type: ignore[no-any-return]
