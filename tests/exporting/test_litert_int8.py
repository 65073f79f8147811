"""LiteRT in int8. The conversion takes seconds, so that all tests share one export."""

import tempfile
from types import SimpleNamespace

import numpy as np
import pytest

from candid.exporting import ExportRequest, export_run
from candid.exporting.int8.gate import Speed
from candid.exporting.litert import load_litert

# TensorFlow 2.21 does not know NumPy 2's `copy` yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LEFT = ("candid-litert-left", "candid-unrounded-left")


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    """The drawn faces in int8, the outputs that were timed, and the folder of temporary files.

    Calibrated with the fewest photos. Not to be written to.
    """
    pytest.importorskip("tensorflow")
    scratch = tmp_path_factory.mktemp("scratch")
    for name in LEFT:
        (scratch / name).mkdir()
        (scratch / name / "model").write_bytes(b"half of one")
    timed = []

    def measure(*sides):
        timed.extend(set(run(sides[-1][:1])) for run in sides[:2])
        return Speed(10.0, 20.0, 2.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setattr("candid.exporting.int8.calibration.MAX_PHOTOS", 8)
        patch.setattr("candid.exporting.int8.export.measure_speed", measure)
        folder = tmp_path_factory.mktemp("quantised") / "out"
        exported = export_run(ExportRequest(trained.folder, "litert", folder, int8=True))
    return SimpleNamespace(exported=exported, timed=timed, scratch=scratch)


@pytest.fixture(scope="module")
def interpreter(made):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_path=str(made.exported.folder / "model.tflite"))


def test_it_agrees_with_the_run_at_half_the_size(made):
    parity = made.exported.parity
    assert parity.num_calibration_photos == 8
    assert parity.comparison.agreement.value >= 0.95
    assert parity.num_bytes[1] < parity.num_bytes[0] / 2


def test_the_input_is_uint8_and_the_outputs_are_float32(interpreter):
    (image,) = interpreter.get_input_details()
    assert image["dtype"] is np.uint8
    assert {output["dtype"] for output in interpreter.get_output_details()} == {np.float32}


def test_only_the_backbone_is_quantised(interpreter):
    tensors = interpreter.get_tensor_details()
    layers = [t for t in tensors if "block5.expand" in t["name"] and len(t["shape"]) == 4]
    assert {t["dtype"] for t in layers} == {np.int8}
    rest = [t["dtype"] for t in tensors if "novelty" in t["name"] or "scores" in t["name"]]
    assert rest
    assert np.int8 not in rest


def test_both_are_timed_with_the_same_outputs_and_the_runs_runtime_is_noted(made):
    answers = load_litert(made.exported.folder)(np.zeros((1, 224, 224, 3), np.uint8))
    assert made.timed == [set(answers)] * 2
    assert "heatmap" in answers
    (note,) = [note for note in made.exported.notes if "the speed" in note]
    assert note.startswith("the speed is compared with that of the run in ONNX Runtime ")


def test_temporary_files_are_removed_and_so_are_those_of_killed_exports(made):
    assert not list(made.scratch.glob("candid-*"))
