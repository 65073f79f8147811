"""Trees of links and of pixels for other trainers."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.core.temp_dir import locked_dir
from candid.data.catalog import scan
from candid.data.images import PixelContract, decode
from candid.errors import DataError, SplitError
from candid.splits import split_export
from candid.splits.duplicates import Groups
from candid.splits.split import PARTS, Row, Split, split
from candid.splits.split_export import write_links, write_pixels

SMALL = PixelContract(size_px=32)


def draw(file: Path, seed: int, image_format: str = "JPEG") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (60, 40), interpolation=cv2.INTER_LINEAR)
    Image.fromarray(pixels).save(file, image_format)


@pytest.fixture
def data(tmp_path):
    """A folder of two classes with 20 different photos each."""
    folder = tmp_path / "data"
    for number in range(20):
        draw(folder / "cat" / f"{number}.jpg", number)
        draw(folder / "dog" / f"{number}.png", 100 + number, "PNG")
    return folder


def split_folder(folder):
    catalog = scan(folder)
    return catalog, split(catalog, Groups(np.arange(len(catalog.photos)), ()))


def all_in(part, catalog):
    rows = [Row(p.path, p.label, part, p.content[:16], p.content) for p in catalog.photos]
    return Split(tuple(rows), ())


def state(folder):
    return {p: (p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(folder.rglob("*"))}


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def test_every_photo_of_a_part_is_linked_there(data, tmp_path):
    catalog, parts = split_folder(data)
    to = tmp_path / "out" / "split"
    written = write_links(catalog, parts, to)
    for row in parts.rows:
        link = to / row.part / row.path
        assert link.is_symlink()
        assert link.readlink() == data / row.path
    assert written.counts == {part: len(parts.places(part)) for part in PARTS}
    assert sum(written.counts.values()) == len(names(to)) == 40
    assert written.folder == to


def test_a_photo_in_no_part_is_not_linked(data, tmp_path):
    catalog = scan(data)
    assert write_links(catalog, all_in("", catalog), tmp_path / "out").counts["train"] == 0
    assert names(tmp_path / "out") == []


def test_every_class_has_a_folder_in_every_part(data, tmp_path):
    catalog = scan(data)
    write_links(catalog, all_in("train", catalog), tmp_path / "out")
    folders = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").glob("*/*")}
    assert folders == {f"{part}/{name}" for part in PARTS for name in ("cat", "dog")}


def test_photos_of_one_name_in_two_folders_both_survive(tmp_path):
    data = tmp_path / "data"
    for number, name in enumerate(["cat/a/b.jpg", "cat/c/b.jpg", "cat/a__b.jpg", "dog/b.jpg"]):
        draw(data / name, number)
    catalog = scan(data)
    write_links(catalog, all_in("test", catalog), tmp_path / "out")
    expected = ["cat/a__b-2.jpg", "cat/a__b.jpg", "cat/c__b.jpg", "dog/b.jpg"]
    assert names(tmp_path / "out" / "test") == expected
    targets = {link.resolve() for link in (tmp_path / "out").rglob("*.jpg")}
    assert targets == {data / photo.path for photo in catalog.photos}


def test_names_that_differ_only_in_case_stay_apart(tmp_path):
    data = tmp_path / "data"
    for number, name in enumerate(["cat/a.jpg", "cat/A.jpg", "dog/b.jpg"]):
        draw(data / name, number)
    catalog = scan(data)
    write_links(catalog, all_in("val", catalog), tmp_path / "out")
    assert len({name.casefold() for name in names(tmp_path / "out")}) == len(catalog.photos)


@pytest.mark.parametrize(
    ("name", "image_format", "expected"),
    [
        ("a.jpg", "PNG", "a.png"),
        ("a", "JPEG", "a.jpg"),
        ("holiday.2024", "JPEG", "holiday.2024.jpg"),
        ("a.jfif", "JPEG", "a.jpg"),
        ("a.JPG", "JPEG", "a.JPG"),
        ("a.jpeg", "JPEG", "a.jpeg"),
        ("a.jpg", "WEBP", "a.webp"),
        ("a.tiff", "TIFF", "a.tiff"),
    ],
)
def test_the_suffix_fits_the_content(name, image_format, expected, tmp_path):
    data = tmp_path / "data"
    draw(data / "cat" / name, 0, image_format)
    draw(data / "dog" / "b.jpg", 1)
    catalog = scan(data)
    written = write_links(catalog, all_in("train", catalog), tmp_path / "out")
    assert names(tmp_path / "out" / "train" / "cat") == [expected]
    assert written.num_unread_by_keras == (image_format in {"WEBP", "TIFF"})


def test_a_name_too_long_for_the_file_system_becomes_its_content(tmp_path):
    data = tmp_path / "data"
    draw(data / "cat" / ("x" * 120) / ("y" * 120 + ".jpg"), 0)
    draw(data / "dog" / "b.jpg", 1)
    catalog = scan(data)
    write_links(catalog, all_in("train", catalog), tmp_path / "out")
    expected = f"cat/{catalog.photos[0].content[:32]}.jpg"
    assert names(tmp_path / "out" / "train")[0] == expected


@pytest.mark.parametrize("refused", [["symlink"], ["symlink", "link"]])
def test_without_symbolic_links_there_are_hard_links_or_copies(
    refused, data, tmp_path, monkeypatch
):
    def refuse(*_):
        raise OSError("not on this file system")

    for name in refused:
        monkeypatch.setattr(split_export.os, name, refuse)
    catalog, parts = split_folder(data)
    write_links(catalog, parts, tmp_path / "out")
    for row in parts.rows:
        file = tmp_path / "out" / row.part / row.path
        assert not file.is_symlink()
        assert file.read_bytes() == (data / row.path).read_bytes()


@pytest.mark.parametrize("write", [write_links, lambda c, s, to: write_pixels(c, s, SMALL, to)])
def test_the_users_folder_is_not_touched(write, data, tmp_path):
    before = state(data)
    write(*split_folder(data), tmp_path / "out")
    assert state(data) == before


def test_a_folder_with_files_is_refused_and_kept(data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("do not lose me")
    with pytest.raises(DataError, match=r"not an empty folder.*remove it first"):
        write_links(*split_folder(data), tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "do not lose me"


def test_an_empty_folder_is_used(data, tmp_path):
    (tmp_path / "out").mkdir()
    write_links(*split_folder(data), tmp_path / "out")
    assert len(names(tmp_path / "out")) == 40


@pytest.mark.parametrize("inside", ["", "cat", "split/here", "../data/cat/new"])
def test_a_folder_inside_the_data_is_refused(inside, data):
    before = state(data)
    with pytest.raises(DataError, match="lies in the data folder"):
        write_links(*split_folder(data), data / inside)
    assert state(data) == before


def test_a_split_of_another_folder_is_refused_and_leaves_nothing(data, tmp_path):
    catalog, parts = split_folder(data)
    other = Split(parts.rows[1:], ())
    with pytest.raises(SplitError, match="not of this folder"):
        write_links(catalog, other, tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"data"}


def test_an_interrupted_tree_is_absent(data, tmp_path):
    def press_ctrl_c(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pixels(*split_folder(data), SMALL, tmp_path / "out", advance=press_ctrl_c)
    assert {p.name for p in tmp_path.iterdir()} == {"data"}


def test_a_folder_that_cannot_be_made_is_named(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="can't be written"):
        write_links(*split_folder(data), tmp_path / "file" / "out")


def test_pixels_are_those_of_the_contract(data, tmp_path):
    catalog, parts = split_folder(data)
    done = []
    written = write_pixels(catalog, parts, SMALL, tmp_path / "out", advance=done.append)
    for row in parts.rows:
        file = (tmp_path / "out" / row.part / row.path).with_suffix(".bmp")
        found = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(found, decode((data / row.path).read_bytes(), SMALL))
    assert sum(done) == sum(written.counts.values()) == 40
    assert written.num_unread_by_keras == 0


def test_only_the_asked_for_parts_get_pixels(data, tmp_path):
    written = write_pixels(*split_folder(data), SMALL, tmp_path / "out", parts=("val",))
    assert written.counts["val"] > 0
    assert names(tmp_path / "out" / "train") == names(tmp_path / "out" / "test") == []


def test_a_damaged_photo_is_skipped_with_a_reason(data, tmp_path):
    whole = (data / "cat" / "0.jpg").read_bytes()
    (data / "cat" / "0.jpg").write_bytes(whole[:300])
    catalog = scan(data)
    written = write_pixels(catalog, all_in("train", catalog), SMALL, tmp_path / "out")
    assert [row.path for row in written.skipped] == ["cat/0.jpg"]
    assert written.counts["train"] == 39


def test_leftovers_of_a_killed_process_are_removed_and_those_of_a_running_one_kept(data, tmp_path):
    catalog, parts = split_folder(data)
    (tmp_path / ".out.partial-left").mkdir()
    with locked_dir(tmp_path, ".out.partial-") as living:
        write_links(catalog, parts, tmp_path / "out")
        assert living.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]
