"""Photos are decoded and embedded once per content; failures are rows with a reason."""

from __future__ import annotations

import colorsys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from candid.cli.demo import SampleSet
from candid.core import threads
from candid.core.cache import Cache
from candid.core.progress import Advance, Silent
from candid.data import file_reader
from candid.data.images import PixelContract, decode, read_file
from candid.data.images.decode import decode_upright
from candid.data.scan import scan
from candid.errors import CandidError, ImageError
from candid.features import extract, properties
from candid.features.extract import (
    NUM_COLOURS,
    THUMBNAIL_PX,
    colours_of,
    extract_features,
    shrink,
)
from candid.features.properties import measure

CONTRACT = PixelContract(size_px=96)


def noise(*, seed: int = 0, size: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def flat(red: int, green: int, blue: int, *, size: int = 32) -> np.ndarray:
    return np.full((size, size, 3), (red, green, blue), np.uint8)


class CountedDecoder:
    """Decodes and counts the calls."""

    def __init__(self) -> None:
        self.num_calls = 0
        self._lock = threading.Lock()

    def __call__(self, data: bytes, contract: PixelContract) -> np.ndarray:
        with self._lock:
            self.num_calls += 1
        return decode_upright(data, contract)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> CountedDecoder:
    counted = CountedDecoder()
    monkeypatch.setattr(extract, "decode_upright", counted)
    return counted


class TestWhatIsSeen:
    def test_rows_are_in_the_order_of_the_catalog(
        self, sample: SampleSet, fake_embedder: Any, memory: Cache
    ) -> None:
        features = extract_features(scan(sample.folder), fake_embedder, CONTRACT, cache=memory)
        photos = features.catalog.photos
        assert features.embeddings.dtype == np.float32
        assert len(features.embeddings) == len(photos)
        for row, photo in list(zip(features.embeddings, photos, strict=True))[::5]:
            pixels = decode(read_file(features.catalog.file(photo)), CONTRACT)
            np.testing.assert_array_equal(row, fake_embedder.embed(pixels[None])[0])
            thumbnail = features.thumbnails.get([photo.content])[0]
            np.testing.assert_array_equal(thumbnail, shrink(pixels))

    def test_thumbnails_come_in_the_order_asked_for_and_as_often(
        self, folder: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        features = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        a, b = (photo.content for photo in features.catalog.photos[:2])
        first, second, third = features.thumbnails.get([b, a, b])
        assert first.shape == (THUMBNAIL_PX, THUMBNAIL_PX)
        assert (first == third).all()
        assert (first != second).any()

    def test_a_thumbnail_is_grey_and_keeps_the_mean(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        assert shrink(pixels).shape == (64, 64)
        assert shrink(pixels).mean() == pytest.approx(127.5, abs=1)

    def test_the_real_embedder_sees_what_the_fake_one_sees(
        self, folder: Path, embedder: Any, memory: Cache
    ) -> None:
        features = extract_features(scan(folder), embedder, PixelContract(), cache=memory)
        assert features.embeddings.shape == (4, embedder.backbone.num_features)
        assert np.isfinite(features.embeddings).all()

    def test_progress_reaches_the_number_of_photos(
        self, sample: SampleSet, fake_embedder: Any, memory: Cache
    ) -> None:
        totals: list[int] = []
        steps: list[int] = []

        class Counting(Silent):
            @contextmanager
            def step(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
                totals.append(total)
                yield steps.append

        extract_features(
            scan(sample.folder), fake_embedder, CONTRACT, cache=memory, progress=Counting()
        )
        assert totals == [sum(steps)]


class TestOnce:
    def test_a_second_run_decodes_and_embeds_nothing(
        self, folder: Path, tmp_path: Path, fake_embedder: Any, decoder: CountedDecoder
    ) -> None:
        with Cache(tmp_path / "cache") as cache:
            first = extract_features(scan(folder), fake_embedder, CONTRACT, cache=cache)
        assert (decoder.num_calls, fake_embedder.num_seen) == (4, 4)
        with Cache(tmp_path / "cache") as cache:
            second = extract_features(scan(folder), fake_embedder, CONTRACT, cache=cache)
            contents = [photo.content for photo in second.catalog.photos]
            assert second.thumbnails.get(contents).shape == (4, 64, 64)
        assert (decoder.num_calls, fake_embedder.num_seen) == (4, 4)
        np.testing.assert_array_equal(first.embeddings, second.embeddings)

    def test_identical_files_are_decoded_once(
        self, folder: Path, fake_embedder: Any, memory: Cache, decoder: CountedDecoder
    ) -> None:
        for name in "xyz":
            (folder / "cat" / f"{name}.png").write_bytes((folder / "cat" / "a.png").read_bytes())
        features = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        assert decoder.num_calls == 4
        assert (features.embeddings[[2, 3, 4]] == features.embeddings[0]).all()

    def test_a_renamed_photo_is_known_and_a_new_one_is_looked_at(
        self, folder: Path, write_picture: Any, fake_embedder: Any, memory: Cache
    ) -> None:
        extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        (folder / "cat" / "a.png").rename(folder / "dog" / "moved.png")
        write_picture(folder / "cat" / "new.png", seed=99)
        extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        assert fake_embedder.num_seen == 5

    def test_another_backbone_or_contract_looks_again(
        self, folder: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        squashed = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        padded_contract = PixelContract(size_px=96, fit="pad")
        padded = extract_features(scan(folder), fake_embedder, padded_contract, cache=memory)
        fake_embedder.fingerprint = "another"
        extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        assert fake_embedder.num_seen == 12
        content = [squashed.catalog.photos[0].content]
        assert (squashed.thumbnails.get(content) != padded.thumbnails.get(content)).any()

    def test_a_damaged_cache_is_built_again(
        self, folder: Path, tmp_path: Path, fake_embedder: Any
    ) -> None:
        with Cache(tmp_path / "cache") as cache:
            first = extract_features(scan(folder), fake_embedder, CONTRACT, cache=cache)
        (tmp_path / "cache" / "cache.sqlite3").write_bytes(b"damaged" * 1000)
        with Cache(tmp_path / "cache") as cache:
            second = extract_features(scan(folder), fake_embedder, CONTRACT, cache=cache)
            second.thumbnails.get([photo.content for photo in second.catalog.photos])
        assert fake_embedder.num_seen == 8
        np.testing.assert_array_equal(first.embeddings, second.embeddings)

    def test_a_lost_thumbnail_is_made_again(
        self, folder: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        features = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        memory.put(features.thumbnails.kind, [(features.catalog.photos[0].content, b"short")])
        again = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        assert fake_embedder.num_seen == 5
        assert again.thumbnails.get([again.catalog.photos[0].content]).shape == (1, 64, 64)

    def test_rows_lost_while_in_use_are_a_known_error(
        self, folder: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        features = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        with pytest.raises(CandidError, match="Free some disk space"):
            features.thumbnails.get(["0" * 64])


class TestColours:
    @pytest.mark.parametrize("size", [1, 7, 64, 100, 260])
    def test_are_so_many_finite_shares(self, size: int) -> None:
        colours = colours_of(noise(size=size))
        assert colours.shape == (NUM_COLOURS,)
        assert colours.dtype == np.float32
        assert ((colours >= 0) & (colours <= 1)).all()
        assert colours[10:].sum() == pytest.approx(1)

    def test_do_not_change_when_pixels_change_places(self) -> None:
        pixels = noise()
        shuffled = np.random.default_rng(1).permutation(pixels.reshape(-1, 3)).reshape(pixels.shape)
        np.testing.assert_allclose(colours_of(shuffled), colours_of(pixels), atol=1e-5)

    @pytest.mark.parametrize("rgb", [(200, 100, 50), (0, 0, 0), (255, 255, 255), (10, 240, 240)])
    def test_of_one_colour_are_that_colour_without_spread(self, rgb: tuple[int, int, int]) -> None:
        colours = colours_of(flat(*rgb))
        shares = np.array(rgb) / 255
        np.testing.assert_allclose(colours[1:4], shares, atol=1e-5)
        assert colours[0] == pytest.approx(shares @ [0.299, 0.587, 0.114], abs=1e-5)
        assert colours[4] == pytest.approx(colorsys.rgb_to_hsv(*shares)[1], abs=1e-5)
        np.testing.assert_allclose(colours[5:10], 0, atol=1e-5)
        assert colours[10:].max() == 1

    def test_have_the_means_and_spreads_of_all_pixels_where_these_are_few(self) -> None:
        pixels = noise(size=40)
        colours = colours_of(pixels)
        shares = pixels.reshape(-1, 3) / 255
        np.testing.assert_allclose(colours[1:4], shares.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(colours[6:9], shares.std(axis=0), atol=1e-5)

    def test_of_a_large_picture_come_from_an_even_grid(self) -> None:
        pixels = np.concatenate([flat(0, 0, 0, size=260), flat(255, 255, 255, size=260)])
        colours = colours_of(pixels)
        assert colours[0] == pytest.approx(0.5, abs=0.02)
        np.testing.assert_allclose(colours[[10, 17]], 0.5, atol=0.02)


class TestUnreadable:
    def test_planted_files_that_give_no_pixels_are_skipped_with_a_reason(
        self, sample: SampleSet, fake_embedder: Any, memory: Cache
    ) -> None:
        catalog = scan(sample.folder)
        features = extract_features(catalog, fake_embedder, CONTRACT, cache=memory)
        reasons = {row.path: row.reason for row in features.catalog.skipped}
        broken = [p.path.as_posix() for p in sample.defects if p.kind == "text_as_image"]
        assert all(reasons[path].startswith("not an image: it starts with") for path in broken)
        assert len(features.catalog.photos) == len(catalog.photos) - len(
            features.catalog.skipped
        ) + len(catalog.skipped)

    def test_all_files_of_the_same_broken_content_are_named(
        self, folder: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        for path in ("cat/x.jpg", "dog/y.jpg"):
            (folder / path).write_text("<html>")
        features = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        assert [row.path for row in features.catalog.skipped] == ["cat/x.jpg", "dog/y.jpg"]

    def test_a_photo_deleted_after_the_scan_is_skipped(
        self, folder: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        catalog = scan(folder)
        (folder / "cat" / "a.png").unlink()
        features = extract_features(catalog, fake_embedder, CONTRACT, cache=memory)
        assert [(row.path, row.reason) for row in features.catalog.skipped] == [
            ("cat/a.png", "no such file")
        ]

    def test_a_photo_changed_after_the_scan_is_not_kept_under_its_old_content(
        self, folder: Path, write_picture: Any, fake_embedder: Any, memory: Cache
    ) -> None:
        original = (folder / "cat" / "a.png").read_bytes()
        catalog = scan(folder)
        write_picture(folder / "cat" / "a.png", seed=99)
        features = extract_features(catalog, fake_embedder, CONTRACT, cache=memory)
        assert features.catalog.skipped[0].reason == "changed while Candid was at work"
        (folder / "cat" / "a.png").write_bytes(original)
        again = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        expected = fake_embedder.embed(decode(original, CONTRACT)[None])[0]
        np.testing.assert_array_equal(again.embeddings[0], expected)

    def test_a_folder_in_which_nothing_gives_pixels_is_an_empty_catalog(
        self, tmp_path: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        for name in ("cat", "dog"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.jpg").write_text(name)
        features = extract_features(scan(tmp_path), fake_embedder, CONTRACT, cache=memory)
        assert features.catalog.photos == ()
        assert len(features.embeddings) == 0


class TestProperties:
    @pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
    def test_an_audit_finds_those_that_it_would_measure(
        self, fit: Any, sample: SampleSet, fake_embedder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contract = PixelContract(size_px=96, fit=fit)
        catalog = scan(sample.folder, to_train=False)
        with Cache(None) as cache, Cache(None) as empty:
            catalog = extract_features(catalog, fake_embedder, contract, cache=cache).catalog
            expected = measure(catalog, contract=contract, cache=empty)
            monkeypatch.setattr(file_reader, "read_file", lambda path: pytest.fail(str(path)))
            assert measure(catalog, contract=contract, cache=cache) == expected
        assert len(expected) == len({photo.content for photo in catalog.photos})

    def test_a_photo_without_them_is_embedded(
        self, folder: Path, fake_embedder: Any, memory: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise ImageError("its first page is damaged")

        monkeypatch.setattr(properties, "inspect", fail)
        features = extract_features(scan(folder), fake_embedder, CONTRACT, cache=memory)
        assert len(features.embeddings) == 4
        assert measure(features.catalog, contract=CONTRACT, cache=memory) == {}


class TestMemoryAndFailure:
    def test_the_pixels_of_few_photos_are_in_memory_at_once(
        self,
        tmp_path: Path,
        write_picture: Any,
        fake_embedder: Any,
        memory: Cache,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for number in range(120):
            write_picture(tmp_path / f"class{number % 2}" / f"{number}.png", seed=number)
        monkeypatch.setattr(threads, "num_cores", lambda: 2)
        alive = _AlivePixels()
        monkeypatch.setattr(extract, "decode_upright", alive.decode)
        extract_features(scan(tmp_path), fake_embedder, CONTRACT, cache=memory)
        assert alive.total == 120
        assert alive.most <= 20

    def test_an_error_of_the_embedder_is_raised_and_what_was_seen_before_is_kept(
        self, tmp_path: Path, write_picture: Any, fake_embedder: Any
    ) -> None:
        for number in range(120):
            write_picture(tmp_path / "data" / f"{number % 2}" / f"{number}.png", seed=number)
        embed = fake_embedder.embed

        def fail_late(pixels: np.ndarray) -> np.ndarray:
            if fake_embedder.num_seen >= 60:
                raise KeyboardInterrupt
            return embed(pixels)

        fake_embedder.embed = fail_late
        with Cache(tmp_path / "cache") as cache, pytest.raises(KeyboardInterrupt):
            extract_features(scan(tmp_path / "data"), fake_embedder, CONTRACT, cache=cache)
        before = fake_embedder.num_seen
        fake_embedder.embed = embed
        with Cache(tmp_path / "cache") as cache:
            extract_features(scan(tmp_path / "data"), fake_embedder, CONTRACT, cache=cache)
        assert 60 <= before < 80
        assert fake_embedder.num_seen - before < 120 - before + 40


class _AlivePixels:
    """Counts the decoded pictures in memory."""

    def __init__(self) -> None:
        self.total = self.most = self._now = 0
        self._lock = threading.Lock()

    def decode(self, data: bytes, contract: PixelContract) -> np.ndarray:
        pixels = decode_upright(data, contract)
        with self._lock:
            self.total += 1
            self._now += 1
            self.most = max(self.most, self._now)
        weakref.finalize(pixels, self._gone)
        return pixels

    def _gone(self) -> None:
        with self._lock:
            self._now -= 1
