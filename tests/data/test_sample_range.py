"""The range of deep samples belongs to the set, and ordinary photos are not looked at."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import pytest
import tifffile

from candid.core.cache import Cache
from candid.core.hashing import hash_bytes
from candid.data import file_reader, sample_range
from candid.data.file_reader import FileReader
from candid.data.images import Reading
from candid.data.sample_range import Looked, decide_range, range_of
from candid.data.scan import scan
from tests.dicom import encode_dicom


def seen(values: object, kind: str = "u", num_bits: int = 16, window: object = None) -> Looked:
    return Looked(kind, num_bits, window, np.asarray(values, np.float32))  # type: ignore[arg-type]


def spread(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 5000)


@pytest.mark.parametrize(
    ("looked", "expected"),
    [
        (seen(spread(0, 4000)), (0, 4095)),
        (seen(spread(0, 16383)), (0, 16383)),
        (seen(spread(0, 250)), (0, 255)),
        (seen(spread(0, 65535)), None),
        (seen(spread(0, 4000), "i"), (0, 4095)),
        (seen(spread(0, 900_000), num_bits=32), (0, 2**20 - 1)),
        (seen(spread(0, 1), "f", 32), (0, 1)),
        (seen(spread(0, 0.05), "f", 32), pytest.approx((0, 0.05), abs=1e-4)),
        (seen(spread(29_000, 31_000)), pytest.approx((29_000, 31_000), abs=2)),
        (seen(spread(-1000, 3000), "i"), pytest.approx((-1000, 3000), abs=2)),
        (seen(spread(-0.5, 8.25), "f"), pytest.approx((-0.5, 8.25), abs=0.01)),
        (seen([0] * 9), None),
        (seen([]), None),
    ],
)
def test_the_range_fits_the_samples(looked: Looked, expected: object) -> None:
    assert range_of([looked], num_deep=1)[0] == expected


def test_a_hot_pixel_changes_nothing() -> None:
    values = np.append(np.tile(spread(0, 4000), 10), [65535])
    assert range_of([seen(values)], num_deep=1)[0] == (0, 4095)


def test_one_window_is_kept_and_several_are_not() -> None:
    one, other = seen(spread(-900, 900), "i", window=(-160, 240)), seen(spread(0, 9), "i")
    assert range_of([one, one], num_deep=2)[0] == (-160, 240)
    assert range_of([one, other], num_deep=2)[0] == pytest.approx((-900, 900), abs=2)


def test_a_mixture_of_kinds_is_told() -> None:
    _, notes = range_of([seen(spread(0, 4000)), seen(spread(0, 1), "f")], num_deep=2)
    assert any("whole numbers" in note for note in notes)


def test_the_note_names_the_bits_and_the_range() -> None:
    _, [note] = range_of([seen(spread(0, 4000))], num_deep=60)
    assert note == "60 photos use 12 of 16 bits (0 to 4095); that range is kept in the model"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of 12-bit pictures, and a photo of 8 bits."""
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            values = random.integers(0, 4096, (40, 40)).astype(np.uint16)
            cv2.imwrite(str(tmp_path / "data" / name / f"{number}.png"), values)
    cv2.imwrite(str(tmp_path / "data" / "a" / "photo.jpg"), np.zeros((9, 9, 3), np.uint8))
    return tmp_path / "data"


def decide(folder: Path, cache: Cache, reading: Reading | None = None):  # type: ignore[no-untyped-def]
    reader = FileReader(cache)
    catalog = scan(folder, reader=reader)
    return decide_range(catalog, reading or Reading(), reader=reader, cache=cache)


def test_a_folder_is_decided_once(
    folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, notes = decide(folder, memory)
    assert first.sample_range == (0, 4095)
    assert notes[0].startswith("6 photos use 12 of 16 bits")
    monkeypatch.setattr(sample_range, "read_samples", None)
    assert decide(folder, memory)[0] == first


def test_what_the_person_says_is_kept(folder: Path, memory: Cache) -> None:
    reading = Reading(sample_range=(5, 6))
    assert decide(folder, memory, reading) == (reading, ())


def test_names_and_order_do_not_matter(folder: Path, memory: Cache) -> None:
    first, _ = decide(folder, memory)
    for file in sorted(folder.glob("*/*.png")):
        file.rename(file.with_stem(f"z{9 - int(file.stem)}"))
    assert decide(folder, memory)[0] == first


def test_ordinary_photos_are_not_read_again(
    folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in folder.glob("*/*.png"):
        cv2.imwrite(str(file), np.zeros((9, 9, 3), np.uint8))
    seen = reads(monkeypatch)
    assert decide(folder, memory) == (Reading(), ())
    assert sorted(seen) == sorted(folder.glob("*/*"))  # by the scan


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that are read, also by a scan."""
    paths: list[Path] = []
    monkeypatch.setattr(
        file_reader, "read_file", lambda path: paths.append(path) or path.read_bytes()
    )
    return paths


def test_samples_of_a_file_that_changed_after_the_scan_are_not_kept(
    folder: Path, memory: Cache
) -> None:
    changed, gone = folder / "a" / "0.png", folder / "a" / "1.png"
    before = {file: file.read_bytes() for file in (changed, gone)}
    reader = FileReader()
    catalog = scan(folder, reader=reader)
    cv2.imwrite(str(changed), np.full((40, 40), 60_000, np.uint16))
    gone.unlink()
    found, _ = decide_range(catalog, Reading(), reader=reader, cache=memory)
    assert found.sample_range == (0, 4095)
    contents = [photo.content for photo in catalog.photos]
    old = {hash_bytes(data) for data in before.values()}
    kept = {content for content, _ in memory.get("samples:v1", contents)}
    assert len(kept) == 4
    assert not kept & old


def test_few_deep_pictures_are_in_memory_at_a_time(
    folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candid.core.threads.num_cores", lambda: 6)
    monkeypatch.setattr(sample_range, "_AHEAD", 2)
    read_samples, lock, now = sample_range.read_samples, Lock(), [0, 0]

    def counted(data: bytes, reading: Reading) -> object:
        with lock:
            now[0] += 1
            now[1] = max(now)
        time.sleep(0.02)
        samples = read_samples(data, reading)
        with lock:
            now[0] -= 1
        return samples

    monkeypatch.setattr(sample_range, "read_samples", counted)
    assert decide(folder, memory)[0].sample_range == (0, 4095)
    assert now == [0, 2]


def test_every_kind_of_deep_file_is_known_by_its_header(tmp_path: Path, memory: Cache) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    values = np.arange(-800, 800, dtype=np.int16).reshape(40, 40)
    tifffile.imwrite(tmp_path / "a" / "1.tif", values, compression="zlib", byteorder=">")
    (tmp_path / "b" / "1").write_bytes(encode_dicom(values))
    reading, _ = decide(tmp_path, memory)
    assert reading.sample_range == pytest.approx((-800, 799), abs=2)


def test_a_file_that_can_not_be_decoded_is_passed_over(folder: Path, memory: Cache) -> None:
    good = next(folder.glob("b/*.png"))
    (folder / "a" / "cut.png").write_bytes(good.read_bytes()[:900])
    assert decide(folder, memory)[0].sample_range == (0, 4095)
