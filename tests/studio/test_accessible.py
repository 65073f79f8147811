"""Every screen of the studio passes axe-core, light and dark, wide and narrow, full and empty."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import DRIVER, browser, go_without, has_driver
from playwright.sync_api import Browser, Page

from candid.cli.demo import SampleSet
from candid.training import Run
from tests.studio.opened import open_studio
from tests.studio.test_shipping import write_export

__all__ = ["browser"]

SCREENS = ("start", "add", "look", "label", "judge", "try", "ship")
#: Further states of screens: what is clicked or typed after opening them.
STATES = {
    "start": {"browse": "button:text-is('Browse…')"},
    "look": {"map": "button:text-is('Map')", "chosen": "button:text-is('Select all')"},
    "judge": {"command": ".command summary"},
    "ship": {"card": ".card summary", "how to use it": ".readme summary"},
}


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    if not has_driver():
        go_without("no axe-core. Run: make browser")
    return (DRIVER / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def project(faces: SampleSet, trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, an export, and photos without a class."""
    folder = tmp_path_factory.mktemp("studio") / "faces"
    shutil.copytree(faces.folder, folder)
    (folder / "unlabelled").mkdir()
    for photo in sorted((folder / "sad").iterdir())[:4]:
        photo.rename(folder / "unlabelled" / photo.name)
    run = Path(shutil.copytree(trained.folder, folder / ".candid" / "runs" / "faces-1"))
    model = json.loads((run / "candid.json").read_text("utf-8"))["files"]["model.onnx"]
    write_export(folder / ".candid" / "exports" / "faces-1-onnx", model=model)
    return folder


def is_ready(page: Page) -> bool:
    state: dict[str, Any] = page.evaluate("fetch('/api/state').then((it) => it.json())")
    project = state["project"]
    assert project["problem"] == ""
    return bool(project["is_embedded"] and not project["activity"])


@pytest.fixture(scope="module")
def page(browser: Browser, project: Path) -> Iterator[Page]:
    """The studio with the project, once everything is read."""
    with open_studio(project, within=project.parent) as address:
        page = browser.new_page(bypass_csp=False)
        page.goto(address)
        while not is_ready(page):
            page.wait_for_timeout(200)
        yield page
        page.close()


def show(page: Page, screen: str) -> None:
    address = page.url.split("#")[0]
    page.goto("about:blank")  # nothing is left open or selected
    page.goto(f"{address}#{screen}")
    page.wait_for_selector(f".screen.{screen} h1")
    settle(page)


def settle(page: Page) -> None:
    """Wait until what is shown no longer changes."""
    shown, num_same = "", 0
    while num_same < 3:
        page.wait_for_timeout(200)
        now = page.inner_html("main")
        shown, num_same = now, num_same + 1 if now == shown else 0


def findings(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(page: Page, axe: str, screen: str, scheme: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    show(page, screen)
    assert findings(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("screen", "state"), [(screen, state) for screen, states in STATES.items() for state in states]
)
def test_nor_in_what_opens(page: Page, axe: str, screen: str, state: str, scheme: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme=scheme)
    show(page, screen)
    page.click(STATES[screen][state])
    settle(page)
    assert findings(page, axe) == []


def test_the_screens_are_those_of_the_bar(page: Page) -> None:
    show(page, "look")
    links = page.eval_on_selector_all("#top nav a", "(all) => all.map((one) => one.hash)")
    assert links == [f"#{screen}" for screen in SCREENS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_nor_in_a_folder_without_photos(
    browser: Browser, axe: str, empty: Page, screen: str, scheme: Any
) -> None:
    del browser
    empty.emulate_media(color_scheme=scheme)
    show(empty, screen)
    assert findings(empty, axe) == []


@pytest.fixture(scope="module")
def empty(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The studio with an empty folder."""
    folder = tmp_path_factory.mktemp("empty") / "pets"
    folder.mkdir()
    with open_studio(folder, within=folder.parent) as address:
        page = browser.new_page()
        page.goto(address)
        yield page
        page.close()
