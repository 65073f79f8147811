"""Photos of the same picture are in one group, and others are not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from candid.cli.demo import SampleSet
from candid.cli.demo.injected_defects import draw_picture
from candid.core.cache import Cache
from candid.data.catalog import Catalog, scan
from candid.data.images import PixelContract
from candid.data.source import DataSource
from candid.features.extract import Features, Thumbnails, extract_features
from candid.splits.duplicates import Groups, connect, find_duplicates, perceptual_hash

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_photos = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here")


def groups_by_path(catalog: Catalog, groups: Groups) -> dict[str, int]:
    paths = [photo.path for photo in catalog.photos]
    return dict(zip(paths, groups.of_photo.tolist(), strict=True))


def link(folder: Path, *files: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).symlink_to(file)


@pytest.fixture(scope="module")
def extracted(sample: SampleSet, embedder: Any) -> Features:
    return extract_features(scan(sample.folder), embedder, PixelContract(), cache=Cache(None))


class TestTheSampleSet:
    def test_injected_copies_are_grouped_with_their_originals_and_nothing_else_is(
        self, sample: SampleSet, extracted: Features
    ) -> None:
        of = groups_by_path(extracted.catalog, find_duplicates(extracted))
        copies = [plant for plant in sample.defects if plant.original]
        assert len(copies) == 4
        for plant in copies:
            assert of[plant.path.as_posix()] == of[str(plant.original.as_posix())], plant.kind
        assert len(set(of.values())) == len(of) - len(copies)

    def test_pairs_have_the_right_kind(self, sample: SampleSet, extracted: Features) -> None:
        groups = find_duplicates(extracted)
        paths = [photo.path for photo in extracted.catalog.photos]
        kinds = {frozenset((paths[c.first], paths[c.second])): c.kind for c in groups.copies}
        expected = {
            frozenset((p.path.as_posix(), p.original.as_posix())): (
                "exact" if p.kind == "identical_copy" else "near"
            )
            for p in sample.defects
            if p.original
        }
        assert kinds == expected
        assert all(copy.first < copy.second for copy in groups.copies)
        assert all(0.96 <= copy.correlation <= 1 for copy in groups.copies)

    def test_a_cheap_embedder_finds_reencoded_copies_all_the_same(
        self, sample: SampleSet, fake_embedder: Any, memory: Cache
    ) -> None:
        """The perceptual hash does not need the embedding."""
        fake_embedder.embed = lambda pixels: np.zeros((len(pixels), 4), np.float32)
        features = extract_features(
            scan(sample.folder), fake_embedder, PixelContract(), cache=memory
        )
        of = groups_by_path(features.catalog, find_duplicates(features))
        for plant in sample.defects:
            if plant.original:
                assert of[plant.path.as_posix()] == of[plant.original.as_posix()], plant.kind


class TestPicturesThatWereComparedBefore:
    """How alike two pictures are is in the cache; what follows from it may change."""

    @pytest.fixture
    def features(self, extracted: Features) -> Features:
        cached = Cache(None)
        contents = [photo.content for photo in extracted.catalog.photos]
        kind = extracted.thumbnails.kind
        cached.put(kind, extracted.thumbnails.cache.get(kind, contents))
        return replace(extracted, thumbnails=replace(extracted.thumbnails, cache=cached))

    def test_are_not_compared_again(
        self, features: Features, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = find_duplicates(features)
        monkeypatch.setattr(
            "candid.splits.duplicates.compare_details", lambda *_: pytest.fail("compared")
        )
        assert find_duplicates(features).copies == first.copies

    def test_are_judged_by_their_present_classes(
        self, features: Features, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        photos = list(features.catalog.photos)
        near = next(
            copy
            for copy in find_duplicates(features).copies
            if copy.kind == "near" and photos[copy.first].label == photos[copy.second].label
        )
        monkeypatch.setattr("candid.splits.registration.PLACE_AGREEMENT", 2.0)  # none agrees so
        assert near in find_duplicates(features).copies
        photos[near.second] = replace(photos[near.second], label="another")
        catalog = replace(features.catalog, photos=tuple(photos))
        pairs = {
            (c.first, c.second) for c in find_duplicates(replace(features, catalog=catalog)).copies
        }
        assert (near.first, near.second) not in pairs


class TestTheIndex:
    """The index for more than 20,000 photos, here used for a few dozen."""

    def test_finds_the_injected_copies_too(
        self, extracted: Features, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exact = find_duplicates(extracted)
        monkeypatch.setattr("candid.splits.neighbours.MAX_EXACT", 0)
        assert find_duplicates(extracted).copies == exact.copies

    @pytest.mark.parametrize("max_exact", [0, 20_000])
    def test_neither_it_nor_all_pairs_know_names_or_order(
        self, sample: SampleSet, tmp_path: Path, fake_embedder: Any, memory: Cache,
        max_exact: int, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("candid.splits.neighbours.MAX_EXACT", max_exact)
        files = sorted(sample.folder.glob("*/*"))
        for number, file in enumerate(files):
            link = tmp_path / file.parent.name / f"{len(files) - number:03}{file.suffix}"
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(file)
        found = []
        for folder in (sample.folder, tmp_path):
            features = extract_features(scan(folder), fake_embedder, PixelContract(), cache=memory)
            contents = [photo.content for photo in features.catalog.photos]
            found.append(
                {
                    (frozenset((contents[copy.first], contents[copy.second])), copy.correlation)
                    for copy in find_duplicates(features).copies
                }
            )
        assert found[0] == found[1]
        assert len(found[0]) == 4

    def test_of_blank_pages_prints_nothing(
        self, tmp_path: Path, fake_embedder: Any, memory: Cache,
        monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        """All hashes are equal, and all embeddings zero."""
        monkeypatch.setattr("candid.splits.neighbours.MAX_EXACT", 0)
        for number in range(80):
            path = tmp_path / f"class{number % 2}" / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), np.full((20 + number, 20, 3), 255, np.uint8))
        features = extract_features(scan(tmp_path), fake_embedder, PixelContract(), cache=memory)
        assert find_duplicates(features).num_pictures == 80
        assert capfd.readouterr() == ("", "")


class TestWithinAndAcrossClasses:
    """For these seeds, the happy and the sad face correlate by 0.97 or more as a whole."""

    SEEDS = (7, 68, 83, 276, 385)

    def draw(self, folder: Path, classes: tuple[str, str]) -> None:
        for seed in self.SEEDS:
            for label, mood in zip(classes, ("happy", "sad"), strict=True):
                target = folder / label / f"{seed}-{mood}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw_picture((seed,), mood)).save(target, quality=88)

    def test_a_happy_face_and_the_same_face_sad_are_two_pictures(
        self, tmp_path: Path, embedder: Any, memory: Cache
    ) -> None:
        self.draw(tmp_path, ("happy", "sad"))
        features = extract_features(scan(tmp_path), embedder, PixelContract(), cache=memory)
        assert find_duplicates(features).num_pictures == 2 * len(self.SEEDS)

    def test_within_a_class_they_are_kept_together(
        self, tmp_path: Path, embedder: Any, memory: Cache, write_picture: Any
    ) -> None:
        self.draw(tmp_path, ("face", "face"))
        write_picture(tmp_path / "other" / "a.png")
        features = extract_features(scan(tmp_path), embedder, PixelContract(), cache=memory)
        assert find_duplicates(features).num_pictures == len(self.SEEDS) + 1

    def test_the_same_bytes_in_two_classes_are_one_picture(
        self, folder: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        (folder / "dog" / "c.png").write_bytes((folder / "cat" / "a.png").read_bytes())
        features = extract_features(scan(folder), fake_embedder, PixelContract(), cache=memory)
        groups = find_duplicates(features)
        of = groups_by_path(features.catalog, groups)
        assert of["dog/c.png"] == of["cat/a.png"]
        assert [copy.kind for copy in groups.copies] == ["exact"]


@needs_photos
class TestRealPhotos:
    def test_cropped_and_mirrored_copies_of_the_tutorials_photos_are_found(
        self, tmp_path: Path, embedder: Any, memory: Cache
    ) -> None:
        """The sad man is in both classes, cropped; the woman with the hat is mirrored as well."""
        link(tmp_path / "happy", *(SHARED / "happy_sad" / "happy" / name for name in (
            "images14.jpg", "images30.jpg", "what-makes-people-happy.jpeg", "images27.jpg",
            "images.jpg", "960x0.jpg", "154006829.jpg")))  # fmt: skip
        link(tmp_path / "sad", *(SHARED / "happy_sad" / "sad" / name for name in (
            "image22.jpeg", "image8.jpeg", "Make-someone-sad-happy.jpg")))  # fmt: skip
        features = extract_features(scan(tmp_path), embedder, PixelContract(), cache=memory)
        of = groups_by_path(features.catalog, find_duplicates(features))
        assert of["happy/images14.jpg"] == of["sad/image22.jpeg"]
        assert of["happy/images30.jpg"] == of["happy/what-makes-people-happy.jpeg"]
        assert of["happy/images27.jpg"] == of["happy/images.jpg"]
        assert of["sad/image8.jpeg"] == of["sad/Make-someone-sad-happy.jpg"]
        assert len(set(of.values())) == 6

    def test_hands_that_make_the_same_sign_are_different_pictures(
        self, tmp_path: Path, embedder: Any, memory: Cache
    ) -> None:
        for sign in ("5", "6"):
            link(tmp_path / sign, *sorted((SHARED / "sign_digits" / sign).iterdir())[:60])
        features = extract_features(scan(tmp_path), embedder, PixelContract(), cache=memory)
        assert find_duplicates(features).num_pictures == 120


class TestEdges:
    def test_no_photos_are_no_pictures(self, tmp_path: Path, memory: Cache) -> None:
        nothing = Catalog(DataSource(tmp_path), ("cat", "dog"), (), ())
        none = np.empty((0, 0), np.float32)
        empty = Features(nothing, none, Thumbnails(memory, "kind"), none)
        groups = find_duplicates(empty)
        assert (groups.num_pictures, groups.copies) == (0, ())

    def test_many_blank_pages_are_neither_one_picture_nor_an_error(
        self, tmp_path: Path, fake_embedder: Any, memory: Cache
    ) -> None:
        for value in range(60):
            path = tmp_path / f"class{value % 2}" / f"{value}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), np.full((20, 20, 3), 4 * value, np.uint8))
        features = extract_features(scan(tmp_path), fake_embedder, PixelContract(), cache=memory)
        assert find_duplicates(features).num_pictures == 60

    def test_blocks_give_what_one_piece_gives(
        self, extracted: Features, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = find_duplicates(extracted)
        monkeypatch.setattr("candid.splits.duplicates._BLOCK", 5)
        monkeypatch.setattr("candid.splits.neighbours._BLOCK", 4)
        monkeypatch.setattr("candid.splits.registration._BLOCK", 6)
        pieces = find_duplicates(extracted)
        assert pieces.copies == whole.copies
        np.testing.assert_array_equal(pieces.of_photo, whole.of_photo)


class TestThePerceptualHash:
    def test_light_contrast_and_compression_change_few_bits(self) -> None:
        image = Image.fromarray(draw_picture((3,), "happy")).convert("L").resize((64, 64))
        stream = io.BytesIO()
        image.point(lambda value: 20 + 0.6 * value).save(stream, "JPEG", quality=40)
        copy = Image.open(stream)
        one, other = perceptual_hash(np.stack([np.asarray(image), np.asarray(copy)]))
        assert (one != other).sum() <= 4

    def test_different_pictures_differ_in_about_half_the_bits(self) -> None:
        images = [Image.fromarray(draw_picture((seed,), "sad")).convert("L") for seed in range(9)]
        hashes = perceptual_hash(np.stack([np.asarray(i.resize((64, 64))) for i in images]))
        distances = [(a != b).sum() for i, a in enumerate(hashes) for b in hashes[:i]]
        assert 20 < np.mean(distances) < 40
        assert set(np.unique(hashes)) == {-1, 1}


@given(st.integers(1, 30).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=40),
    )
))  # fmt: skip
def test_components_are_numbered_from_zero_and_closed_under_the_pairs(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    count, pairs = graph
    numbers = connect(count, pairs)
    assert all(numbers[a] == numbers[b] for a, b in pairs)
    firsts = [int(np.flatnonzero(numbers == number)[0]) for number in range(numbers.max() + 1)]
    assert firsts == sorted(firsts)
    reach = np.eye(count, dtype=bool)
    for a, b in pairs:
        reach[a, b] = reach[b, a] = True
    for _ in range(count):
        reach = reach @ reach
    np.testing.assert_array_equal(reach, numbers[:, None] == numbers)
