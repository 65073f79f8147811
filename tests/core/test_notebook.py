"""What a notebook shows, with a stand-in for IPython that keeps what is displayed."""

from __future__ import annotations

import html
import re
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from candid.core.notebook import NotebookBar, card, in_notebook
from candid.core.progress import MovingSteps, Silent, for_python
from candid.core.text import brief


class Output:
    """The output of a cell: what was displayed, and each update of it."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.num_displays = 0

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Output:
        assert raw
        assert display_id
        self.num_displays += 1
        self.shown.append(data)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    found = Output()
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    display.display = found.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return found


def test_a_step_has_a_bar_and_then_a_line(output: Output) -> None:
    bar = for_python()
    assert isinstance(bar, NotebookBar)
    with bar.step("Reading <photos>", 200) as advance:
        assert '<progress value="0" max="200"></progress> 0 of 200' in output.shown[0]["text/html"]
        time.sleep(0.11)
        advance(50)
    assert 'Reading &lt;photos&gt; <progress value="50" max="200">' in output.shown[1]["text/html"]
    assert output.shown[1]["text/plain"] == "Reading <photos>: 50 of 200"
    with bar.step("Finding", 0):
        assert "<progress></progress> 0" in output.shown[-1]["text/html"]
    last = output.shown[-1]
    assert "<progress" not in last["text/html"]
    pattern = r"Reading <photos>: 50 in \d+\.\d s · Finding: 0 in \d+\.\d s"
    assert re.fullmatch(pattern, last["text/plain"])
    assert output.num_displays == 1


def test_many_small_steps_are_few_messages(output: Output) -> None:
    with for_python().step("Reading", 100_000) as advance:
        for _ in range(100_000):
            advance(1)
    assert len(output.shown) < 100


def test_where_a_step_fails_its_bar_stays(output: Output) -> None:
    with pytest.raises(KeyError), for_python().step("Reading", 9):
        raise KeyError
    assert "<progress" in output.shown[-1]["text/html"]


def test_a_line_is_printed(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    for_python().say("epoch 1")
    assert capsys.readouterr().out == "epoch 1\n"
    assert output.shown == []


def test_a_script_is_silent_and_a_prompt_has_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_notebook()
    assert isinstance(for_python(), Silent)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(for_python(), MovingSteps)
    # IPython on a terminal has no kernel.
    ipython: Any = ModuleType("IPython")
    ipython.get_ipython = lambda: object()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert isinstance(for_python(), MovingSteps)


def test_a_card_escapes_what_it_shows_and_stays_small() -> None:
    evil = "<script>alert(1)</script>\udcff\n" + "x" * 9000
    rows = [(evil, evil) for _ in range(1000)]
    shown = card(evil, [*rows[:3], ("share", 0.25), *rows], text=evil, picture=b"\xff\xd8")
    shown.encode()
    assert "<script>" not in shown
    assert html.escape("<script>") in shown
    assert "… and 992 more" in shown
    assert "0.250 <span" in shown
    assert 'src="data:image/jpeg;base64,/9g="' in shown
    assert len(card("", rows)) < 10_000


def test_a_brief_repr_is_a_line_of_300_characters_at_most() -> None:
    assert brief("Run", "a", "", "b") == "Run(a, b)"
    for words in (["x" * 9000] * 9, ["a\nb\udcff\u202e"]):
        text = brief("Run", *words)
        assert len(text) <= 300
        assert text.isprintable()
