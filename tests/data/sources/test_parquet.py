"""Parquet with the bytes of photos, as Hugging Face, pandas and others write it."""

from __future__ import annotations

import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from candid.data.catalog import scan
from candid.data.images import read_file
from candid.data.source import DataSource
from candid.data.sources import list_photos, parquet
from candid.data.sources.parquet import Cell
from candid.data.sources.root import LocalRoot
from candid.errors import DataError, DependencyError, ImageError
from tests.data.sources.made import labels, png, reasons, write_parquet

NAMES = {"label": ["cat", "dog"]}


def images(count: int, start: int = 0, *, path: str | None = None) -> list[dict[str, Any]]:
    """Cells as Hugging Face writes them."""
    named = ("" if path is None else path.format(i) for i in range(count))
    return [{"bytes": png(start + i), "path": name or None} for i, name in enumerate(named)]


def test_hugging_faces_columns_are_photos_and_classes(tmp_path: Path) -> None:
    columns = {"image": images(5, path="/home/ann/set/photo {}.jpg"), "label": [0, 1, 1, -1, None]}
    catalog = scan(write_parquet(tmp_path / "set.parquet", columns, names=NAMES))
    assert labels(catalog) == {
        "000000-photo 0.jpg": "cat",
        "000001-photo 1.jpg": "dog",
        "000002-photo 2.jpg": "dog",
    }
    assert set(reasons(catalog).values()) == {"without a class"}
    file = catalog.file(catalog.photos[2])
    assert read_file(pickle.loads(pickle.dumps(file))) == png(2)


def test_a_binary_column_and_classes_as_text_or_numbers_will_do(tmp_path: Path) -> None:
    for given in (["cat", "007", "NA", ""], [1, 7, 3, None], [1.0, 7.0, 3.0, None]):
        columns = {"image": [png(i) for i in range(4)], "label": given}
        catalog = scan(write_parquet(tmp_path / "set.parquet", columns))
        classes = [str(one).removesuffix(".0") for one in given[:3]]
        assert labels(catalog) == {f"00000{i}.png": name for i, name in enumerate(classes)}


def test_a_folder_has_the_parts_that_its_files_are_named_for(tmp_path: Path) -> None:
    for number, name in enumerate(["train-00000-of-00002", "train-00001-of-00002", "test/0000"]):
        columns = {"image": images(4, 4 * number), "label": [0, 1, 0, 1]}
        write_parquet(tmp_path / "set" / "data" / f"{name}.parquet", columns, names=NAMES)
    (tmp_path / "set" / ".gitattributes").write_text("x")
    (tmp_path / "set" / "README.md").write_text("x")
    catalog = scan(tmp_path / "set")
    assert [catalog.role(photo) for photo in catalog.photos] == ["test"] * 4 + ["train"] * 8
    assert catalog.photos[0].path == "data/test/0000.parquet/000000.png"


def test_other_columns_are_named(tmp_path: Path) -> None:
    columns = {"scan": images(2), "fine": [0, 1], "coarse": [1, 0], "note": ["a", "b"]}
    classes = {"fine": ["a", "b"], "coarse": ["c", "d"]}
    file = write_parquet(tmp_path / "set.parquet", columns, names=classes)
    with pytest.raises(DataError, match=r"could be meant: fine and coarse\. Name one with --label"):
        scan(file)
    assert scan(DataSource(file, label_column="coarse")).classes == ("c", "d")
    assert scan(DataSource(file, "scan", "note")).classes == ("a", "b")
    with pytest.raises(DataError, match=r"its column fine is int64; expected the bytes of photos"):
        scan(DataSource(file, "fine", "note"))


def test_several_columns_of_bytes_are_listed(tmp_path: Path) -> None:
    columns = {"left": [png(1)], "right": [png(2)], "label": ["x"]}
    with pytest.raises(DataError, match=r"could be meant: left and right\. Name one with --image"):
        scan(write_parquet(tmp_path / "set.parquet", columns))


def test_one_column_of_classes_needs_no_name(tmp_path: Path) -> None:
    columns = {"image": images(2), "species": [0, 1], "count": [3, 4]}
    file = write_parquet(tmp_path / "set.parquet", columns, names={"species": ["a", "b"]})
    assert scan(file).classes == ("a", "b")
    file = write_parquet(
        tmp_path / "set.parquet", {**columns, "kind": [1, 0]}, names={"kind": "yz"}
    )
    assert scan(DataSource(file, label_column="kind")).classes == ("y", "z")


