"""NumPy archives in MedMNIST's layout become a folder, and keep their parts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from candid import AuditOptions, audit
from candid.data.npz import is_archive, unpack
from candid.errors import DataError
from candid.splits.split import read_csv
from candid.training import TrainOptions, train


def make(
    file: Path, *, channels: int = 3, counts: tuple[int, ...] = (24, 6, 8), **changed: object
) -> Path:
    """Bright and dark pictures with noise, in three parts."""
    random = np.random.default_rng(0)
    arrays: dict[str, object] = {}
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        labels = np.arange(count) % 2
        shape = (count, 28, 28, channels) if channels > 1 else (count, 28, 28)
        noise = random.integers(0, 90, shape)
        arrays[f"{part}_images"] = (
            noise + 150 * labels.reshape(-1, *[1] * (len(shape) - 1))
        ).astype(np.uint8)
        arrays[f"{part}_labels"] = labels[:, None].astype(np.uint8)
    np.savez_compressed(file, **(arrays | changed))
    return file


@pytest.mark.parametrize("channels", [1, 3])
def test_images_and_parts_are_those_of_the_archive(tmp_path: Path, channels: int) -> None:
    file = make(tmp_path / "set.npz", channels=channels)
    made = unpack(file, to=tmp_path / "made")
    counts = {part: len(list((made / part).rglob("*.png"))) for part in ("train", "val", "test")}
    assert counts == {"train": 24, "val": 6, "test": 8}
    with np.load(file) as arrays:
        for place, (pixels, label) in enumerate(
            zip(arrays["train_images"], arrays["train_labels"], strict=True)
        ):
            png = made / "train" / str(label[0]) / f"{place:06}.png"
            read = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)
            assert (read == (pixels if channels == 1 else pixels[..., ::-1])).all()


def test_an_audit_takes_one_too(tmp_path: Path) -> None:
    made = audit(make(tmp_path / "set.npz"), options=AuditOptions(backbone="efficientnet-lite0"))
    assert made.num_photos == 38
    assert made.parts == ("test", "train", "val")


def test_it_is_unpacked_once(tmp_path: Path) -> None:
    file = make(tmp_path / "set.npz")
    first = unpack(file, to=tmp_path / "made")
    before = first.stat().st_mtime_ns
    assert unpack(file, to=tmp_path / "made") == first
    assert first.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"train_labels": np.zeros((24, 14), np.uint8)}, "14 labels an image"),
        ({"train_labels": np.zeros(24, np.float32)}, "train_labels are float32"),
        ({"test_images": np.zeros((8, 28, 28, 28), np.uint8)}, "images of shape"),
        ({"test_images": np.zeros((5, 28, 28), np.uint8)}, "images of shape"),
        ({"test_images": np.zeros((8, 28, 28), np.float64)}, "images of float64"),
        ({"test_labels": np.array([{}] * 8)}, "can't be read"),
    ],
)
def test_another_layout_is_refused_in_a_line(
    tmp_path: Path, changed: dict[str, object], reason: str
) -> None:
    file = make(tmp_path / "set.npz", **changed)
    with pytest.raises(DataError, match=reason) as caught:
        unpack(file, to=tmp_path / "made")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "made").exists() or not list((tmp_path / "made").iterdir())


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"PK\x03\x04 no")
    assert is_archive(tmp_path / "set.npz")
    with pytest.raises(DataError, match="can't be read"):
        unpack(tmp_path / "set.npz", to=tmp_path / "made")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="no train_images"):
        unpack(tmp_path / "other.npz", to=tmp_path / "made")


def test_a_run_keeps_the_archive_s_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = make(tmp_path / "set.npz", counts=(30, 8, 10))
    run = train(file, options=TrainOptions(backbone="efficientnet-lite0"))
    assert run.folder.name == "set-transfer-1"
    rows = read_csv(run.folder / "split.csv").rows
    assert all(row.path.partition("/")[0] == row.part for row in rows)
    assert run.evaluation.test.accuracy.n == 10
