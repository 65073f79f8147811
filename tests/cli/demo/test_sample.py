from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from candid.cli.demo import InjectedDefect, SampleSet, draw_sample
from candid.cli.demo.injected_defects import (
    draw_picture,
    exif_rotated,
    is_plain_to_see,
    sixteen_bit,
)
from candid.cli.demo.pen import CLASS_NAMES, choose_expression, choose_look
from candid.cli.demo.scenes import Film, develop
from candid.errors import DataError, UsageError

NUM_IMAGES = 40
ALL_KINDS = {
    "reencoded_copy", "mirrored_copy", "identical_copy", "both_classes", "truncated",
    "text_as_image", "exif_rotated", "sixteen_bit", "wrong_label", "hidden_file", "not_an_image",
}  # fmt: skip

# Ends as a killed process does, without a word, in the middle of writing.
KILLED_DEMO = """
import os, pathlib, sys
from candid.cli.demo import draw_sample

write, written = pathlib.Path.write_bytes, []

def write_five(path, content):
    if len(written) == 5:
        os._exit(9)
    written.append(path)
    return write(path, content)

pathlib.Path.write_bytes = write_five
draw_sample(pathlib.Path(sys.argv[1]), num_images=10)
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    return draw_sample(tmp_path_factory.mktemp("demo") / "faces", num_images=NUM_IMAGES)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def defect_of(sample: SampleSet, kind: str) -> InjectedDefect:
    (found,) = (defect for defect in sample.defects if defect.kind == kind)
    return found


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference of two pictures, seen at 48×48 pixels."""
    small = [cv2.resize(each, (48, 48), interpolation=cv2.INTER_AREA) for each in (first, second)]
    return float(np.abs(small[0].astype(int) - small[1].astype(int)).mean())


def drawn_files(sample: SampleSet, class_name: str) -> list[Path]:
    injected = {sample.folder / defect.path for defect in sample.defects}
    return sorted(set((sample.folder / class_name).iterdir()) - injected)


