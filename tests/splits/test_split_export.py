"""Trees of links and of pixels for other trainers."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.core.temp_dir import locked_dir
from candid.data.catalog import scan
from candid.data.images import Reading, decode_whole, inspect
from candid.errors import DataError, SplitError
from candid.splits import split_export
from candid.splits.duplicates import Groups
from candid.splits.readers import describe, warnings
from candid.splits.split import PARTS, Row, Split, split
from candid.splits.split_export import write_links, write_photos


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
    files = (p for p in folder.rglob("*") if not p.is_dir() and p.name != "README.md")
    return sorted(path.relative_to(folder).as_posix() for path in files)


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
    write_links(catalog, all_in("train", catalog), tmp_path / "out")
    assert names(tmp_path / "out" / "train" / "cat") == [expected]


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


@pytest.mark.parametrize("write", [write_links, lambda c, s, to: write_photos(c, s, Reading(), to)])
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
        write_photos(*split_folder(data), Reading(), tmp_path / "out", advance=press_ctrl_c)
    assert {p.name for p in tmp_path.iterdir()} == {"data"}


def test_a_folder_that_cannot_be_made_is_named(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="can't be written"):
        write_links(*split_folder(data), tmp_path / "file" / "out")


def draw_odd(folder: Path) -> None:
    """Photos that readers show differently, and an upright JPEG."""
    coarse = np.random.default_rng(7).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    image = Image.fromarray(cv2.resize(coarse, (60, 40), interpolation=cv2.INTER_LINEAR))
    exif = Image.Exif()
    exif[0x0112] = 6
    folder.mkdir(parents=True)
    image.save(folder / "upright.jpg")
    image.save(folder / "turned.jpg", exif=exif)
    image.save(folder / "turned.webp", exif=exif)
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.convert("L").save(folder / "grey.jpg")
    image.quantize(16).save(folder / "palette.gif")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(folder / "clear.png")
    cv2.imwrite(str(folder / "deep.png"), np.arange(60 * 40, dtype=np.uint16).reshape(40, 60) * 27)


def test_written_photos_are_upright_of_8_bits_and_of_full_size(tmp_path):
    draw_odd(tmp_path / "data" / "cat")
    draw(tmp_path / "data" / "dog" / "cut.jpg", 1)
    whole = (tmp_path / "data" / "dog" / "cut.jpg").read_bytes()
    (tmp_path / "data" / "dog" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    catalog = scan(tmp_path / "data")
    written = write_photos(catalog, all_in("val", catalog), Reading(), tmp_path / "out")
    assert [row.path for row in written.skipped] == ["dog/cut.jpg"]
    assert written.counts == {"train": 0, "val": 8, "test": 0}
    files = {path.name: path for path in (tmp_path / "out" / "val" / "cat").iterdir()}
    shown = []
    for path in files.values():
        details = inspect(path.read_bytes())
        assert (details.mode, details.orientation) == ("RGB", 1)
        assert details.format == {".jpg": "JPEG", ".png": "PNG"}[path.suffix]
        shown.append(np.asarray(Image.open(path)).astype(int))
    for photo in (photo for photo in catalog.photos if photo.label == "cat"):
        expected = decode_whole(catalog.file(photo).read_bytes())
        alike = [pixels for pixels in shown if pixels.shape == expected.shape]
        assert min(np.abs(pixels - expected).mean() for pixels in alike) < 3, photo.path
    same = (tmp_path / "data" / "cat" / "upright.jpg").read_bytes()
    assert files["upright.jpg"].read_bytes() == same


def test_the_tree_says_which_photos_readers_show_otherwise(tmp_path):
    draw_odd(tmp_path / "data" / "rapid test")
    draw(tmp_path / "data" / "dog" / "a.tif", 1, "TIFF")
    catalog = scan(tmp_path / "data")
    tree = write_links(catalog, all_in("train", catalog), tmp_path / "out")
    told = "\n".join(describe(Path("out"), catalog.classes, tree.files))
    keras, torchvision, fastai, ultralytics, hugging_face = told.split("\n\n")[1:]
    assert "passes over 2 files (1 webp, 1 tif)" in keras or "(1 tif, 1 webp)" in keras
    assert "does not turn 1 photo that EXIF turns" in keras
    assert "does not turn 2 photos that EXIF turns" in torchvision
    assert "passes over 1 file (1 gif)" in torchvision
    assert "allow_empty=True" in torchvision
    assert 'valid="val"' in fastai
    assert "EXIF" not in ultralytics + hugging_face
    assert "passes over 1 file (1 gif)" in ultralytics
    for reader in (keras, torchvision, fastai, ultralytics, hugging_face):
        assert "1 photo of more than 8 bits" in reader
        assert "does not put 1 transparent photo on white" in reader
    assert 'data_files={"train": f"{tree}/train/**"}' in hugging_face
    words, others = warnings(catalog.classes, tree.files)
    assert "takes rapid test for a part" in words
    assert "--materialize" in others


def test_materialized_photos_leave_nothing_to_say_but_of_split_words(data, tmp_path):
    catalog, parts = split_folder(data)
    tree = write_photos(catalog, parts, Reading(), tmp_path / "out")
    assert "# it" not in "\n".join(describe(tmp_path, catalog.classes, tree.files))
    assert warnings(catalog.classes, tree.files) == []
    assert "allow_empty" not in "".join(describe(tmp_path, catalog.classes, tree.files))


@pytest.mark.parametrize("name", ["train", "rapid test", "test-2", "dev", "a.val", "eval_1"])
def test_a_class_whose_name_holds_a_split_word_is_warned_about(name):
    assert f"takes {name} for a part" in " ".join(warnings(["cat", name], []))


@pytest.mark.parametrize("name", ["trains", "Train", "contest", "10", "valley"])
def test_other_names_are_no_split_words(name):
    assert warnings(["cat", name], []) == []


def test_the_readme_has_the_parts_for_hugging_face_in_its_head(data, tmp_path):
    catalog, parts = split_folder(data)
    write_links(catalog, parts, tmp_path / "out")
    _, head, text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("---\n")
    assert head.startswith("configs:\n- config_name: default\n")
    assert head.partition("data_files:\n")[2].split() == [
        *("-", "split:", "train", "path:", "train/**"),
        *("-", "split:", "validation", "path:", "val/**"),
        *("-", "split:", "test", "path:", "test/**"),
    ]
    for reader in ("Keras", "torchvision", "fastai", "Ultralytics", "Hugging Face"):
        assert f"## {reader}\n" in text


def test_leftovers_of_a_killed_process_are_removed_and_those_of_a_running_one_kept(data, tmp_path):
    catalog, parts = split_folder(data)
    (tmp_path / ".out.partial-left").mkdir()
    with locked_dir(tmp_path, ".out.partial-") as living:
        write_links(catalog, parts, tmp_path / "out")
        assert living.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_classes_of_a_table_may_have_slashes_but_stay_in_the_tree(tmp_path):
    names = ("../../out", "black/white", ".hidden", "plain")
    for i in range(len(names)):
        draw(tmp_path / f"{i}.jpg", i)
    rows = [f"{i}.jpg,{name}\n" for i, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(rows))
    catalog = scan(tmp_path / "labels.csv")
    row = [Row(photo.path, photo.label, "train", "", photo.content) for photo in catalog.photos]
    write_links(catalog, Split(tuple(row), ()), tmp_path / "tree")
    found = sorted("/".join(file.parts[-2:]) for file in tmp_path.glob("tree/train/*/*"))
    assert found == ["_._.._out/0.jpg", "_hidden/2.jpg", "black_white/1.jpg", "plain/3.jpg"]
    rows[3] = "3.jpg,black_white\n"
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(rows))
    with pytest.raises(DataError, match="differ in slashes"):
        write_links(scan(tmp_path / "labels.csv"), Split(tuple(row), ()), tmp_path / "other")
