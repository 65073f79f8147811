"""Photos without a class: found beside the class folders, left out, and given one by a decision."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from candid.data.catalog import Catalog
from candid.data.decisions import Decision, apply_decisions, to_csv
from candid.data.scan import scan
from candid.errors import DataError
from candid.splits.prepare import prepare

Write = Callable[..., Path]


@pytest.fixture
def beside(tmp_path: Path, write_picture: Write) -> Path:
    """Two classes, two photos beside them, one in a folder of its own, and no photo."""
    folder = tmp_path / "data"
    for number, name in enumerate(("cat/1.png", "dog/2.png", "new.png", "Unlabelled/deep/x.png")):
        write_picture(folder / name, seed=number)
    shutil.copyfile(folder / "cat/1.png", folder / "copy.png")
    (folder / "notes.txt").write_text("no photo")
    write_picture(folder / ".candid" / "removed" / "cat" / "3.png", seed=9)  # the studio's own
    return folder


def paths(catalog: Catalog) -> list[str]:
    return [photo.path for photo in catalog.photos]


def test_they_are_known_but_left_out(beside: Path) -> None:
    catalog = scan(beside)
    assert catalog.classes == ("cat", "dog")
    assert paths(catalog) == ["cat/1.png", "dog/2.png"]
    assert [photo.path for photo in catalog.unlabelled] == [
        "Unlabelled/deep/x.png",
        "copy.png",
        "new.png",
    ]
    assert {row.path: row.reason for row in catalog.skipped} == {
        "Unlabelled/deep/x.png": "without a class",
        "copy.png": "outside the class folders",
        "new.png": "outside the class folders",
        "notes.txt": "outside the class folders",
    }


def test_a_decision_gives_a_class_or_drops(beside: Path) -> None:
    catalog = scan(beside)
    content = {photo.path: photo.content for photo in catalog.unlabelled}
    words = {"new.png": "dog", "copy.png": "drop"}
    applied = apply_decisions(
        catalog, [Decision(path, content[path], "studio", "", word) for path, word in words.items()]
    )
    assert {photo.path: photo.label for photo in applied.catalog.photos} == {
        "cat/1.png": "cat",
        "dog/2.png": "dog",
        "new.png": "dog",
    }
    assert [photo.path for photo in applied.catalog.unlabelled] == ["Unlabelled/deep/x.png"]
    left_out = {row.path: row.reason for row in applied.catalog.skipped}
    assert "new.png" not in left_out
    assert left_out["Unlabelled/deep/x.png"] == "without a class"
    assert (applied.num_dropped, applied.num_relabelled) == (1, 1)


def test_kept_without_a_class_they_stay_out(beside: Path) -> None:
    catalog = scan(beside)
    new = next(photo for photo in catalog.unlabelled if photo.path == "new.png")
    applied = apply_decisions(catalog, [Decision(new.path, new.content, "studio", "", "keep")])
    assert paths(applied.catalog) == ["cat/1.png", "dog/2.png"]


def test_alone_they_are_no_data_set(tmp_path: Path, write_picture: Write) -> None:
    folder = write_picture(tmp_path / "new.png").parent
    with pytest.raises(DataError, match="0 classes"):
        scan(folder, to_train=False)
    catalog = scan(folder, to_train=False, allow_unlabelled=True)
    assert [photo.path for photo in catalog.unlabelled] == ["new.png"]


class _Found(Exception):  # noqa: N818 - no error: the photos would be embedded now
    pass


def test_a_folder_without_any_class_is_trained_on_what_was_decided(
    tmp_path: Path, write_picture: Write
) -> None:
    def found() -> None:
        raise _Found

    for number, name in enumerate(("new/1.png", "new/2.png")):
        write_picture(tmp_path / "data" / name.replace("new", "unlabelled"), seed=number)
    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir()
    photos = scan(tmp_path / "data", to_train=False, allow_unlabelled=True).unlabelled
    rows = [
        Decision(photo.path, photo.content, "studio", "", label)
        for photo, label in zip(photos, ("cat", "dog"), strict=True)
    ]
    file = tmp_path / "decisions.csv"
    file.write_text(to_csv(rows))
    with pytest.raises(_Found):
        prepare(tmp_path / "data", decisions=file, on_found=found)
    file.write_text(to_csv(rows[:1]))
    with pytest.raises(DataError, match=r"1 class with photos \(cat\)"):
        prepare(tmp_path / "data", decisions=file, on_found=found)
