"""Scanning a folder of photos into a catalog, whatever it contains."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from candid.cli.demo import SampleSet
from candid.core.cache import Cache
from candid.data.catalog import DROPPED, Skipped
from candid.data.images import PixelContract
from candid.data.scan import scan
from candid.data.walk import find_files
from candid.errors import DataError
from candid.features.extract import Embeds, extract_features
from candid.splits.duplicates import find_duplicates
from candid.splits.split import split

Write = Callable[..., Path]

# Root reads everything: these are the two capabilities by which it does, dropped before Python
# starts once more. For anybody else nothing is dropped, and nothing needs to be.
WITHOUT_PRIVILEGE = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
SCAN = """
import sys
from candid.data.scan import scan
from candid.errors import DataError
try:
    catalog = scan(sys.argv[1])
    print(*sorted(f"{row.path}: {row.reason}" for row in catalog.skipped), sep="\\n")
except DataError as error:
    print(error)
"""


def paths(folder: Path) -> list[str]:
    return [photo.path for photo in scan(folder).photos]


def skipped(folder: Path) -> dict[str, str]:
    return {row.path: row.reason for row in scan(folder).skipped}


def scan_unprivileged(folder: Path) -> str:
    if sys.platform != "linux":
        pytest.skip("permissions are dropped by a call of Linux")
    command = [sys.executable, "-c", WITHOUT_PRIVILEGE, "-c", SCAN, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class TestWhatIsFound:
    def test_classes_are_the_sub_folders_in_alphabetical_order(
        self, folder: Path, write_picture: Write
    ) -> None:
        write_picture(folder / "ant" / "a.png", seed=9)
        assert scan(folder).classes == ("ant", "cat", "dog")

    def test_photos_come_in_order_of_path_with_label_and_content(self, folder: Path) -> None:
        first = scan(folder).photos[0]
        data = (folder / "cat" / "a.png").read_bytes()
        assert paths(folder) == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]
        assert (first.label, first.content) == ("cat", hashlib.sha256(data).hexdigest())
        assert scan(folder).file(first).read_bytes() == data

    def test_photos_are_found_at_any_depth(self, folder: Path, write_picture: Write) -> None:
        write_picture(folder / "cat" / "2024" / "may" / "c.png", seed=9)
        photo = next(p for p in scan(folder).photos if p.path == "cat/2024/may/c.png")
        assert photo.label == "cat"

    def test_links_to_files_and_folders_are_followed(
        self, folder: Path, tmp_path: Path, write_picture: Write
    ) -> None:
        elsewhere = write_picture(tmp_path / "elsewhere" / "c.png", seed=9)
        (folder / "cat" / "link.png").symlink_to(elsewhere)
        (folder / "cat" / "more").symlink_to(elsewhere.parent)
        (folder / "eel").symlink_to(elsewhere.parent)
        found = paths(folder)
        assert {"cat/link.png", "cat/more/c.png", "eel/c.png"} <= set(found)

    def test_a_link_loop_ends(self, folder: Path) -> None:
        (folder / "cat" / "again").symlink_to(folder / "cat")
        assert paths(folder) == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]

    def test_a_link_to_a_folder_above_does_not_bring_the_other_classes_in(
        self, folder: Path
    ) -> None:
        (folder / "cat" / "up").symlink_to(folder)
        (folder / "cat" / "higher").symlink_to(folder.parent)
        assert paths(folder) == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]

    def test_the_content_decides_and_not_the_suffix(self, folder: Path) -> None:
        shutil.copy(folder / "cat" / "a.png", folder / "cat" / "c.txt")
        (folder / "dog" / "notes.md").write_text("not a dog")
        assert "cat/c.txt" in paths(folder)
        assert skipped(folder) == {"dog/notes.md": "not an image"}

    def test_hidden_files_and_folders_are_passed_over(self, folder: Path) -> None:
        shutil.copy(folder / "cat" / "a.png", folder / "cat" / ".hidden.png")
        (folder / "dog" / "Thumbs.db").write_bytes(b"x")
        (folder / ".git").mkdir()
        shutil.copytree(folder / "dog", folder / "dog" / ".trash")
        assert len(paths(folder)) == 4
        assert skipped(folder) == {
            ".git": "hidden folder",
            "cat/.hidden.png": "hidden file",
            "dog/.trash": "hidden folder",
            "dog/Thumbs.db": "hidden file",
        }

    def test_a_hidden_folder_is_one_row_whatever_is_in_it(
        self, folder: Path, write_picture: Write
    ) -> None:
        for name in (".thumbs/a.png", ".thumbs/.deep/b.png", "2024/__MACOSX/c.png"):
            write_picture(folder / "cat" / name)
        (folder / "cat" / ".elsewhere").symlink_to(folder / "dog")
        assert len(paths(folder)) == 4
        assert skipped(folder) == dict.fromkeys(
            ("cat/.elsewhere", "cat/.thumbs", "cat/2024/__MACOSX"), "hidden folder"
        )

    def test_folders_of_a_network_drive_are_no_classes_and_are_named_first(
        self, folder: Path, write_picture: Write
    ) -> None:
        for name in ("#recycle/a.png", "cat/@eaDir/a.png/SYNOPHOTO_THUMB_M.png"):
            write_picture(folder / name)
        for number in range(5):
            (folder / "cat" / f".{number}").touch()
        catalog = scan(folder)
        assert catalog.classes == ("cat", "dog")
        assert len(catalog.photos) == 4
        assert "#recycle, cat/@eaDir, " in catalog.notes()[0]

    def test_files_beside_the_class_folders_are_named(self, folder: Path) -> None:
        shutil.copy(folder / "cat" / "a.png", folder / "stray.png")
        (folder / ".DS_Store").write_bytes(b"x")
        assert skipped(folder) == {
            ".DS_Store": "hidden file",
            "stray.png": "outside the class folders",
        }

    def test_links_to_nothing_and_pipes_beside_the_class_folders_are_named(
        self, folder: Path
    ) -> None:
        (folder / "eel").symlink_to(folder / "nowhere")
        (folder / "itself").symlink_to("itself")
        (folder / ".dead").symlink_to(folder / "nowhere")
        os.mkfifo(folder / "pipe")
        assert scan(folder).classes == ("cat", "dog")
        assert skipped(folder) == {
            ".dead": "hidden file",
            "eel": "a link that can't be followed",
            "itself": "a link that can't be followed",
            "pipe": "outside the class folders",
        }

    def test_every_file_is_either_a_photo_or_named_as_skipped(self, sample: SampleSet) -> None:
        catalog = scan(sample.folder)
        files = {p.relative_to(sample.folder) for p in sample.folder.rglob("*") if p.is_file()}
        listed = [photo.path for photo in catalog.photos] + [row.path for row in catalog.skipped]
        assert sorted(listed) == sorted(path.as_posix() for path in files)

    def test_progress_counts_every_file_below_the_classes(self, folder: Path) -> None:
        (folder / "cat" / "notes.md").write_text("x")
        steps: list[int] = []
        scan(folder, advance=steps.append)
        assert sum(steps) == 5

    def test_files_of_any_folder_are_found_without_hidden_ones(self, folder: Path) -> None:
        (folder / "cat" / "notes.md").write_text("x")
        (folder / "cat" / ".hidden.png").write_bytes(b"x")
        shutil.copytree(folder / "dog", folder / ".png")
        shutil.copytree(folder / "dog", folder / "cat" / ".thumbs")
        shutil.copy(folder / "cat" / "a.png", folder / "cat" / "bare")
        found = [path.relative_to(folder).as_posix() for path in find_files(folder)]
        images = ["cat/a.png", "cat/b.png", "cat/bare", "dog/a.png", "dog/b.png"]
        assert found == sorted([*images, "cat/notes.md"])


class TestWhatCanNotBeRead:
    def test_text_named_jpg_is_a_photo_until_it_is_decoded(
        self, folder: Path, fake_embedder: Embeds, memory: Cache
    ) -> None:
        (folder / "cat" / "page.jpg").write_text("<html>404</html>")
        catalog = scan(folder)
        assert "cat/page.jpg" in [photo.path for photo in catalog.photos]
        seen = extract_features(catalog, fake_embedder, PixelContract(), cache=memory).catalog
        assert "cat/page.jpg" not in [photo.path for photo in seen.photos]
        (row,) = seen.skipped
        assert row.path == "cat/page.jpg"
        assert row.reason.startswith("not an image")

    def test_dead_links_empty_files_and_pipes_are_rows_with_a_reason(self, folder: Path) -> None:
        (folder / "cat" / "dead.jpg").symlink_to(folder / "nowhere.jpg")
        (folder / "cat" / "empty.jpg").touch()
        os.mkfifo(folder / "cat" / "pipe.jpg")
        assert skipped(folder) == {
            "cat/dead.jpg": "no such file",
            "cat/empty.jpg": "empty file",
            "cat/pipe.jpg": "is not a regular file",
        }

    def test_files_and_folders_without_permission_are_rows_with_a_reason(
        self, folder: Path, write_picture: Write
    ) -> None:
        (folder / "cat" / "a.png").chmod(0)
        write_picture(folder / "dog" / "locked" / "c.png", seed=9)
        (folder / "dog" / "locked").chmod(0)
        try:
            assert scan_unprivileged(folder).splitlines() == [
                "cat/a.png: permission denied",
                "dog/locked: a folder that can't be opened",
            ]
        finally:
            (folder / "dog" / "locked").chmod(0o700)

    def test_a_data_folder_without_permission_is_a_known_error(self, folder: Path) -> None:
        folder.chmod(0)
        try:
            assert "can't be opened (permission denied)" in scan_unprivileged(folder)
        finally:
            folder.chmod(0o700)

    def test_photos_moved_to_skipped_leave_the_others_as_they_were(self, folder: Path) -> None:
        catalog = scan(folder)
        fewer = catalog.without([Skipped("cat/b.png", "broken")])
        assert [p.path for p in fewer.photos] == ["cat/a.png", "dog/a.png", "dog/b.png"]
        assert fewer.skipped == (*catalog.skipped, Skipped("cat/b.png", "broken"))
        assert fewer.classes == catalog.classes

    def test_what_a_person_dropped_gets_no_note(self, folder: Path) -> None:
        dropped = Skipped("cat/a.png", DROPPED, scan(folder).photos[0].content)
        broken = Skipped("cat/b.png", "broken")
        assert scan(folder).without([dropped, broken]).notes() == ("cat/b.png is left out: broken",)


class TestPartsThatComeWithTheFolder:
    def test_classes_lie_below_the_parts(self, tmp_path: Path, write_picture: Write) -> None:
        for name in ("Train/cat/a.png", "Train/dog/a.png", "val/cat/2024/a.png"):
            write_picture(tmp_path / name)
        catalog = scan(tmp_path)
        assert (catalog.parts, catalog.classes) == (("Train", "val"), ("cat", "dog"))
        assert [(p.label, catalog.part(p)) for p in catalog.photos] == [
            ("cat", "Train"),
            ("dog", "Train"),
            ("cat", "val"),
        ]

    def test_a_part_may_lie_in_itself_at_any_depth(
        self, tmp_path: Path, write_picture: Write
    ) -> None:
        names = ("seg_test/test/test/cat/a.png", "seg_train/seg_train/dog/deep/a.png")
        for name in (*names, "val/cat/a.png", "val/dog/a.png"):
            write_picture(tmp_path / name)
        beside = ("readme", "seg_train/readme", "seg_train/seg_train/readme")
        for name in beside:
            (tmp_path / name).write_text("hello")
        (tmp_path / "seg_train" / "__MACOSX").mkdir()
        catalog = scan(tmp_path)
        assert catalog.parts == ("seg_test", "seg_train", "val")
        assert catalog.classes == ("cat", "dog")
        assert [(p.path, p.label, catalog.part(p)) for p in catalog.photos[:2]] == [
            (names[0], "cat", "seg_test"),
            (names[1], "dog", "seg_train"),
        ]
        assert {row.path: row.reason for row in catalog.skipped} == {
            **dict.fromkeys(beside, "outside the class folders"),
            "seg_train/__MACOSX": "hidden folder",
        }

    def test_a_part_name_beside_others_or_of_no_part_is_a_class(
        self, tmp_path: Path, write_picture: Write
    ) -> None:
        for name in ("train/test/a.png", "train/cat/a.png", "val/wolf/cub/a.png"):
            write_picture(tmp_path / name)
        assert scan(tmp_path).classes == ("cat", "test", "wolf")

    def test_a_folder_beside_parts_of_the_same_classes_is_left_out(
        self, tmp_path: Path, write_picture: Write
    ) -> None:
        for name in ("seg_train/cat/a.png", "seg_train/dog/a.png", "seg_test/cat/b.png"):
            write_picture(tmp_path / name)
        write_picture(tmp_path / "seg_pred" / "1.png")
        catalog = scan(tmp_path)
        assert (catalog.parts, catalog.classes) == (("seg_test", "seg_train"), ("cat", "dog"))
        assert catalog.notes() == ("seg_pred is left out: in none of the parts",)

    def test_a_test_part_without_classes_is_left_out_in_one_line(
        self, tmp_path: Path, write_picture: Write
    ) -> None:
        for name in ("train/cat/a.png", "train/dog/a.png", *(f"test/{n}.png" for n in range(6))):
            write_picture(tmp_path / name)
        catalog = scan(tmp_path)
        assert {catalog.role(photo) for photo in catalog.photos} == {"train"}
        assert catalog.notes() == ("6 files in test are left out: outside the class folders",)

    def test_a_part_that_is_a_link_to_itself_ends(
        self, tmp_path: Path, write_picture: Write
    ) -> None:
        write_picture(tmp_path / "train" / "cat" / "a.png")
        (tmp_path / "val").mkdir()
        (tmp_path / "val" / "val").symlink_to(tmp_path / "val")
        catalog = scan(tmp_path, to_train=False)
        assert [photo.path for photo in catalog.photos] == ["train/cat/a.png"]

    def test_the_steps_of_a_path_begin_at_the_folder_of_its_class(
        self, tmp_path: Path, folder: Path, write_picture: Write
    ) -> None:
        assert scan(folder).below_part("cat/deep/x.png") == ("cat", "deep", "x.png")
        assert scan(folder).below_part("stray.png") == ()
        for name in ("train/train/cat/a.png", "train/train/dog/a.png"):
            write_picture(tmp_path / "split" / name)
        catalog = scan(tmp_path / "split")
        assert catalog.below_part("train/train/cat/a.png") == ("cat", "a.png")
        assert catalog.below_part("train/train/readme") == ()
        assert catalog.below_part("readme") == ()


class TestFoldersThatWillNotDo:
    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"does not exist; expected a folder with one sub-f"):
            scan(tmp_path / "nowhere")

    def test_a_file_in_the_place_of_a_folder(self, folder: Path) -> None:
        with pytest.raises(DataError, match=r"a\.png is a file; expected a folder with one sub"):
            scan(folder / "cat" / "a.png")

    def test_no_class(self, tmp_path: Path, write_picture: Write) -> None:
        write_picture(tmp_path / "flat" / "a.png")
        with pytest.raises(DataError, match=r"0 classes with photos \(none\); expected 2") as error:
            scan(tmp_path / "flat")
        assert "1 photo has no sub-folder" in str(error.value)
        assert "give the folder above" in str(error.value)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"one per class\.$"):
            scan(tmp_path)

    def test_one_class(self, folder: Path) -> None:
        shutil.rmtree(folder / "dog")
        with pytest.raises(DataError, match=r"1 class with photos \(cat\); expected 2 or mor"):
            scan(folder)

    def test_an_empty_class(self, folder: Path) -> None:
        (folder / "eel").mkdir()
        with pytest.raises(DataError, match=r"no photo in eel; add photos there or remove"):
            scan(folder)

    def test_a_class_may_be_called_test(self, folder: Path, write_picture: Write) -> None:
        write_picture(folder / "test" / "a.png", seed=9)
        assert scan(folder).classes == ("cat", "dog", "test")


def test_nothing_in_the_users_folder_changes(
    sample: SampleSet, fake_embedder: Embeds, memory: Cache
) -> None:
    def state() -> list[tuple[str, bytes, int]]:
        files = sorted(path for path in sample.folder.rglob("*") if path.is_file())
        return [(str(path), path.read_bytes(), path.stat().st_mtime_ns) for path in files]

    before = state()
    features = extract_features(scan(sample.folder), fake_embedder, PixelContract(), cache=memory)
    split(features.catalog, find_duplicates(features))
    assert state() == before


def test_files_that_are_no_images_are_counted_in_one_note(
    tmp_path: Path, write_picture: Write
) -> None:
    for label in ("cat", "dog"):
        write_picture(tmp_path / label / "a.png")
        for number in range(4):
            (tmp_path / label / f".hidden{number}").write_text("x")
    (note,) = scan(tmp_path).notes()
    assert note.startswith("8 hidden files and files that are no images: cat/.hidden0, ")
    assert note.endswith(", …")
    assert note.count("hidden") == 6


def test_hidden_folders_are_in_the_note_too(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / "cat" / "notes.txt").write_text("x")
    (note,) = scan(folder).notes()
    assert note == "2 hidden files or folders and files that are no images: .git, cat/notes.txt"


def test_hidden_folders_are_no_rows_of_a_split(
    folder: Path, fake_embedder: Embeds, memory: Cache
) -> None:
    shutil.copytree(folder / "dog", folder / "cat" / ".thumbs")
    (folder / "eel").symlink_to(folder / "nowhere")
    features = extract_features(scan(folder), fake_embedder, PixelContract(), cache=memory)
    rows = split(features.catalog, find_duplicates(features)).rows
    assert [row.path for row in rows] == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]


FOREIGN = {
    "scan.pdf": b"%PDF-1.7\n",
    "b.pdf": b"%PDF-1.4\n",
    "film.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "new.jxl": b"\xff\x0a" + bytes(20),
    "old.tga": bytes(200) + b"TRUEVISION-XFILE.\0",
    "more.zip": b"PK\x03\x04",
}


def test_pictures_of_foreign_formats_are_counted_with_a_remedy(folder: Path) -> None:
    for name, data in FOREIGN.items():
        (folder / "cat" / name).write_bytes(data)
    (folder / "cat" / "table.xlsx").write_bytes(b"PK\x03\x04")
    catalog = scan(folder)
    assert {row.path: row.foreign for row in catalog.skipped if row.foreign} == {
        "cat/scan.pdf": "PDF",
        "cat/b.pdf": "PDF",
        "cat/film.mp4": "video",
        "cat/new.jxl": "JPEG XL",
        "cat/old.tga": "TGA",
        "cat/more.zip": "ZIP",
    }
    notes = catalog.notes()
    assert notes[0] == "2 PDF files are left out: save their pages as JPEG or PNG"
    assert set(notes[1:-1]) == {
        "1 video file is left out: save frames of it as JPEG or PNG",
        "1 JPEG XL file is left out: save it as JPEG or PNG",
        "1 TGA file is left out: save it as JPEG or PNG",
        "1 ZIP file is left out: unpack it",
    }
    assert notes[-1].endswith("files that are no images: cat/table.xlsx")


@pytest.mark.parametrize("is_one_class", [True, False])
def test_classes_without_a_readable_photo_are_told_what_they_hold(
    folder: Path, is_one_class: bool
) -> None:
    for name in ("cat",) if is_one_class else ("cat", "dog"):
        for photo in (folder / name).iterdir():
            photo.unlink()
        (folder / name / "scan.pdf").write_bytes(FOREIGN["scan.pdf"])
    files = "1 PDF file is left out" if is_one_class else "2 PDF files are left out"
    with pytest.raises(DataError, match=files):
        scan(folder)


def test_portable_and_jpeg_2000_pictures_are_photos(folder: Path) -> None:
    image = Image.new("RGB", (8, 8), (200, 10, 10))
    image.save(folder / "cat" / "c.ppm")
    image.save(folder / "cat" / "d.jp2")
    paths = [photo.path for photo in scan(folder).photos]
    assert {"cat/c.ppm", "cat/d.jp2"} <= set(paths)
