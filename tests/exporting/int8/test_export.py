import json
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, repeat

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from candid.cli.commands.export import export
from candid.errors import DataError, UsageError
from candid.exporting import FORMATS, ExportRequest, ParityError, export_run
from candid.exporting.export import open_source
from candid.exporting.format import LoadedExport
from candid.exporting.int8.calibration import read_calibration
from candid.exporting.int8.gate import Speed, measure_speed
from candid.exporting.int8.graph import QuantisedOnnx, quantise_graph
from candid.exporting.onnx import load_onnx
from candid.runs.artifact import SPLIT
from candid.runs.classifier import load
from candid.splits.split import read_csv
from tests.exporting.path_leaks import leaks


def request(run, folder, to="onnx", **options):
    return ExportRequest(run, to, folder, int8=True, **options)


@pytest.fixture(scope="module")
def quantised(trained, tmp_path_factory):
    """The drawn faces as int8 ONNX. Not to be written to."""
    return export_run(request(trained.folder, tmp_path_factory.mktemp("quantised") / "out"))


@pytest.fixture
def moved(copied_run, faces, tmp_path):
    """Copies of a run and of its photos, to be changed: (run, photos)."""
    photos = shutil.copytree(faces.folder, tmp_path / "photos")
    file = copied_run / "candid.json"
    manifest = json.loads(file.read_text("utf-8"))
    manifest["data"]["folder"] = str(photos)
    file.write_text(json.dumps(manifest), encoding="utf-8")
    return copied_run, photos


@pytest.fixture
def few_photos(monkeypatch):
    """Calibrate with the fewest photos, for tests that do not depend on the accuracy.

    Nor are drawn photos read, or the speed measured.
    """
    monkeypatch.setattr("candid.exporting.int8.calibration.MAX_PHOTOS", 8)
    monkeypatch.setattr("candid.exporting.export.check_own_reading", lambda *_: None)
    monkeypatch.setattr("candid.exporting.int8.export.measure_speed", lambda *_: Speed(9, 9, 1))


def remove(run, photos, *parts):
    for row in read_csv(run / SPLIT).rows:
        if row.part in parts:
            (photos / row.path).unlink()


def open_model(folder):
    import onnx

    return onnx.load(folder / "model.onnx")


def test_an_int8_export_agrees_with_its_run(quantised, trained):
    comparison = quantised.parity.comparison
    rows = read_csv(trained.folder / SPLIT).rows
    num_photos = sum(row.part in ("test", "val") for row in rows)
    assert comparison.agreement.n == num_photos + 3
    assert comparison.agreement.value >= 0.95
    assert comparison.accuracy.int8.n == sum(row.part == "test" for row in rows)
    assert comparison.holds
    sizes = quantised.parity.num_bytes
    assert sizes[1] == (quantised.folder / "model.onnx").stat().st_size < sizes[0] / 2


def test_embeddings_differ_a_little_and_the_head_stays_float32(quantised, trained):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    run, found = load(trained.folder).model.run(pixels), load_onnx(quantised.folder)(pixels)
    differences = np.linalg.norm(found["embedding"] - run.embedding, axis=1)
    shares = differences / np.linalg.norm(run.embedding, axis=1)
    assert 0 < shares.max() < 0.3
    before, after = (
        {value.name: value.raw_data for value in model.graph.initializer}
        for model in (open_source(trained.folder).graph, open_model(quantised.folder))
    )
    kept = {name for name in before if name.startswith(("scores.", "novelty.", "stem."))}
    assert len(kept) > 5
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert "head.kernel" in before
    assert "head.kernel" not in after


def test_it_declares_what_onnx_runtime_1_16_and_older_load(quantised):
    model = open_model(quantised.folder)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 13)]
    assert model.ir_version == 7


def test_the_manifest_has_the_figures_of_run_and_export(quantised):
    manifest = json.loads((quantised.folder / "candid-export.json").read_text("utf-8"))
    assert "parity" not in manifest
    figures = manifest["int8"]
    assert figures == quantised.parity.to_json()
    assert figures["num_calibration_photos"] > 8
    for name in ("accuracy", "called_unknown"):
        assert set(figures[name]) == {"run", "int8"}
        assert set(figures[name]["int8"]) == {"value", "low", "high", "n"}
    assert figures["accuracy_difference"]["low"] <= figures["accuracy_difference"]["high"]
    assert figures["bytes"]["int8"] < figures["bytes"]["run"]
    assert set(figures["images_per_s"]) == {"run", "int8", "ratio"}


@pytest.mark.usefixtures("few_photos")
def test_a_sample_takes_photos_of_the_test_part_first(trained, tmp_path, monkeypatch):
    rows = read_csv(trained.folder / SPLIT).rows
    num_test = sum(row.part == "test" for row in rows)
    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], num_asked=1))
    monkeypatch.setattr("candid.exporting.export._INT8_TIMES", num_test + 2)
    made = export_run(request(trained.folder, tmp_path / "out"))
    assert made.parity.comparison.accuracy.int8.n == num_test
    assert made.parity.comparison.agreement.n == num_test + 2 + 3
    assert made.compared.asked.num_photos == num_test + 2
    assert made.compared.asked.num_listed == sum(row.part in ("test", "val") for row in rows)


def test_no_file_contains_a_path_of_this_machine(quantised, trained, faces):
    places = (quantised.folder.parent, trained.folder.parent, faces.folder)
    assert leaks(quantised.folder, *places) == []
    assert 'folder = Path("out")' in (quantised.folder / "README.md").read_text("utf-8")


def test_a_small_test_part_is_noted(quantised):
    assert any("the test part has" in note for note in quantised.notes)


