import json

import numpy as np
import onnxruntime as ort
import pytest

from candid.data.images import PixelContract
from candid.errors import ArtifactError
from candid.exporting.export import open_source
from candid.exporting.onnx import write_onnx
from candid.exporting.source import (
    Source,
    describe,
    read_manifest,
    to_properties,
    write_manifest,
)
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.runs.classifier import Classifier


@pytest.fixture(scope="module")
def source(trained):
    return open_source(trained.folder)


@pytest.fixture(scope="module")
def properties(source, tmp_path_factory):
    """The metadata_props of the ONNX file, read by ONNX Runtime, and the file."""
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(folder, source)
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map, folder / "model.onnx"


def from_properties(properties):
    """The JSON values of metadata_props; keys of others are left out."""
    prefix = "candid."
    return {
        key.removeprefix(prefix): json.loads(text)
        for key, text in properties.items()
        if key.startswith(prefix)
    }


def load_by_metadata(model, values):
    """A classifier made from an ONNX file and its metadata alone."""
    pixels, classes = values["pixels"], tuple(values["classes"])
    return Classifier(
        model,
        classes,
        PixelContract(pixels["size_px"], pixels["fit"]),
        rule=DecisionRule.from_json(values["rule"]),
        abstention=Abstention.from_json(values["abstention"], len(classes)),
    )


def test_the_onnx_file_contains_the_metadata_of_the_run(properties, source):
    assert from_properties(properties[0]) == json.loads(json.dumps(describe(source)))


def test_the_manifest_contains_the_metadata_of_the_run(source, tmp_path):
    write_manifest(tmp_path, describe(source))
    assert read_manifest(tmp_path) == json.loads(json.dumps(describe(source)))


def test_the_metadata_says_what_the_values_of_an_answer_are(source):
    answer = describe(source)["answer"]
    assert list(answer) == [
        "label",
        "probability",
        "probabilities",
        "positive_probability",
        "verdict",
        "possible",
        "familiarity",
    ]
    assert answer["probability"] == "0 to 1, of the label"
    assert set(answer) <= set(source.classifier.predict(b"").to_json())


def test_the_onnx_file_alone_is_enough_for_the_same_predictions(properties, source, faces):
    classifier = source.classifier
    again = load_by_metadata(properties[1].read_bytes(), from_properties(properties[0]))
    assert again.contract == classifier.contract
    assert again.rule == classifier.rule
    known, expected = again.abstention, classifier.abstention
    assert (known.coverage, known.false_alarms) == (expected.coverage, expected.false_alarms)
    np.testing.assert_array_equal(known.novelty, expected.novelty)
    for row, other in zip(known.nonconformity, expected.nonconformity, strict=True):
        np.testing.assert_array_equal(row, other)
    photos = sorted(faces.folder.glob("*/*.jpg"))[:4]
    assert len(photos) == 4
    assert again.predict(photos) == classifier.predict(photos)


def test_every_class_has_its_own_nonconformity_list(source):
    """A run refers to an earlier class with the same list; both classes here share theirs."""
    rows = describe(source)["abstention"]["nonconformity"]
    assert [type(row) for row in rows] == [list, list]
    assert rows[0] == rows[1]


def test_the_metadata_contains_costs_and_crop(source):
    classifier = source.classifier.with_rule(DecisionRule(costs={("sad", "happy"): 5.0}))
    classifier.contract = PixelContract(224, "crop")
    values = describe(Source(source.folder, classifier))
    assert DecisionRule.from_json(values["rule"]).costs == {("sad", "happy"): 5.0}
    assert values["pixels"]["fit"] == "crop"


def test_a_class_name_that_is_not_utf8_is_read_back_unchanged(tmp_path):
    values = {"classes": ["caf\udce9", "日本"]}
    write_manifest(tmp_path, values)
    assert read_manifest(tmp_path) == values
    stored = to_properties(values)
    assert {key: text.encode().decode() for key, text in stored.items()} == stored
    assert from_properties(stored) == values


@pytest.mark.parametrize("text", ["{", "[]", '"' + "[" * 100_000])
def test_a_damaged_manifest_is_refused(text, tmp_path):
    (tmp_path / "candid-export.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match="export again"):
        read_manifest(tmp_path)
