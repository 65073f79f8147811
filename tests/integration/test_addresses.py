"""Every command takes addresses and catalogs, and gives what it gives for the folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import candid
from candid.auditing.audit import AuditOptions
from candid.cli.demo import SampleSet
from candid.data import fetching
from candid.data.catalog import scan
from candid.evaluation.verify import verify_run
from candid.exporting.export import ExportRequest, export_run
from candid.runs.classifier import load
from candid.splits.prepare import SplitOptions, prepare, split_prepared
from candid.splits.split import to_csv
from candid.splits.split_export import write_links
from candid.training import Run, TrainOptions, train
from tests.conftest import BACKBONE
from tests.s3_server import S3, every

Candid = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_FIRST_WAIT_S", 0.01)


@pytest.fixture
def bucket(s3: S3, faces: SampleSet) -> str:
    where = s3.put_folder(faces.folder, "faces")
    s3.asked.clear()
    return where


def parts_of(run: Path) -> tuple[bytes, bytes]:
    return (run / "split.csv").read_bytes(), (run / "model.onnx").read_bytes()


def test_training_on_a_catalog_gives_the_bytes_of_training_on_the_folder(
    trained: Run, faces: SampleSet, tmp_path: Path
) -> None:
    candid.catalog(faces.folder, tmp_path / "faces.parquet")
    options = TrainOptions(backbone=BACKBONE)
    run = train(tmp_path / "faces.parquet", run=tmp_path / "run", options=options)
    assert parts_of(run.folder) == parts_of(trained.folder)


@pytest.fixture(scope="module")
def on_bucket(
    _s3_server: S3, faces: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, list[str]]:
    """A run on photos in a bucket whose reads fail once in ten, without a cache; and its reads."""
    s3, folder = _s3_server, tmp_path_factory.mktemp("bucket")
    where = s3.put_folder(faces.folder, "trained")
    s3.asked.clear()
    failed: list[str] = []
    fault = every(10)

    def once_in_ten(line: str) -> int | None:
        status = fault(line)
        failed.extend([line] * (status is not None))
        return status

    s3.fault = once_in_ten
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "_FIRST_WAIT_S", 0.01)
        patch.setenv("CANDID_CACHE", str(folder / "cache"))
        run = train(where, run=folder / "run", options=TrainOptions(backbone=BACKBONE))
    s3.fault = lambda _: None
    reads = list(s3.reads)
    for line in failed:
        reads.remove(line.removeprefix("GET /photos/"))
    return run, reads


def test_training_on_a_bucket_gives_the_bytes_of_training_on_the_folder(
    trained: Run, on_bucket: tuple[Run, list[str]]
) -> None:
    run, _ = on_bucket
    assert parts_of(run.folder) == parts_of(trained.folder)
    manifest = json.loads((run.folder / "candid.json").read_text())
    assert manifest["data"]["folder"] == "s3://photos/trained"


def test_a_training_fetches_each_photo_once(on_bucket: tuple[Run, list[str]]) -> None:
    _, reads = on_bucket
    assert len(reads) == len(set(reads)) > 60


@pytest.mark.usefixtures("s3")
def test_a_run_on_a_bucket_is_verified_and_exported_from_it(
    on_bucket: tuple[Run, list[str]], tmp_path: Path
) -> None:
    run = on_bucket[0].folder
    assert not verify_run(run).differences
    assert export_run(ExportRequest(run, "onnx", tmp_path / "exported")).folder.is_dir()


def test_photos_of_a_bucket_are_predicted_as_those_of_the_folder(
    s3: S3, bucket: str, trained: Run, faces: SampleSet, candid: Candid
) -> None:
    done = candid("predict", bucket, "--run", trained.folder, "--json", **s3.variables)
    assert "S3CR3T" not in done.stdout + done.stderr
    found = {row.pop("path").removeprefix(bucket): row for row in json.loads(done.stdout)}
    local = load(trained.folder).predict(faces.folder)
    expected = {row.source.removeprefix(str(faces.folder)): row.to_json() for row in local}
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name] == {key: value for key, value in row.items() if key != "path"}
    assert len(s3.reads) == len(set(s3.reads))


def test_a_split_of_a_bucket_is_that_of_the_folder_and_is_written_as_files(
    bucket: str, faces: SampleSet, tmp_path: Path
) -> None:
    there, here = (prepare(data, backbone=BACKBONE) for data in (bucket, faces.folder))
    split = split_prepared(there, SplitOptions())
    assert to_csv(split) == to_csv(split_prepared(here, SplitOptions()))
    tree = write_links(there.catalog, split, tmp_path / "tree")
    assert len(tree.files) > 50
    assert not any(path.is_symlink() for path in (tmp_path / "tree").rglob("*"))


def test_an_audit_of_a_bucket_finds_what_that_of_the_folder_finds(
    bucket: str, faces: SampleSet, tmp_path: Path
) -> None:
    options = AuditOptions(backbone=BACKBONE)
    there, here = (candid.audit(data, options=options) for data in (bucket, faces.folder))
    assert there.to_json() | {"data": ""} == here.to_json() | {"data": ""}
    assert list(there.decisions()) == list(here.decisions())
    written = candid.write_audit(there, tmp_path / "audit")
    page = (tmp_path / "audit" / "audit.html").read_text()
    assert page.count("data:image/jpeg") > 5, written


def test_a_catalog_is_written_and_told(s3: S3, bucket: str, candid: Candid, work: Path) -> None:
    done = candid("catalog", bucket, "--to", "faces.parquet", **s3.variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "faces.parquet: 69 photos of 2 classes\n"
    assert "S3CR3T" not in done.stderr
    assert scan(work / "faces.parquet").photos == scan(bucket).photos
