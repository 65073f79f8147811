"""The rule of ARCHITECTURE.md: a room imports only from rooms above it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "candid"
#: What every room may import, and what lies beside the rooms.
BESIDE = {"errors", "_version"}


def rooms() -> list[str]:
    """The rooms in the order of ARCHITECTURE.md's table."""
    return re.findall(r"^\| `(\w+)/` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)


def imported_rooms(source: str) -> Iterator[tuple[int, str]]:
    """Line and room of each import of ours, wherever it stands: lazy and type-checking ones too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            module = node.module or ""
            names = [f"candid.{alias.name}" for alias in node.names]
            names = names if module == "candid" else [module]
        else:
            continue
        ours = [name.split(".")[1] for name in names if name.startswith("candid.")]
        yield from ((node.lineno, room) for room in ours)


def backward_imports(room: str, source: str, order: list[str]) -> list[str]:
    """The imports of a module in ``room`` that reach into a later room, or past the rooms."""
    allowed = {*order[: order.index(room) + 1], *BESIDE}
    return [f"line {line}: {name}" for line, name in imported_rooms(source) if name not in allowed]


def test_the_page_names_every_room_and_nothing_else_lies_beside_them() -> None:
    lying = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert lying - {"__pycache__", "__init__"} == {*rooms(), *BESIDE}


def test_a_room_imports_only_from_rooms_above_it() -> None:
    order = rooms()
    backward = {
        str(path.relative_to(PACKAGE)): found
        for room in order
        for path in sorted((PACKAGE / room).rglob("*.py"))
        if (found := backward_imports(room, path.read_text(encoding="utf-8"), order))
    }
    assert backward == {}


@pytest.mark.parametrize(
    "source",
    [
        "from candid.training.options import TrainOptions",
        "from candid import training",
        "import candid.training.files as files",
        "def work():\n    from candid.training import train",
        "if TYPE_CHECKING:\n    from candid.training import Run",
        "from candid import train",
    ],
)
def test_an_import_of_a_later_room_is_noticed(source: str) -> None:
    assert backward_imports("evaluation", source, rooms())


def test_an_import_of_an_earlier_room_is_allowed() -> None:
    source = "from candid.core.text import sanitize\nfrom candid._version import __version__"
    assert backward_imports("evaluation", source, rooms()) == []
