import json
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from candid.cli.commands.export import export
from candid.errors import DataError, UsageError
from candid.exporting import FORMATS, ExportRequest, ParityError, export_run
from candid.exporting.export import open_source
from candid.exporting.format import Opened
from candid.exporting.int8.calibration import read_calibration
from candid.exporting.int8.gate import Speed, measure_speed
from candid.exporting.int8.graph import RoundedGraph, quantise_graph
from candid.exporting.onnx import load_onnx
from candid.runs.artifact import SPLIT
from candid.runs.classifier import load
from candid.splits.split import read_csv


def request(run, folder, to="onnx", **options):
    return ExportRequest(run, to, folder, int8=True, **options)


@pytest.fixture(scope="module")
def rounded(trained, tmp_path_factory):
    """The drawn faces as ONNX in eight bits. Not to be written to."""
    return export_run(request(trained.folder, tmp_path_factory.mktemp("rounded") / "out"))


@pytest.fixture
def moved(copied_run, faces, tmp_path):
    """A run and its photos, both to be changed: (run, photos)."""
    photos = shutil.copytree(faces.folder, tmp_path / "photos")
    file = copied_run / "candid.json"
    manifest = json.loads(file.read_text("utf-8"))
    manifest["data"]["folder"] = str(photos)
    file.write_text(json.dumps(manifest), encoding="utf-8")
    return copied_run, photos


@pytest.fixture
def few_photos(monkeypatch):
    """Calibrates with as few photos as may be, for tests that are not about how good it is."""
    monkeypatch.setattr("candid.exporting.int8.calibration.MOST_PHOTOS", 8)


def remove(run, photos, *parts):
    for row in read_csv(run / SPLIT).rows:
        if row.part in parts:
            (photos / row.path).unlink()


def open_model(folder):
    import onnx

    return onnx.load(folder / "model.onnx")


def test_an_export_in_eight_bits_says_what_the_run_says(rounded, trained):
    fidelity = rounded.parity.fidelity
    rows = read_csv(trained.folder / SPLIT).rows
    asked = sum(row.part in ("test", "val") for row in rows)
    assert fidelity.agreement.n == asked + 3
    assert fidelity.agreement.value >= 0.95
    assert fidelity.accuracy.int8.n == sum(row.part == "test" for row in rows)
    assert fidelity.holds
    sizes = rounded.parity.num_bytes
    assert sizes[1] == (rounded.folder / "model.onnx").stat().st_size < sizes[0] / 2


def test_probabilities_move_by_a_little_and_not_at_all_where_nothing_was_rounded(rounded, trained):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    run, found = load(trained.folder).model.run(pixels), load_onnx(rounded.folder)(pixels)
    differences = np.linalg.norm(found["embedding"] - run.embedding, axis=1)
    shares = differences / np.linalg.norm(run.embedding, axis=1)
    assert 0 < shares.max() < 0.3
    before, after = (
        {value.name: value.raw_data for value in model.graph.initializer}
        for model in (open_source(trained.folder).graph, open_model(rounded.folder))
    )
    kept = {name for name in before if name.startswith(("scores.", "novelty.", "stem."))}
    assert len(kept) > 5
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert "head.kernel" in before
    assert "head.kernel" not in after


def test_the_manifest_has_the_figures_of_both(rounded):
    told = json.loads((rounded.folder / "candid-export.json").read_text("utf-8"))
    assert "parity" not in told
    figures = told["int8"]
    assert figures == rounded.parity.to_json()
    assert figures["num_calibration_photos"] > 8
    for name in ("accuracy", "called_unknown"):
        assert set(figures[name]) == {"run", "int8"}
        assert set(figures[name]["int8"]) == {"value", "low", "high", "n"}
    assert figures["accuracy_difference"]["low"] <= figures["accuracy_difference"]["high"]
    assert figures["bytes"]["int8"] < figures["bytes"]["run"]
    assert set(figures["images_per_s"]) == {"run", "int8", "ratio"}


def test_a_small_test_part_is_told(rounded):
    assert any("the test part has" in note for note in rounded.notes)


def test_the_page_shows_the_run_beside_the_export(rounded):
    text = rounded.to_text()
    assert "the run" in text
    assert "eight bits" in text
    assert "images a second" in text
    assert rounded.parity.to_text() in (rounded.folder / "README.md").read_text("utf-8")


def test_calibration_sees_training_photos_alone(rounded, moved, tmp_path):
    """With all other photos gone, the graph is the same to the last bit."""
    run, photos = moved
    remove(run, photos, "test", "val", "")
    again = export_run(request(run, tmp_path / "out"))
    assert again.parity.fidelity.accuracy is None
    assert any("gone or changed" in note for note in again.notes)
    graphs = [open_model(made.folder).graph.SerializeToString() for made in (rounded, again)]
    assert graphs[0] == graphs[1]


