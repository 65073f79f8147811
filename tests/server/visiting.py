"""Visits the page of a server in Chromium, and looks at what happens."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Response, Route

from tests.reporting.pages.opening import DESKTOP

# Told before anything of the page runs.
_WATCH = """addEventListener("securitypolicyviolation",
  (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"""

_CHANGE = """(changed) => {
  const usual = globalThis.usual ??= fetch;
  globalThis.fetch = async (url, options) => {
    const response = await usual(url, options);
    if (!String(url).includes("/v1/predict")) return response;
    const body = await response.json();
    Object.assign(body.predictions[0], changed);
    return new Response(JSON.stringify(body), response);
  };
}"""
_START_OVER = """() => {
  globalThis.fetch = globalThis.usual ?? fetch;
  document.getElementById("clear").click();
  for (const id of ["line", "verdicts"]) document.getElementById(id).hidden = true;
  document.activeElement.blur();
}"""
_IS_DONE = """(count) => {
  const num = (selector) => document.querySelectorAll(selector).length;
  return num("[data-state=answered], [data-state=failed]") >= count
    && !num("[data-state=waiting], [data-state=asking]");
}"""


@dataclass
class Visit:
    """A page, and what happened while it was open."""

    page: Page
    address: str
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def ask(self, *files: Path | dict[str, Any]) -> dict[str, Any]:
        """Choose photos; gives what the server said of the first, once all are answered."""
        given = [named(file) if isinstance(file, Path) else file for file in files]
        with self.page.expect_response("**/v1/predict?*") as answered:
            self.page.set_input_files("#files", given)  # type: ignore[arg-type]
        self.wait(len(files))
        return item_of(answered.value)

    def wait(self, count: int = 1) -> None:
        """Wait until at least so many photos were answered, or could not be, and none waits."""
        self.page.wait_for_function(_IS_DONE, arg=count)

    def show(self, selector: str) -> str:
        """The text of the first element, with plain spaces."""
        return self.page.locator(selector).first.inner_text().replace("\u00a0", " ").strip()

    def pixels(self, selector: str) -> NDArray[np.uint8]:
        """What is drawn on a canvas, ``(h, w, 3)`` RGB."""
        url = self.page.locator(selector).first.evaluate("canvas => canvas.toDataURL()")
        data = np.frombuffer(b64decode(url.partition(",")[2]), np.uint8)
        return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])

    def answer_with(self, **changed: Any) -> None:
        """Let the server say something else of each photo, from now or the first load on.

        In the page itself: what is sent by a page is not whole where Playwright passes it on.
        """
        if self.page.url == "about:blank":
            self.page.add_init_script(f"({_CHANGE})({json.dumps(changed)})")
        else:
            self.page.evaluate(_CHANGE, changed)

    def start_over(self) -> Visit:
        """Leave nothing of an earlier test on the page."""
        self.page.evaluate(_START_OVER)
        self.said.clear()
        self.requests.clear()
        return self

    def describe_with(self, **changed: Any) -> None:
        """Let the server say something else of its first model."""

        def answer(route: Route) -> None:
            response = route.fetch()
            body = response.json()
            body["models"][0].update(changed)
            route.fulfill(response=response, json=body)

        self.page.route("**/v1/models", answer)


def named(file: Path, name: str | None = None) -> dict[str, Any]:
    """A file as a page gets it, under a name that the disk may not have."""
    return {"name": name or file.name, "mimeType": "image/png", "buffer": file.read_bytes()}


def item_of(response: Response) -> dict[str, Any]:
    """The only prediction in an answer."""
    (item,) = response.json()["predictions"]
    return item  # type: ignore[no-any-return]


Open = Callable[..., Visit]


@contextmanager
def visitor(browser: Browser, address: str) -> Iterator[Open]:
    """A function that visits a server's page; all it opened is closed in the end."""
    contexts: list[BrowserContext] = []

    def visit(
        prepare: Callable[[Visit], object] | None = None, at: str = address, **options: object
    ) -> Visit:
        contexts.append(browser.new_context(**{"viewport": DESKTOP, **options}))  # type: ignore[arg-type]
        visited = Visit(contexts[-1].new_page(), at)
        page = visited.page
        page.add_init_script(_WATCH)
        page.on("console", lambda message: visited.said.append(message.text))
        page.on("pageerror", lambda error: visited.said.append(str(error)))
        page.on("dialog", lambda dialog: (visited.said.append("alert"), dialog.dismiss()))
        page.on("request", lambda request: visited.requests.append(request.url))
        if prepare:
            prepare(visited)
        page.goto(at)
        return visited

    yield visit
    for context in contexts:
        context.close()