class TestTheSet:
    def test_same_seed_gives_the_same_files_byte_for_byte(
        self, sample: SampleSet, tmp_path: Path
    ) -> None:
        again = draw_sample(tmp_path / "again", num_images=NUM_IMAGES)
        assert contents(again.folder) == contents(sample.folder)
        assert again.defects == sample.defects

    def test_another_seed_gives_other_files(self, sample: SampleSet, tmp_path: Path) -> None:
        other = draw_sample(tmp_path, seed=1, num_images=NUM_IMAGES)
        mine = set(contents(sample.folder / "happy").values())
        theirs = set(contents(other.folder / "happy").values())
        # The notes and the file manager's file are no drawings.
        assert len(mine & theirs) == 2

    def test_classes_are_balanced_and_nothing_is_lost(self, sample: SampleSet) -> None:
        assert sample.num_images == NUM_IMAGES
        assert [len(drawn_files(sample, name)) for name in CLASS_NAMES] == [NUM_IMAGES // 2] * 2

    def test_every_drawing_loads_and_formats_are_mixed(self, sample: SampleSet) -> None:
        formats = set()
        for class_name in CLASS_NAMES:
            for path in drawn_files(sample, class_name):
                with Image.open(path) as image:
                    image.load()
                    formats.add(image.format)
        assert formats == {"JPEG", "PNG", "WEBP"}

    def test_no_two_drawings_are_the_same_picture(self, sample: SampleSet) -> None:
        drawn = [pixels(p) for name in CLASS_NAMES for p in drawn_files(sample, name)]
        closest = min(distance(a, b) for i, a in enumerate(drawn) for b in drawn[:i])
        assert closest > 15

    def test_nothing_is_written_outside_the_folder(self, tmp_path: Path) -> None:
        draw_sample(tmp_path / "deep" / "faces", num_images=10)
        assert [path.name for path in tmp_path.iterdir()] == ["deep"]
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["faces"]
        names = sorted(path.name for path in (tmp_path / "deep" / "faces").iterdir())
        assert names == [".candid-demo.json", "happy", "sad"]


class TestTheClassIsInTheExpressionAlone:
    def test_a_face_differs_from_its_opposite_in_its_expression_only(self) -> None:
        for index in range(20):
            happy, sad = (draw_picture((5, index), name) for name in CLASS_NAMES)
            assert happy.shape == sad.shape
            assert 0.0 < np.mean(np.any(happy != sad, axis=2)) < 0.3

    def test_turning_the_mood_does_not_change_brightness_or_colour(self) -> None:
        change = np.array(
            [
                draw_picture((6, index), "happy").mean(axis=(0, 1))
                - draw_picture((6, index), "sad").mean(axis=(0, 1))
                for index in range(150)
            ]
        )
        # Of 256 levels; the pictures themselves differ by dozens.
        assert np.abs(change.mean(axis=0)).max() < 0.25

    def test_turning_the_mood_does_not_change_the_size_of_the_file(self) -> None:
        sizes = np.array(
            [
                [len(develop(draw_picture((7, i), name), Film("jpeg", 80))) for name in CLASS_NAMES]
                for i in range(100)
            ]
        )
        assert abs(np.log(sizes[:, 0] / sizes[:, 1]).mean()) < 0.01

    def test_format_and_size_say_nothing_about_the_class(self, tmp_path: Path) -> None:
        sample = draw_sample(tmp_path, seed=3, num_images=200)
        rows = []
        for class_name in CLASS_NAMES:
            for path in drawn_files(sample, class_name):
                image = pixels(path)
                bytes_per_pixel = path.stat().st_size / image.size
                rows.append((*image.shape[:2], image.mean(), image.std(), bytes_per_pixel))
        facts = np.array(rows)
        happy, sad = facts[:100], facts[100:]
        standard_error = np.sqrt(happy.var(axis=0) / 100 + sad.var(axis=0) / 100)
        # Five comparisons of a fixed seed: three standard errors are not chance's doing.
        assert (np.abs(happy.mean(axis=0) - sad.mean(axis=0)) / standard_error).max() < 3

    def test_every_sign_of_an_expression_follows_the_class(self) -> None:
        for seed in range(50):
            happy, sad = (
                choose_expression(np.random.default_rng(seed), name) for name in CLASS_NAMES
            )
            assert happy.mouth_curve == -sad.mouth_curve > 0
            assert happy.brow_tilt == -sad.brow_tilt
            assert happy.eye_curve == -sad.eye_curve > 0
            assert (happy.open_mouth, happy.tear) == (sad.open_mouth, sad.tear)

    def test_looks_are_varied(self) -> None:
        looks = [choose_look(np.random.default_rng(seed)) for seed in range(200)]
        for field, fewest in (("style", 3), ("hair", 7), ("hat", 6), ("glasses", 4), ("cover", 4)):
            assert len({getattr(look, field) for look in looks}) == fewest


class TestInjectedDefects:
    def test_one_of_every_kind_and_all_are_there(self, sample: SampleSet) -> None:
        assert sorted(defect.kind for defect in sample.defects) == sorted(ALL_KINDS)
        for each in sample.defects:
            assert (sample.folder / each.path).is_file()
            assert each.note
            assert each.original is None or (sample.folder / each.original).is_file()

    def test_paths_are_relative(self, sample: SampleSet) -> None:
        assert not any(defect.path.is_absolute() for defect in sample.defects)

    def test_copies_are_made_of_different_originals(self, sample: SampleSet) -> None:
        originals = [defect.original for defect in sample.defects if defect.original]
        assert len(originals) == len(set(originals)) == 4

    def test_the_reencoded_copy_is_a_third_as_large_and_looks_the_same(
        self, sample: SampleSet
    ) -> None:
        copy = defect_of(sample, "reencoded_copy")
        assert copy.original is not None
        assert copy.path.parts[0] == copy.original.parts[0]
        small, large = pixels(sample.folder / copy.path), pixels(sample.folder / copy.original)
        assert small.shape[0] == large.shape[0] // 3
        assert distance(small, large) < 8

    def test_the_mirrored_copy_is_near_once_turned_back(self, sample: SampleSet) -> None:
        copy = defect_of(sample, "mirrored_copy")
        assert copy.original is not None
        mirrored, original = (pixels(sample.folder / p) for p in (copy.path, copy.original))
        assert distance(np.ascontiguousarray(mirrored[:, ::-1]), original) < 4
        assert distance(mirrored, original) > 8

    def test_the_identical_copy_is_identical(self, sample: SampleSet) -> None:
        copy = defect_of(sample, "identical_copy")
        assert copy.original is not None
        first, second = ((sample.folder / p).read_bytes() for p in (copy.path, copy.original))
        assert first == second

    def test_one_picture_is_in_both_classes_with_other_bytes(self, sample: SampleSet) -> None:
        copy = defect_of(sample, "both_classes")
        assert copy.original is not None
        assert {copy.path.parts[0], copy.original.parts[0]} == set(CLASS_NAMES)
        first, second = (sample.folder / path for path in (copy.path, copy.original))
        assert first.read_bytes() != second.read_bytes()
        assert distance(pixels(first), pixels(second)) < 4

    def test_the_truncated_jpeg_begins_well_and_does_not_load(self, sample: SampleSet) -> None:
        path = sample.folder / defect_of(sample, "truncated").path
        with Image.open(path) as image, pytest.raises(OSError, match="truncated"):
            image.load()

    def test_the_text_is_text_whatever_its_suffix(self, sample: SampleSet) -> None:
        path = sample.folder / defect_of(sample, "text_as_image").path
        assert path.suffix == ".jpg"
        assert "404 Not Found" in path.read_text(encoding="utf-8")

    def test_the_exif_rotated_photo_is_upright_once_its_tag_is_obeyed(
        self, sample: SampleSet
    ) -> None:
        path = sample.folder / defect_of(sample, "exif_rotated").path
        with Image.open(path) as image:
            assert image.getexif()[0x0112] == 6
        drawing = draw_picture((1, 2), "sad")
        with Image.open(io.BytesIO(exif_rotated(drawing))) as image:
            assert image.size == drawing.shape[:2]
            upright = np.asarray(ImageOps.exif_transpose(image))
        assert upright.shape == drawing.shape
        assert distance(upright, drawing) < 3

    def test_the_sixteen_bit_png_has_sixteen_bits_and_uses_them(self, sample: SampleSet) -> None:
        path = sample.folder / defect_of(sample, "sixteen_bit").path
        with Image.open(path) as image:
            assert image.mode.startswith("I;16")
            assert np.asarray(image).max() > 255
        drawing = draw_picture((1, 2), "sad")
        with Image.open(io.BytesIO(sixteen_bit(drawing))) as image:
            levels = np.asarray(image).astype(int) // 257
        assert np.abs(levels - cv2.cvtColor(drawing, cv2.COLOR_RGB2GRAY)).max() <= 1

    def test_the_wrong_label_is_a_happy_face_under_sad(self, sample: SampleSet) -> None:
        path = defect_of(sample, "wrong_label").path
        assert path.parts[0] == "sad"
        tries = ((0, 2, 3, attempt) for attempt in range(1000))
        seed = next(candidate for candidate in tries if is_plain_to_see(candidate))
        drawn = pixels(sample.folder / path)
        assert distance(drawn, draw_picture(seed, "happy")) < 3

    def test_the_hidden_file_is_hidden_and_the_note_is_no_image(self, sample: SampleSet) -> None:
        assert defect_of(sample, "hidden_file").path.name == ".DS_Store"
        assert defect_of(sample, "not_an_image").path.suffix == ".txt"


class TestTheFolder:
    def test_the_same_set_is_left_as_it_is(self, tmp_path: Path) -> None:
        first = draw_sample(tmp_path, num_images=10)
        drawn_at = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert draw_sample(tmp_path, num_images=10) == first
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == drawn_at

    @pytest.mark.parametrize(("seed", "num_images"), [(1, 10), (0, 12)])
    def test_another_set_is_not_overwritten(
        self, tmp_path: Path, seed: int, num_images: int
    ) -> None:
        draw_sample(tmp_path, num_images=10)
        before = contents(tmp_path)
        with pytest.raises(DataError, match="another sample set"):
            draw_sample(tmp_path, seed=seed, num_images=num_images)
        assert contents(tmp_path) == before

    def test_a_set_of_another_version_is_not_overwritten(self, tmp_path: Path) -> None:
        draw_sample(tmp_path, num_images=10)
        manifest = tmp_path / ".candid-demo.json"
        older = {**json.loads(manifest.read_text()), "format_version": 0}
        manifest.write_text(json.dumps(older))
        with pytest.raises(DataError, match="another sample set"):
            draw_sample(tmp_path, num_images=10)

    @pytest.mark.parametrize("manifest", [None, "{", "[]", "\xff"])
    def test_a_foreign_folder_is_refused_and_left_alone(
        self, tmp_path: Path, manifest: str | None
    ) -> None:
        (tmp_path / "holiday.jpg").write_bytes(b"mine")
        if manifest is not None:
            (tmp_path / ".candid-demo.json").write_text(manifest, encoding="latin-1")
        before = contents(tmp_path)
        with pytest.raises(DataError, match="name a new folder"):
            draw_sample(tmp_path, num_images=10)
        assert contents(tmp_path) == before

    def test_a_damaged_manifest_is_a_data_error(self, tmp_path: Path) -> None:
        draw_sample(tmp_path, num_images=10)
        manifest = tmp_path / ".candid-demo.json"
        for entries in ([{"kind": "truncated"}], None, [3]):
            damaged = {**json.loads(manifest.read_text()), "plants": entries}
            manifest.write_text(json.dumps(damaged))
            with pytest.raises(DataError, match="draw it again"):
                draw_sample(tmp_path, num_images=10)

    def test_a_file_in_the_place_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "faces").write_text("mine")
        with pytest.raises(DataError, match="is a file"):
            draw_sample(tmp_path / "faces", num_images=10)

    @pytest.mark.parametrize(("seed", "num_images"), [(-1, 300), (0, 9)])
    def test_too_small_arguments_are_refused(
        self, tmp_path: Path, seed: int, num_images: int
    ) -> None:
        with pytest.raises(UsageError, match="Received: seed="):
            draw_sample(tmp_path / "faces", seed=seed, num_images=num_images)
        assert not (tmp_path / "faces").exists()

    def test_a_killed_demo_leaves_nothing_half_and_the_next_one_succeeds(
        self, tmp_path: Path
    ) -> None:
        folder = tmp_path / "faces"
        process = subprocess.run([sys.executable, "-c", KILLED_DEMO, str(folder)], check=False)
        assert process.returncode == 9
        assert any(folder.glob(".candid-demo.partial/*/*"))
        assert not any((folder / name).exists() for name in (*CLASS_NAMES, ".candid-demo.json"))
        draw_sample(folder, num_images=10)
        assert not (folder / ".candid-demo.partial").exists()

    @pytest.mark.parametrize("already_moved", [(), ("happy",), ("happy", "sad")])
    def test_a_demo_killed_while_moving_is_finished_by_the_next_one(
        self, tmp_path: Path, already_moved: tuple[str, ...]
    ) -> None:
        whole = draw_sample(tmp_path, num_images=10)
        before = contents(tmp_path)
        (tmp_path / ".candid-demo.partial").mkdir()
        for name in {"happy", "sad", ".candid-demo.json"} - set(already_moved):
            (tmp_path / name).rename(tmp_path / ".candid-demo.partial" / name)
        assert draw_sample(tmp_path, num_images=10) == whole
        assert contents(tmp_path) == before

    def test_leftovers_do_not_overwrite_what_came_later(self, tmp_path: Path) -> None:
        draw_sample(tmp_path / ".candid-demo.partial", num_images=10)
        (tmp_path / "happy").mkdir()
        (tmp_path / "happy" / "mine.jpg").write_bytes(b"mine")
        with pytest.raises(DataError, match="name a new folder"):
            draw_sample(tmp_path, num_images=10)
        assert contents(tmp_path) == {"happy/mine.jpg": b"mine"}

    def test_a_folder_that_can_not_be_written_is_a_data_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        with pytest.raises(DataError, match="can't be written"):
            draw_sample(tmp_path / "file" / "faces", num_images=10)

    def test_neither_matplotlib_nor_tensorflow_is_imported(self) -> None:
        program = (
            "import sys, candid.cli.demo; "
            "print([m for m in ('matplotlib', 'tensorflow', 'sklearn') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"
