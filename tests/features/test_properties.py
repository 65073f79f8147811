"""Properties of files: values, cache, and agreement with CleanVision."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from cleanvision.issue_managers.image_property import (
    BrightnessProperty,
    calc_entropy,
)
from PIL import Image

import candid.features.properties as module
from candid.core import threads
from candid.core.cache import Cache
from candid.core.hashing import hash_bytes
from candid.data import file_reader
from candid.data.catalog import Catalog
from candid.data.images import PixelContract
from candid.data.scan import scan
from candid.features.properties import (
    PixelProperties,
    Properties,
    measure,
    measure_pixels,
)

KIND = "properties:v2:v2:224:squash"
Write = Callable[..., Path]


def catalog_of(folder: Path) -> Catalog:
    return scan(folder, to_train=False)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def drawn(kind: str, width: int = 160, height: int = 120) -> np.ndarray:
    """A picture of a kind, uint8 RGB."""
    rng = np.random.default_rng(len(kind))
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if kind == "dark":
        return smooth // 8
    if kind == "light":
        return 255 - smooth // 16
    if kind == "flat":
        return np.full((height, width, 3), (200, 120, 40), np.uint8)
    if kind == "blurred":
        return cv2.GaussianBlur(smooth // 4 + 90, (0, 0), 9)
    if kind == "grain":
        grain = rng.integers(-40, 40, smooth.shape)
        return np.clip(smooth.astype(int) + grain, 0, 255).astype(np.uint8)
    if kind == "stripes":
        band = width // 8
        smooth[:, band : 2 * band] = 255
        smooth[:, 2 * band : 3 * band] = 0
    return smooth


KINDS = ("smooth", "dark", "light", "flat", "blurred", "grain", "stripes")


class TestMeasure:
    def test_it_measures_a_file(self, tmp_path: Path, memory: Cache) -> None:
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "Xi"
        image = Image.fromarray(drawn("smooth"))
        file = save(tmp_path / "data" / "a" / "x.jpg", image, quality=71, exif=exif)
        catalog = catalog_of(tmp_path / "data")
        (found,) = measure(catalog, cache=memory).items()
        content, properties = found
        assert content == catalog.photos[0].content
        assert properties.pixels is not None
        assert replace(properties, pixels=None) == Properties(
            format="JPEG",
            width_px=120,
            height_px=160,
            num_bytes=file.stat().st_size,
            mode="RGB",
            num_frames=1,
            orientation=6,
            camera="Xi",
            jpeg_quality=71,
            decodable_share=1.0,
            pixels=None,
        )

    def test_copies_are_measured_once(
        self, folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "dog" / "copy.png").write_bytes((folder / "cat" / "a.png").read_bytes())
        seen: list[Path] = []
        catalog = catalog_of(folder)
        monkeypatch.setattr(
            file_reader, "read_file", lambda path: seen.append(path) or path.read_bytes()
        )
        assert len(measure(catalog, cache=memory)) == 4
        assert len(seen) == 4

    def test_a_truncated_photo_has_no_pixels_and_a_share(
        self, tmp_path: Path, memory: Cache
    ) -> None:
        buffer = io.BytesIO()
        noise = np.random.default_rng(0).integers(0, 256, (320, 240, 3), dtype=np.uint8)
        Image.fromarray(noise).save(buffer, "JPEG")
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "x.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        (properties,) = measure(catalog_of(tmp_path), cache=memory).values()
        assert properties.pixels is None
        assert properties.decodable_share == pytest.approx(0.5, abs=0.06)
        assert (properties.width_px, properties.height_px) == (240, 320)

    def test_a_file_whose_header_makes_no_sense_has_no_row(
        self, folder: Path, memory: Cache
    ) -> None:
        (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
        catalog = catalog_of(folder)
        broken = next(p.content for p in catalog.photos if p.path == "cat/broken.jpg")
        assert broken not in measure(catalog, cache=memory)
        assert list(memory.get(KIND, [broken])) == []

    def test_a_file_that_changed_after_the_scan_has_no_row(
        self, folder: Path, memory: Cache, write_picture: Write
    ) -> None:
        catalog = catalog_of(folder)
        write_picture(folder / "cat" / "a.png", seed=99)
        (folder / "cat" / "b.png").unlink()
        found = measure(catalog, cache=memory)
        assert found.keys() == {p.content for p in catalog.photos if p.label == "dog"}

    def test_its_progress_adds_up(self, folder: Path, memory: Cache) -> None:
        steps: list[tuple[str, int]] = []
        done: list[int] = []

        class Watch:
            @contextmanager
            def step(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
                steps.append((title, total))
                yield done.append

            def say(self, line: str) -> None:
                raise AssertionError(line)

        (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
        measure(catalog_of(folder), cache=memory, progress=Watch())
        assert steps == [("Measuring the photos", 5)]
        assert sum(done) == 5


class TestCache:
    def test_a_second_run_reads_no_photo(
        self, folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = measure(catalog_of(folder), cache=memory)
        catalog = catalog_of(folder)

        def fail(path: Path) -> bytes:
            raise AssertionError(path)

        monkeypatch.setattr(file_reader, "read_file", fail)
        assert measure(catalog, cache=memory) == first
        assert len(first) == 4

    @pytest.mark.parametrize(
        "damage",
        [
            lambda _: b"",
            lambda _: b"\xff\xfe",
            lambda _: b"[1, 2]",
            lambda _: b"7",
            lambda row: json.dumps({**row, "width_px": "48"}).encode(),
            lambda row: json.dumps({**row, "width_px": 48.0}).encode(),
            lambda row: json.dumps({**row, "num_frames": True}).encode(),
            lambda row: json.dumps({**row, "camera": None}).encode(),
            lambda row: json.dumps({k: v for k, v in row.items() if k != "mode"}).encode(),
            lambda row: json.dumps({k: v for k, v in row.items() if k != "pixels"}).encode(),
            lambda row: json.dumps({**row, "pixels": [1.0]}).encode(),
            lambda row: json.dumps({**row, "pixels": {**row["pixels"], "red": "x"}}).encode(),
            lambda row: json.dumps({**row, "pixels": {**row["pixels"], "red": np.nan}}).encode(),
            lambda row: json.dumps({**row, "pixels": {"red": 0.5}}).encode(),
        ],
    )
    def test_an_invalid_row_is_measured_again(
        self, folder: Path, memory: Cache, damage: Callable[[dict], bytes]
    ) -> None:
        catalog = catalog_of(folder)
        good = measure(catalog, cache=memory)
        content = catalog.photos[0].content
        memory.put(KIND, [(content, damage(asdict(good[content])))])
        assert measure(catalog, cache=memory) == good
        ((_, value),) = memory.get(KIND, [content])
        assert json.loads(value) == asdict(good[content])

    def test_a_row_is_short(self, folder: Path, memory: Cache) -> None:
        content = next(iter(measure(catalog_of(folder), cache=memory)))
        ((_, value),) = memory.get(KIND, [content])
        assert len(value) < 500

    def test_what_was_measured_before_an_interrupt_is_kept(
        self, tmp_path: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch, write_picture: Write
    ) -> None:
        for number in range(12):
            write_picture(tmp_path / "a" / f"{number:02}.png", seed=number)
        catalog = catalog_of(tmp_path)
        contents = [photo.content for photo in catalog.photos]
        measure_file = module._measure_file
        measured: set[str] = set()

        def interrupted(data: bytes, squashed: PixelContract) -> bytes:
            content = hash_bytes(data)
            if content == contents[7]:
                raise KeyboardInterrupt
            row = measure_file(data, squashed)
            measured.add(content)
            return row

        monkeypatch.setattr(module, "_measure_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measure(catalog, cache=memory)
        kept = {content for content, _ in memory.get(KIND, contents)}
        assert kept == measured >= set(contents[:7])


def close_to(properties: PixelProperties, **values: float) -> None:
    for name, value in values.items():
        assert getattr(properties, name) == pytest.approx(value, abs=2e-3), name


class TestPixels:
    def test_white_is_blown_out_and_black_is_dark(self) -> None:
        white = measure_pixels(np.full((128, 128, 3), 255, np.uint8))
        black = measure_pixels(np.zeros((128, 128, 3), np.uint8))
        close_to(white, brightness=1, dark_end=1, bright_end=1, saturation=0, entropy_bits=0)
        close_to(black, brightness=0, dark_end=0, bright_end=0, saturation=0, contrast=0)

    def test_the_mean_colour_is_that_of_the_channels(self) -> None:
        properties = measure_pixels(np.full((128, 128, 3), (204, 102, 51), np.uint8))
        close_to(properties, red=0.8, green=0.4, blue=0.2, saturation=0.75, contrast=0)

    def test_halves_of_black_and_white_have_one_bit_and_full_contrast(self) -> None:
        pixels = np.zeros((128, 128, 3), np.uint8)
        pixels[:, 64:] = 255
        properties = measure_pixels(pixels)
        close_to(properties, entropy_bits=1, contrast=0.5, red=0.5, dark_end=0, bright_end=1)


class TestCleanVision:
    """The same scores as CleanVision's own, on pictures that are drawn here."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("size", [(128, 128), (64, 40), (900, 700), (400, 1200)])
    def test_scores_agree_with_its_own(
        self, kind: str, size: tuple[int, int], tmp_path: Path, memory: Cache
    ) -> None:
        image = Image.fromarray(drawn(kind, *size))
        save(tmp_path / "a" / "x.png", image)
        (properties,) = measure(catalog_of(tmp_path), cache=memory).values()
        ours = properties.pixels
        assert ours is not None
        light = BrightnessProperty("light").calculate(image)
        assert ours.brightness == pytest.approx(light["brightness"], abs=0.01)
        assert ours.dark_end == pytest.approx(light["brightness_perc_5"], abs=0.06)
        assert ours.bright_end == pytest.approx(light["brightness_perc_99"], abs=0.06)

    @pytest.mark.parametrize("kind", KINDS)
    def test_without_a_resize_they_agree_closely(self, kind: str) -> None:
        pixels = drawn(kind, 64, 64)
        image = Image.fromarray(pixels)
        ours = measure_pixels(pixels)
        light = BrightnessProperty("light").calculate(image)
        assert ours.brightness == pytest.approx(light["brightness"], abs=1e-5)
        assert ours.dark_end == pytest.approx(light["brightness_perc_5"], abs=1e-5)
        assert ours.bright_end == pytest.approx(light["brightness_perc_99"], abs=1e-5)
        assert ours.entropy_bits == pytest.approx(calc_entropy(image.convert("L")), abs=0.02)


def test_threads_are_used(monkeypatch: pytest.MonkeyPatch, folder: Path, memory: Cache) -> None:
    catalog = catalog_of(folder)
    workers: list[object] = []
    pool = threads.ThreadPoolExecutor
    monkeypatch.setattr(
        threads, "ThreadPoolExecutor", lambda **kw: workers.append(kw) or pool(**kw)
    )
    measure(catalog, cache=memory)
    assert workers == [{"max_workers": os.cpu_count()}]