def test_a_row_without_bytes_says_what_was_probably_meant(tmp_path: Path) -> None:
    """``to_parquet`` of datasets after ``imagefolder`` writes such; the path is never opened."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(png(1))
    cells = [*images(2), {"bytes": None, "path": str(tmp_path / "cat" / "1.png")}, None]
    cells.append({"bytes": None, "path": "/home/ann/2.png"})
    columns = {"image": cells, "label": ["x", "y", "x", "x", "y"]}
    found = reasons(scan(write_parquet(tmp_path / "set.parquet", columns)))
    start = "no bytes in its row, only the path"
    end = "which is not opened{}; embed_table_storage of datasets writes the bytes"
    meant = f" (perhaps cat/1.png in {tmp_path} is meant)"
    assert found == {
        "000002-1.png": f"{start} {tmp_path}/cat/1.png, {end.format(meant)}",
        "000003.png": "no bytes in its row",
        "000004-2.png": f"{start} /home/ann/2.png, {end.format('')}",
    }


def test_a_table_of_paths_may_be_parquet(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    columns = {"path": ["0.png", "1.png"], "label": ["x", "y"], "split": ["train", "test"]}
    catalog = scan(write_parquet(tmp_path / "set.parquet", columns))
    assert labels(catalog) == {"0.png": "x", "1.png": "y"}
    assert catalog.parts == ("test", "train")


def test_several_columns_of_0_and_1_are_classes(tmp_path: Path) -> None:
    columns = {"image": images(3), "cat": [1, 0, 1], "dog": [0.0, 1.0, 1.0]}
    file = write_parquet(tmp_path / "set.parquet", columns)
    catalog = scan(DataSource(file, label_column="cat,dog"))
    assert labels(catalog) == {"000000.png": "cat", "000001.png": "dog"}
    assert reasons(catalog) == {"000002.png": "of several classes: cat and dog"}


class TestCells:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        columns = {"image": images(60), "label": [i % 2 for i in range(60)]}
        return write_parquet(tmp_path / "set.parquet", columns, row_group_size=13)

    def test_any_row_is_read_by_any_thread(self, file: Path) -> None:
        listing = list_photos(DataSource(file))
        assert listing is not None
        rows = list(enumerate(row.file for row in listing.rows))
        random.Random(0).shuffle(rows)
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda row: read_file(row[1]), rows))
        assert read == [png(number) for number, _ in rows]

    def test_rows_in_order_are_read_once_in_bounded_memory(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened, most = [], []
        monkeypatch.setattr(parquet, "_MOST_KEPT_BYTES", 400)
        monkeypatch.setattr(parquet, "_BATCH_BYTES", 200)
        start = parquet._Window.__init__
        monkeypatch.setattr(
            parquet._Window, "__init__", lambda *args: opened.append(args[1].group) or start(*args)
        )
        for group, count in enumerate((13, 13, 13, 13, 8)):
            for row in range(count):
                cell = Cell(LocalRoot(file.parent), file.name, "image", group, row)
                assert cell.read(2**20) == png(13 * group + row)
                most.append(sum(one.num_bytes for one in parquet._windows._windows.values()))
        assert opened == [0, 1, 2, 3, 4]
        assert max(most) < 1300
        # A row that was passed is read again from the start of its group.
        assert Cell(LocalRoot(file.parent), file.name, "image", 4, 0).read(2**20) == png(52)

    def test_a_file_that_was_written_again_is_read_again(self, file: Path) -> None:
        cell = Cell(LocalRoot(file.parent), file.name, "image", 0, 3)
        assert cell.read(2**20) == png(3)
        write_parquet(file, {"image": images(20, 100), "label": [0] * 20})
        assert cell.read(2**20) == png(103)
        file.unlink()
        with pytest.raises(OSError, match="No such file"):
            cell.read(2**20)

    def test_listing_does_not_read_photos(self, tmp_path: Path) -> None:
        noise = random.Random(0).randbytes(300_000)
        columns = {"image": [png(0), *[noise] * 20], "label": ["x", *"y" * 20]}
        options = {"use_dictionary": False, "compression": "none", "data_page_size": 100_000}
        file = write_parquet(tmp_path / "set.parquet", columns, **options)
        data = bytearray(file.read_bytes())
        at = data.index(noise, 2_000_000) - 100  # of the page too
        data[at : at + 2_000_000] = b"x" * 2_000_000
        file.write_bytes(data)
        listing = list_photos(DataSource(file))
        assert listing is not None
        assert len(listing.rows) == 21
        with pytest.raises(ImageError, match="can't be read from Parquet: "):
            read_file(listing.rows[-1].file)  # type: ignore[arg-type]


def test_what_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "set.parquet"
    for data in (b"", b"PAR1", b"x" * 5000):
        file.write_bytes(data)
        with pytest.raises(DataError, match=r"can't be read as Parquet: .*\. Restore it\.$"):
            scan(file)


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candid.core.extras.find_spec", lambda _: None)
    (tmp_path / "set.parquet").write_bytes(b"PAR1")
    with pytest.raises(DependencyError, match=r'pip install "candid-image\[parquet\]"'):
        scan(tmp_path / "set.parquet")
