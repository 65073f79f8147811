"""The photos of a run or a folder that look most like one."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

import candid
from candid.errors import ImageError
from candid.training import Run


@pytest.fixture(scope="module")
def smaller(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A training photo at four fifths of its size, and the path of the original."""
    row = next(r for r in trained.contents.predictions.paths if r.endswith(".jpg"))
    folder = Path(trained.contents.folder)
    pixels = cv2.imread(str(folder / row))
    file = tmp_path_factory.mktemp("smaller") / "smaller.png"
    cv2.imwrite(str(file), cv2.resize(pixels, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA))
    return file, row


@pytest.mark.parametrize("where", ["run", "folder"])
def test_the_original_of_a_smaller_copy_comes_first(
    trained: Run, smaller: tuple[Path, str], where: str
) -> None:
    file, original = smaller
    found = candid.similar(file, trained.folder if where == "run" else trained.contents.folder)
    assert found[0].path == original
    assert found[0].similarity > 0.9
    similarities = [row.similarity for row in found]
    assert similarities == sorted(similarities, reverse=True)
    assert len(found) == 10


def test_the_command_prints_the_same(
    trained: Run, smaller: tuple[Path, str], candid: object
) -> None:
    file, original = smaller
    done = candid("similar", file, "--in", trained.folder, "--count", 2, "--json")  # type: ignore[operator]
    first, second = json.loads(done.stdout)
    assert first["path"] == original
    assert first["similarity"] > second["similarity"]
    table = candid("similar", file, "--in", trained.folder, "--count", 2).stdout  # type: ignore[operator]
    assert original in table.splitlines()[1]


def test_a_file_that_is_no_photo_is_a_known_error(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(ImageError, match="not an image"):
        candid.similar(tmp_path / "text.jpg", trained.folder)