def test_the_readme_compares_run_and_export(quantised):
    text = quantised.to_text()
    assert "Quantised to int8" in text
    assert "images per second" in text
    assert quantised.parity.to_text() in (quantised.folder / "README.md").read_text("utf-8")


def test_only_training_photos_are_used_for_calibration(quantised, moved, tmp_path):
    """With all other photos gone, the graph is the same to the last bit."""
    run, photos = moved
    remove(run, photos, "test", "val", "")
    again = export_run(request(run, tmp_path / "out"))
    assert again.parity.comparison.accuracy is None
    assert any("gone or changed" in note for note in again.notes)
    graphs = [open_model(made.folder).graph.SerializeToString() for made in (quantised, again)]
    assert graphs[0] == graphs[1]


def test_missing_photos_are_an_error_in_one_line(moved, tmp_path, candid):
    run, photos = moved
    shutil.rmtree(photos)
    done = candid("export", run, "--to", "onnx", "--int8", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "Bring the photos back, or export without --int8" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_changed_photos_are_not_used_for_calibration(moved):
    run, photos = moved
    for row in read_csv(run / SPLIT).rows:
        if row.part == "train":
            (photos / row.path).write_bytes(b"changed")
    with pytest.raises(DataError, match=r"0 of \d+ are unchanged"):
        read_calibration(open_source(run), read_csv(run / SPLIT))


def scrambled(source, pixels, advance):
    """A wrong quantisation: one layer's weights are in another order."""
    from onnx import numpy_helper

    graph = quantise_graph(source.graph, pixels, advance)
    for value in graph.graph.initializer:
        if value.name == "head.weights":
            mixed = numpy_helper.to_array(value)[::-1].copy()
            value.CopyFrom(numpy_helper.from_array(mixed, value.name))
    return QuantisedOnnx(source.folder, source.classifier, graph)


@pytest.mark.usefixtures("few_photos")
def test_a_broken_quantisation_is_refused_and_removed(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], quantise=scrambled))
    with pytest.raises(ParityError, match=r"measurably worse than the run.*export without --int8"):
        export_run(request(trained.folder, tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["keras", "saved_model"])
def test_a_float_format_is_refused_with_the_int8_formats_listed(to, trained, tmp_path):
    with pytest.raises(UsageError, match=r"can't be quantised\. --int8 is for onnx, litert, web"):
        export_run(request(trained.folder, tmp_path / "out", to=to))


@pytest.mark.usefixtures("few_photos")
def test_the_default_folder_ends_with_int8(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(export)
    done = CliRunner().invoke(app, [str(trained.folder), "--to", "onnx", "--int8", "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["folder"] == str(tmp_path / "exports" / f"{trained.folder.name}-onnx-int8")
    assert printed["int8"]["num_images"] > 3


@pytest.mark.parametrize("place", ["photos", "run"])
def test_an_export_among_the_photos_or_in_the_run_is_refused(place, moved):
    run, photos = moved
    inside = {"photos": photos, "run": run}[place] / "exported"
    with pytest.raises(UsageError, match=r"another --output"):
        export_run(ExportRequest(run, "onnx", inside))
    assert not inside.exists()


def test_both_are_timed_alternately_with_one_image_per_call():
    calls = []
    speed = measure_speed(
        lambda pixels: calls.append(("run", pixels.shape)),
        lambda pixels: calls.append(("export", pixels.shape)),
        np.zeros((3, 2, 2, 3), np.uint8),
    )
    assert [name for name, _ in calls[:4]] == ["run", "export"] * 2
    assert {shape for _, shape in calls} == {(1, 2, 2, 3)}
    assert speed.ratio > 0


@pytest.mark.usefixtures("few_photos")
def test_both_are_timed_with_the_same_outputs_and_no_temporary_files_are_left(
    trained, tmp_path, monkeypatch
):
    scratch = tmp_path / "scratch"
    (scratch / "candid-unrounded-left").mkdir(parents=True)  # by an export that was killed
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    names, calls = [], []

    def measure(run, export, pixels):
        names.extend(path.name for path in scratch.glob("candid-*"))
        calls.append((set(run(pixels)), set(export(pixels))))
        return Speed(10.0, 5.0, 0.5)

    monkeypatch.setattr("candid.exporting.int8.export.measure_speed", measure)
    made = export_run(request(trained.folder, tmp_path / "out"))
    assert calls == [({"probabilities", "embedding", "novelty", "heatmap"},) * 2]
    assert not any("the speed" in note for note in made.notes)
    assert "It is slower than the run on this machine, only smaller." in made.to_text()
    (name,) = names
    assert name.startswith("candid-unrounded-")
    assert name != "candid-unrounded-left"
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("few_photos")
def test_no_speed_is_reported_if_the_runtimes_differ(trained, tmp_path, monkeypatch):
    runtimes = chain(["Chromium 1"], repeat("ONNX Runtime 1"))

    @contextmanager
    def open_export(folder):
        yield LoadedExport(load_onnx(folder), next(runtimes))

    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], open=open_export))
    made = export_run(request(trained.folder, tmp_path / "out"))
    assert made.parity.to_json()["images_per_s"] is None
    assert "images per second" not in made.to_text()
    assert "the speed was not measured: the run was in ONNX Runtime 1" in made.notes


def test_a_graph_without_layers_to_quantise_is_refused(trained):
    import onnx

    source = open_source(trained.folder)
    graph = onnx.ModelProto()
    graph.CopyFrom(source.graph)
    for node in graph.graph.node:
        node.op_type = "Identity" if node.op_type == "Conv" else node.op_type
    with pytest.raises(UsageError, match="no layer for --int8 to quantise"):
        quantise_graph(graph, np.zeros((1, 224, 224, 3), np.uint8))
