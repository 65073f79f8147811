"""Checks of how photos are stored."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.auditing.checks.encoding import ANIMATION, COLOUR_MODE, EXIF_ROTATION, ODD_ASPECT, TINY
from tests.auditing.made import evidence_of, of_size, unmeasured


def write_mode(path: Path, mode: str, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    if mode.endswith(";16"):
        channels = {"I;16": 1, "RGB;16": 3, "RGBA;16": 4}[mode]
        deep = np.random.default_rng(seed).integers(0, 65536, (24, 24, channels), dtype=np.uint16)
        cv2.imwrite(str(path), deep)
    else:
        Image.fromarray(noise).convert(mode).save(path)


def write_rotated(path: Path, orientation: int, seed: int = 0) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise).save(path, exif=exif)


def write_frames(path: Path, num_frames: int) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (num_frames, 24, 24, 3), dtype=np.uint8)
    first, *others = [Image.fromarray(frame) for frame in noise]
    if others:
        first.save(path, save_all=True, append_images=others)
    else:
        first.save(path)


class TestTiny:
    def test_it_finds_thumbnails_among_photos_the_smallest_first(self) -> None:
        outcome = TINY.run(evidence_of(of_size(60, 48), of_size(32, 200)))
        assert outcome.summary == "2 photos are tiny"
        assert [finding.summary for finding in outcome.findings] == [
            "a/00001.jpg: 32×200 px",
            "a/00000.jpg: 60×48 px",
        ]

    def test_the_summary_of_one_photo_is_singular(self) -> None:
        assert TINY.run(evidence_of(of_size(60, 48))).summary == "1 photo is tiny"

    def test_it_stays_quiet_on_small_photos_that_a_model_can_use(self) -> None:
        assert TINY.run(evidence_of(of_size(64, 64))).status == "clean"

    def test_a_photo_that_is_hardly_smaller_than_the_others_is_not_named(self) -> None:
        rows = [of_size(60, 60), *[of_size(100, 100)] * 20]
        assert TINY.run(evidence_of(*rows, usual=0)).status == "clean"

    def test_a_folder_that_is_tiny_as_a_whole_is_one_line(self) -> None:
        outcome = TINY.run(evidence_of(*[of_size(32, 32)] * 40, usual=0))
        assert outcome.summary == "half of the photos have 32 px or less on the shorter side"
        assert [finding.items for finding in outcome.findings] == [()]

    def test_in_a_tiny_folder_the_much_tinier_ones_are_named_too(self) -> None:
        outcome = TINY.run(evidence_of(of_size(8, 8), *[of_size(32, 32)] * 40, usual=0))
        assert outcome.summary.endswith("; 1 photo is tiny")
        assert [len(finding.items) for finding in outcome.findings] == [0, 1]

    def test_it_is_not_applicable_where_nothing_could_be_measured(self) -> None:
        assert TINY.run(unmeasured()).status == "not applicable"


class TestOddAspect:
    def test_it_finds_wide_and_high_photos_the_most_extreme_first(self) -> None:
        outcome = ODD_ASPECT.run(evidence_of(of_size(900, 300), of_size(200, 1000)))
        assert outcome.summary == "2 photos are of an extreme aspect ratio"
        assert [finding.summary for finding in outcome.findings] == [
            "a/00001.jpg: 200×1000 px, 5.0 to 1",
            "a/00000.jpg: 900×300 px, 3.0 to 1",
        ]

    @pytest.mark.parametrize("size", [(500, 500), (1600, 900), (1000, 350), (350, 1000)])
    def test_it_stays_quiet_on_usual_shapes(self, size: tuple[int, int]) -> None:
        assert ODD_ASPECT.run(evidence_of(of_size(*size))).status == "clean"

    def test_a_folder_of_panoramas_is_one_line(self) -> None:
        outcome = ODD_ASPECT.run(evidence_of(*[of_size(900, 200)] * 40, usual=5))
        assert outcome.summary == "most photos are of an extreme aspect ratio (40 of 50)"
        assert [finding.items for finding in outcome.findings] == [()]

    def test_it_is_not_applicable_where_nothing_could_be_measured(self) -> None:
        assert ODD_ASPECT.run(unmeasured()).status == "not applicable"


class TestColourMode:
    @pytest.mark.parametrize(
        ("file", "mode", "expected"),
        [
            ("x.png", "RGBA", "with transparency, laid over white"),
            ("x.png", "P", "with a palette"),
            ("x.gif", "P", "with a palette"),
            ("x.jpg", "CMYK", "in CMYK, converted without a colour profile"),
            ("x.jpg", "L", "in grey, others in colour"),
            ("x.png", "LA", "in grey with transparency, laid over white"),
            ("x.png", "1", "in black and white"),
            ("x.tif", "YCbCr", "in YCbCr"),
            ("x.png", "I;16", "in 16-bit grey, of which 8 bits are kept"),
            ("x.png", "RGB;16", "in 16-bit colour, of which 8 bits are kept"),
            ("x.tif", "RGB;16", "in 16-bit colour, of which 8 bits are kept"),
        ],
    )
    def test_it_names_what_is_converted(
        self, gather, folder: Path, file: str, mode: str, expected: str
    ) -> None:
        write_mode(folder / "cat" / file, mode)
        outcome = COLOUR_MODE.run(gather(folder))
        assert outcome.status == "found"
        assert outcome.summary == "1 photo is converted to 8-bit colour"
        (finding,) = outcome.findings
        assert finding.summary == f"1 photo stored {expected}: cat/{file}"
        assert [(item.path, item.note) for item in finding.items] == [
            (f"cat/{file}", f"stored as {mode}")
        ]

    def test_there_is_a_finding_a_mode_the_most_frequent_first(self, gather, folder: Path) -> None:
        write_mode(folder / "cat" / "grey.png", "L")
        for number in range(3):
            write_mode(folder / "dog" / f"{number}.png", "RGBA", seed=number)
        outcome = COLOUR_MODE.run(gather(folder))
        assert outcome.summary == "4 photos are converted to 8-bit colour"
        assert [len(finding.items) for finding in outcome.findings] == [3, 1]

    def test_a_mode_that_one_class_has_alone_is_said_to_be(self, gather, folder: Path) -> None:
        for number in range(8):
            write_mode(folder / "dog" / f"{number}.png", "L", seed=number)
            write_mode(folder / "cat" / f"{number}.png", "RGB", seed=20 + number)
        (finding,) = COLOUR_MODE.run(gather(folder)).findings
        assert finding.summary == (
            "8 photos stored in grey, others in colour: dog/0.png, dog/1.png, dog/2.png "
            "and 5 more; all are in dog"
        )

    def test_a_mode_that_both_classes_have_is_not(self, gather, folder: Path) -> None:
        for number in range(8):
            write_mode(folder / "dog" / f"{number}.png", "L", seed=number)
            write_mode(folder / "cat" / f"{number}.png", "L", seed=20 + number)
        (finding,) = COLOUR_MODE.run(gather(folder)).findings
        assert finding.summary.endswith("and 13 more")

    def test_it_stays_quiet_about_plain_colour(self, gather, folder: Path) -> None:
        write_mode(folder / "cat" / "x.jpg", "RGB")
        assert COLOUR_MODE.run(gather(folder)).status == "clean"

    def test_it_stays_quiet_where_all_are_grey(self, gather, tmp_path: Path) -> None:
        for number in range(4):
            write_mode(tmp_path / "data" / "cat" / f"{number}.png", "L", seed=number)
        assert COLOUR_MODE.run(gather(tmp_path / "data")).status == "clean"
        write_mode(tmp_path / "data" / "cat" / "deep.png", "I;16")
        (finding,) = COLOUR_MODE.run(gather(tmp_path / "data")).findings
        assert [item.path for item in finding.items] == ["cat/deep.png"]

    def test_it_does_not_apply_without_a_photo(self, gather, tmp_path: Path) -> None:
        (tmp_path / "data" / "cat").mkdir(parents=True)
        (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
        assert COLOUR_MODE.run(gather(tmp_path / "data")).status == "not applicable"


class TestExifRotation:
    @pytest.mark.parametrize("file", ["x.jpg", "x.png", "x.webp", "x.tif"])
    def test_it_fires_on_a_photo_that_is_turned(self, gather, folder: Path, file: str) -> None:
        write_rotated(folder / "cat" / file, 6)
        outcome = EXIF_ROTATION.run(gather(folder))
        assert outcome.status == "found"
        assert outcome.summary == "1 photo is rotated by EXIF"
        (finding,) = outcome.findings
        assert finding.summary == f"cat/{file}: rotated by EXIF"
        assert [(item.path, item.note) for item in finding.items] == [
            (f"cat/{file}", "stored on its side (orientation 6)")
        ]

    def test_a_class_that_has_all_of_them_is_named(self, gather, folder: Path) -> None:
        for number in range(6):
            write_rotated(folder / "dog" / f"{number}.jpg", 3, seed=number)
        for number in range(8):
            write_rotated(folder / "cat" / f"{number}.jpg", 1, seed=20 + number)
        outcome = EXIF_ROTATION.run(gather(folder))
        assert outcome.summary == "6 photos are rotated by EXIF; all are in dog"
        (finding,) = outcome.findings
        assert finding.summary == "dog/0.jpg, dog/1.jpg, dog/2.jpg and 3 more: rotated by EXIF"
        assert {item.note for item in finding.items} == {"stored upside down (orientation 3)"}

    def test_it_stays_quiet_about_upright_photos(self, gather, folder: Path) -> None:
        write_rotated(folder / "cat" / "x.jpg", 1)
        assert EXIF_ROTATION.run(gather(folder)).status == "clean"

    def test_it_does_not_apply_without_a_photo(self, gather, tmp_path: Path) -> None:
        (tmp_path / "data" / "cat").mkdir(parents=True)
        (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
        assert EXIF_ROTATION.run(gather(tmp_path / "data")).status == "not applicable"

    def test_opencv_does_what_the_remedy_says(self, tmp_path: Path) -> None:
        write_rotated(tmp_path / "x.jpg", 6)
        assert "OpenCV with IMREAD_UNCHANGED do not" in EXIF_ROTATION.remedy
        assert cv2.imread(str(tmp_path / "x.jpg"), cv2.IMREAD_UNCHANGED).shape == (24, 36, 3)
        assert cv2.imread(str(tmp_path / "x.jpg"), cv2.IMREAD_COLOR).shape == (36, 24, 3)


class TestAnimation:
    @pytest.mark.parametrize(
        ("file", "note"),
        [
            ("a.gif", "3 frames; the first is used"),
            ("a.png", "3 frames; the first is used"),
            ("a.webp", "3 frames; the first is used"),
            ("a.avif", "3 frames; the first is used"),
            ("a.tif", "3 pages; the first is used"),
        ],
    )
    def test_it_fires_on_several_frames(self, gather, folder: Path, file: str, note: str) -> None:
        write_frames(folder / "cat" / f"moving {file}", 3)
        outcome = ANIMATION.run(gather(folder))
        assert outcome.status == "found"
        assert outcome.summary == "1 file has more than one frame; only the first is used"
        (finding,) = outcome.findings
        assert finding.summary == f"cat/moving {file}: more than one frame"
        assert [(item.path, item.note) for item in finding.items] == [(f"cat/moving {file}", note)]

    @pytest.mark.parametrize("file", ["a.gif", "a.webp", "a.avif", "a.tif"])
    def test_it_stays_quiet_about_one_frame(self, gather, folder: Path, file: str) -> None:
        write_frames(folder / "cat" / file, 1)
        assert ANIMATION.run(gather(folder)).status == "clean"

    def test_a_truncated_animation_is_left_to_another_check(self, gather, folder: Path) -> None:
        write_frames(folder / "cat" / "x.png", 3)
        data = (folder / "cat" / "x.png").read_bytes()
        (folder / "cat" / "x.png").write_bytes(data[: data.index(b"IDAT") + 300])
        assert ANIMATION.run(gather(folder)).status == "clean"

    def test_it_does_not_apply_without_a_photo(self, gather, tmp_path: Path) -> None:
        (tmp_path / "data" / "cat").mkdir(parents=True)
        (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
        assert ANIMATION.run(gather(tmp_path / "data")).status == "not applicable"