def test_photos_that_are_gone_are_an_error_in_one_line(moved, tmp_path, candid):
    run, photos = moved
    shutil.rmtree(photos)
    done = candid("export", run, "--to", "onnx", "--int8", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "Bring the photos back, or export without --int8" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_changed_photos_are_not_calibrated_with(moved):
    run, photos = moved
    for row in read_csv(run / SPLIT).rows:
        if row.part == "train":
            (photos / row.path).write_bytes(b"changed")
    with pytest.raises(DataError, match=r"0 of \d+ are as they were"):
        read_calibration(open_source(run), read_csv(run / SPLIT))


def scrambled(source, pixels, advance):
    """As a quantisation that went wrong would be: one layer's weights are in another order."""
    from onnx import numpy_helper

    graph = quantise_graph(source.graph, pixels, advance)
    for value in graph.graph.initializer:
        if value.name == "head.weights":
            mixed = numpy_helper.to_array(value)[::-1].copy()
            value.CopyFrom(numpy_helper.from_array(mixed, value.name))
    return RoundedGraph(source.folder, source.classifier, graph)


def test_a_broken_quantisation_is_refused_and_nothing_is_left(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], quantise=scrambled))
    with pytest.raises(ParityError, match=r"measurably worse than the run.*export without --int8"):
        export_run(request(trained.folder, tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["keras", "saved_model"])
def test_a_format_that_keeps_32_bits_says_which_do_not(to, trained, tmp_path):
    with pytest.raises(UsageError, match="--int8 is for onnx, litert"):
        export_run(request(trained.folder, tmp_path / "out", to=to))


@pytest.mark.usefixtures("few_photos")
def test_the_folder_is_named_for_it(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(export)
    done = CliRunner().invoke(app, [str(trained.folder), "--to", "onnx", "--int8", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["folder"] == str(tmp_path / "exports" / f"{trained.folder.name}-onnx-int8")
    assert told["int8"]["num_images"] > 3


@pytest.mark.parametrize("place", ["photos", "run"])
def test_an_export_among_the_photos_or_in_the_run_is_refused(place, moved):
    run, photos = moved
    inside = {"photos": photos, "run": run}[place] / "exported"
    with pytest.raises(UsageError, match=r"another --output"):
        export_run(ExportRequest(run, "onnx", inside))
    assert not inside.exists()


def test_both_are_timed_in_turns_on_one_image_a_call():
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
def test_the_run_gives_all_that_the_export_gives_while_they_are_timed(
    trained, tmp_path, monkeypatch
):
    asked = []

    def measure(run, export, pixels):
        asked.append((set(run(pixels)), set(export(pixels))))
        return Speed(10.0, 5.0, 0.5)

    monkeypatch.setattr("candid.exporting.int8.export.measure_speed", measure)
    made = export_run(request(trained.folder, tmp_path / "out"))
    assert asked == [({"probabilities", "embedding", "novelty", "heatmap"},) * 2]
    assert not any("its speed" in note for note in made.notes)
    assert "It is slower than the run here: what it saves is bytes." in made.to_text()


@pytest.mark.usefixtures("few_photos")
def test_where_the_run_is_run_by_something_else_no_speed_is_told(trained, tmp_path, monkeypatch):
    runtimes = iter(["Chromium 1", "ONNX Runtime 1"])

    @contextmanager
    def opened(folder):
        yield Opened(load_onnx(folder), next(runtimes))

    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], open=opened))
    made = export_run(request(trained.folder, tmp_path / "out"))
    assert made.parity.to_json()["images_per_s"] is None
    assert "images a second" not in made.to_text()
    assert "its speed was not measured: the run was in ONNX Runtime 1" in made.notes


@pytest.mark.usefixtures("few_photos")
def test_what_killed_exports_left_among_temporary_files_is_swept(trained, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    (scratch / "candid-unrounded-left").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    seen = []

    def measure(*_):
        seen.extend(path.name for path in scratch.glob("candid-*"))
        return Speed(10.0, 20.0, 2.0)

    monkeypatch.setattr("candid.exporting.int8.export.measure_speed", measure)
    export_run(request(trained.folder, tmp_path / "out"))
    (name,) = seen
    assert name.startswith("candid-unrounded-")
    assert name != "candid-unrounded-left"
    assert list(scratch.iterdir()) == []


def test_a_graph_with_nothing_to_round_is_refused(trained):
    import onnx

    source = open_source(trained.folder)
    graph = onnx.ModelProto()
    graph.CopyFrom(source.graph)
    for node in graph.graph.node:
        node.op_type = "Identity" if node.op_type == "Conv" else node.op_type
    with pytest.raises(UsageError, match="nothing for --int8 to round"):
        quantise_graph(graph, np.zeros((1, 224, 224, 3), np.uint8))
