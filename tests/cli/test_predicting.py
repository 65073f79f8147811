"""What was typed becomes files, and every one of them gets an answer."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from candid.cli.demo import SampleSet
from candid.cli.predicting import expand, predict_all, read_piped
from candid.errors import UsageError
from candid.training import Run


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with cat/a.png, cat/b.png, dog/a.png and dog/b.png as the working folder."""
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("here")
class TestExpand:
    def test_a_file_stays_as_it_was_typed(self) -> None:
        assert expand(["cat/a.png", "./dog/b.png"]) == ["cat/a.png", "./dog/b.png"]

    def test_a_folder_becomes_its_images_at_any_depth(self) -> None:
        assert expand(["."]) == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]
        assert expand(["dog/"]) == ["dog/a.png", "dog/b.png"]
        assert len(expand(["dog/.."])) == 4

    def test_a_folder_is_searched_from_within(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("dog")
        assert expand(["."]) == ["a.png", "b.png"]
        assert len(expand([".."])) == 4

    def test_a_folder_gives_no_file_that_nobody_would_call_an_image(self) -> None:
        Path("cat/notes.txt").write_text("no image")
        Path("cat/.hidden.png").write_bytes(b"")
        Path("cat/broken.jpg").write_bytes(b"broken")
        assert expand(["cat"]) == ["cat/a.png", "cat/b.png", "cat/broken.jpg"]

    def test_a_pattern_becomes_what_it_matches_in_order(self) -> None:
        assert expand(["*/a.png"]) == ["cat/a.png", "dog/a.png"]
        assert expand(["**/*.png"]) == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]
        assert expand(["cat/[ab].png"]) == ["cat/a.png", "cat/b.png"]

    def test_a_pattern_passes_folders_over(self) -> None:
        Path("cat/x.png").mkdir()
        assert expand(["cat/*.png"]) == ["cat/a.png", "cat/b.png"]

    def test_a_file_whose_name_looks_like_a_pattern_is_a_file(self) -> None:
        shutil.copy("cat/a.png", "cat/[1].png")
        assert expand(["cat/[1].png"]) == ["cat/[1].png"]

    def test_a_file_that_is_not_there_stays_for_its_reason(self) -> None:
        assert expand(["absent.jpg", "cat/a.png"]) == ["absent.jpg", "cat/a.png"]

    def test_a_dash_is_standard_input(self) -> None:
        assert expand(["-", "cat/a.png"]) == ["-", "cat/a.png"]

    def test_what_is_named_twice_is_given_twice(self) -> None:
        assert expand(["cat/a.png", "cat"]) == ["cat/a.png", "cat/a.png", "cat/b.png"]

    def test_an_empty_folder_and_an_empty_pattern_are_errors(self) -> None:
        Path("empty").mkdir()
        with pytest.raises(UsageError, match="the folder empty has no image in it"):
            expand(["empty"])
        with pytest.raises(UsageError, match=r"nothing matches the pattern \*\.jpg"):
            expand(["*.jpg"])

    def test_a_name_that_is_not_utf8_is_found(self, write_picture: Callable[..., Path]) -> None:
        name = os.fsdecode(b"bad\xff.png")
        write_picture(Path("new/plain.png")).rename(Path("new") / name)
        assert expand(["new"]) == [f"new/{name}"]


def test_every_path_gets_an_answer_in_order(trained: Run, faces: SampleSet, tmp_path: Path) -> None:
    photos = [str(path) for path in sorted(faces.folder.glob("happy/face-*"))]
    paths = [str(tmp_path / "absent.jpg"), *photos, str(faces.folder / "happy" / "IMG_2041.jpg")]
    answers = list(predict_all(trained.classifier, paths))
    assert [answer.source for answer in answers] == paths
    assert [answer.label is None for answer in answers] == [True, *[False] * len(photos), True]


def test_standard_input_is_one_photo(
    trained: Run, faces: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = sorted(faces.folder.glob("sad/face-*"))[0]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    paths = [str(photo), "-", "-"]
    piped = read_piped(paths)
    given, read, again = predict_all(trained.classifier, paths, piped=piped)
    assert read.source == "-"
    assert read.probability == pytest.approx(given.probability, abs=1e-6)
    assert again == read
    assert read_piped(paths) == b""  # it was read to its end
    [empty] = predict_all(trained.classifier, ["-"])
    assert empty.reason == "empty file"


def test_standard_input_is_left_alone_where_it_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = io.TextIOWrapper(io.BytesIO(b"for somebody else"))
    monkeypatch.setattr("sys.stdin", waiting)
    assert read_piped(["photo.jpg"]) == b""
    assert waiting.read() == "for somebody else"
