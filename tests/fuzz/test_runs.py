"""Loading a run with any manifest gives a working classifier or a one-line error."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper

from candid.errors import ArtifactError
from candid.runs.artifact import GOLDEN, MANIFEST, MODEL
from candid.runs.classifier import Classifier, load
from candid.training import Run
from tests.fuzz.budget import bounded_memory, fuzz
from tests.fuzz.mutations import mutated, mutated_json

SIZE_PX = 16
LIMIT_MIB = 300


def tiny_model() -> bytes:
    """What answers as a model does, and starts in a millisecond."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["embedding"], axes=[1, 2], keepdims=0),
        helper.make_node("Slice", ["embedding", "from", "to", "axis"], ["two"]),
        helper.make_node("Softmax", ["two"], ["probabilities"], axis=1),
        helper.make_node("ReduceMax", ["embedding"], ["novelty"], axes=[1], keepdims=0),
    ]
    shapes = {"probabilities": ["n", 2], "embedding": ["n", 3], "novelty": ["n"]}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    image = ["n", SIZE_PX, SIZE_PX, 3]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, image)]
    numbers = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in {"from": 0, "to": 2, "axis": 1}.items()
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, numbers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return bytes(made.SerializeToString())


@pytest.fixture
def tiny_run(trained: Run, tmp_path: Path) -> Path:
    """A run's manifest, with a model that starts at once."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    manifest = json.loads((trained.folder / MANIFEST).read_text())
    shutil.copy(trained.folder / "split.csv", folder)
    (folder / MODEL).write_bytes(tiny_model())
    manifest["pixels"]["size_px"] = SIZE_PX
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE_PX, SIZE_PX, 3), np.uint8)
    answered = Classifier(
        tiny_model(), ["a", "b"], load(trained.folder).contract.__class__(SIZE_PX)
    )
    probabilities = answered.model.run(pixels).probabilities
    np.savez_compressed(folder / GOLDEN, image=pixels, probabilities=probabilities)
    for known in [manifest["abstention"]]:
        known["novelty"] = known["novelty"][:30]
        known["nonconformity"] = [
            row if isinstance(row, int) else row[:30] for row in known["nonconformity"]
        ]
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (MODEL, GOLDEN, "split.csv")
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    classifier = load(folder, num_threads=1)
    classifier.check_golden(folder / GOLDEN)
    assert classifier.abstention is not None
    return folder


def one_line(error: Exception) -> None:
    assert str(error)
    assert "\n" not in str(error)


def test_a_mutated_manifest_gives_a_classifier_or_one_line(tiny_run: Path) -> None:
    manifest = (tiny_run / MANIFEST).read_bytes()
    values = json.loads(manifest)
    # What is read is changed far oftener than by chance among all there is.
    read = {name: values[name] for name in ("classes", "pixels", "rule", "abstention", "files")}
    picture = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)

    def check(data: bytes, whole: bool) -> None:
        text = data if whole else json.dumps(values | json.loads(data)).encode()
        (tiny_run / MANIFEST).write_bytes(text)
        try:
            classifier = load(tiny_run, num_threads=1)
        except ArtifactError as error:
            one_line(error)
            return
        answer = classifier.predict(picture)
        assert answer.label in classifier.classes
        assert all(math.isfinite(share) for share in answer.probabilities.values())
        json.dumps(answer.to_json(), allow_nan=False)
        assert isinstance(answer.answer, str)

    fields = st.tuples(mutated_json(read), st.just(False))
    texts = st.tuples(st.one_of(mutated_json(values), mutated([manifest])), st.just(True))
    with bounded_memory(LIMIT_MIB):
        fuzz(
            lambda drawn: check(*drawn),
            examples=150,
            drawn=st.one_of(fields, fields, texts),
        )


def test_mutated_golden_answers_hold_or_are_one_line(tiny_run: Path) -> None:
    classifier = load(tiny_run, num_threads=1)
    good = (tiny_run / GOLDEN).read_bytes()
    file = tiny_run / "mutated.npz"

    def check(data: bytes) -> None:
        file.write_bytes(data)
        try:
            classifier.check_golden(file)
        except ArtifactError as error:
            one_line(error)

    with bounded_memory(LIMIT_MIB):
        fuzz(check, examples=150, data=mutated([good]))
