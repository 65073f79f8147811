import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from candid.artifact import SPLIT
from candid.classifier import load
from candid.commands.export import export
from candid.errors import DataError, UsageError
from candid.exporting import FORMATS, ExportRequest, ParityError, export_run
from candid.exporting.command import open_source
from candid.exporting.int8_calibration import read_calibration
from candid.exporting.int8_gate import Answered, judge
from candid.exporting.int8_graph import quantise_graph
from candid.exporting.int8_source import RoundedGraph
from candid.exporting.int8_speed import measure_speed
from candid.exporting.int8_weights import round_weights
from candid.exporting.onnx import load_onnx
from candid.split import Row, Split
from candid.split_file import read_csv


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
    run, found = load(trained.folder).run(pixels), load_onnx(rounded.folder)(pixels)
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


def test_each_class_gives_as_many_photos_as_it_can(trained, monkeypatch):
    monkeypatch.setattr("candid.exporting.int8_calibration.MOST_PHOTOS", 10)
    taken = []

    def read(_folder, row, _contract):
        taken.append(row.label)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr("candid.exporting.int8_calibration.read_unchanged", read)
    labels = ["a"] * 30 + ["b"] * 2 + ["c"] * 30
    rows = [Row(f"{n}", label, "train", "", f"{n:03}") for n, label in enumerate(labels)]
    others = [Row("x", "a", "test", "", "x"), Row("copy", "a", "train", "", "000")]
    source = open_source(trained.folder)
    assert len(read_calibration(source, Split((*rows, *others), ()))) == 10
    assert [taken.count(name) for name in "abc"] == [4, 2, 4]


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


def answered(run, export, labels=None, tested=None):
    size = len(run)
    return Answered(
        np.zeros(size, np.int64) if labels is None else np.array(labels),
        np.arange(size),
        np.ones(size, np.bool_) if tested is None else np.array(tested),
        np.array(run),
        np.array(export),
    )


@pytest.mark.parametrize(
    ("wrong", "size", "holds"),
    [
        (0, 6, True),
        (1, 200, True),
        (8, 200, False),  # of accuracy: measurably less
        (6, 6, False),
        (12, 21, False),
    ],
)
def test_what_is_measurably_worse_is_refused(wrong, size, holds):
    assert judge(answered([0] * size, [1] * wrong + [0] * (size - wrong))).holds is holds


@pytest.mark.parametrize(("other", "holds"), [(4, True), (6, False)])
def test_of_100_labels_95_have_to_agree_however_right_they_are(other, holds):
    run, export = [1] * other + [0] * (100 - other), [0] * 100
    untested = judge(answered(run, export, tested=[False] * 100))
    assert untested.accuracy is None
    assert untested.holds is holds


def test_an_answer_that_is_no_number_is_another_label():
    assert judge(answered([0] * 20, [-1] * 20)).agreement.value == 0


def test_no_two_weights_are_too_large_for_16_bits():
    weights = np.random.default_rng(0).normal(size=(8, 20, 1, 1)).astype(np.float32)
    numbers = round_weights(weights, None, np.ones(20, np.float32), input_scale=0.1).weights
    ordered = np.sort(numbers.reshape(8, -1).astype(int), axis=1)
    assert (ordered[:, -2:].sum(axis=1) <= 128).all()
    assert (ordered[:, :2].sum(axis=1) >= -128).all()
    assert np.abs(ordered).max() >= 64


@pytest.mark.parametrize("num_groups", [1, 2, 6])
def test_rounding_changes_no_mean_output(num_groups):
    random = np.random.default_rng(num_groups)
    weights = random.normal(size=(6, 6 // num_groups, 3, 3)).astype(np.float32)
    means = random.uniform(1, 5, 6).astype(np.float32)
    bias = random.normal(size=6).astype(np.float32)
    rounded = round_weights(weights, bias, means, input_scale=1e-3)
    own = rounded.weights * rounded.scales[:, None, None, None]

    def mean_output(kernel, offsets):
        seen = means.reshape(num_groups, -1)[np.arange(6) * num_groups // 6]
        return (kernel.sum(axis=(2, 3)) * seen).sum(axis=1) + offsets

    corrected = rounded.bias * rounded.bias_scales
    np.testing.assert_allclose(mean_output(own, corrected), mean_output(weights, bias), atol=1e-3)
    assert np.abs(mean_output(own, bias) - mean_output(weights, bias)).max() > 5e-3


def test_a_filter_of_zeros_keeps_its_bias():
    zeros = np.zeros((1, 4, 1, 1), np.float32)
    rounded = round_weights(zeros, np.float32([3.5]), np.ones(4, np.float32), input_scale=0.02)
    assert rounded.bias[0] * rounded.bias_scales[0] == pytest.approx(3.5, rel=1e-6)


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


def test_a_graph_with_nothing_to_round_is_refused(trained):
    import onnx

    source = open_source(trained.folder)
    graph = onnx.ModelProto()
    graph.CopyFrom(source.graph)
    for node in graph.graph.node:
        node.op_type = "Identity" if node.op_type == "Conv" else node.op_type
    with pytest.raises(UsageError, match="nothing for --int8 to round"):
        quantise_graph(graph, np.zeros((1, 224, 224, 3), np.uint8))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_litert_in_eight_bits_rounds_the_backbone_and_leaves_the_rest(trained, tmp_path):
    pytest.importorskip("tensorflow")
    from ai_edge_litert.interpreter import Interpreter

    made = export_run(request(trained.folder, tmp_path / "out", to="litert"))
    assert made.parity.fidelity.agreement.value >= 0.95
    assert made.parity.num_bytes[1] < made.parity.num_bytes[0] / 2
    interpreter = Interpreter(model_path=str(made.folder / "model.tflite"))
    (image,) = interpreter.get_input_details()
    assert image["dtype"] is np.uint8
    assert {output["dtype"] for output in interpreter.get_output_details()} == {np.float32}
    tensors = interpreter.get_tensor_details()
    layers = [t for t in tensors if "block5.expand" in t["name"] and len(t["shape"]) == 4]
    assert {t["dtype"] for t in layers} == {np.int8}
    rest = [t["dtype"] for t in tensors if "novelty" in t["name"] or "scores" in t["name"]]
    assert rest
    assert np.int8 not in rest
