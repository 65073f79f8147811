import json

import numpy as np
import onnxruntime as ort
import pytest

from candid.data.images import PixelContract
from candid.errors import ArtifactError
from candid.exporting.export import open_source
from candid.exporting.onnx import write_onnx
from candid.exporting.source import (
    Metadata,
    Source,
    describe,
    from_properties,
    read_manifest,
    to_properties,
    write_manifest,
)
from candid.models.decision_rule import DecisionRule
from candid.runs.classifier import Classifier


@pytest.fixture(scope="module")
def source(trained):
    return open_source(trained.folder)


@pytest.fixture(scope="module")
def properties(source, tmp_path_factory):
    """What stands in the ONNX file, read by ONNX Runtime, and the file."""
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(folder, source)
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map, folder / "model.onnx"


def assert_as_the_run(metadata, classifier):
    assert metadata.classes == classifier.classes
    assert metadata.contract == classifier.contract
    assert metadata.rule == classifier.rule
    known, expected = metadata.abstention, classifier.abstention
    assert (known.coverage, known.false_alarms) == (expected.coverage, expected.false_alarms)
    np.testing.assert_array_equal(known.novelty, expected.novelty)
    for row, other in zip(known.nonconformity, expected.nonconformity, strict=True):
        np.testing.assert_array_equal(row, other)


def test_what_travels_along_comes_back_from_the_onnx_file(properties, source):
    values = from_properties(properties[0])
    assert values == json.loads(json.dumps(describe(source)))
    assert_as_the_run(Metadata.from_json(values), source.classifier)


def test_what_travels_along_comes_back_from_the_file_beside(source, tmp_path):
    write_manifest(tmp_path, describe(source))
    assert_as_the_run(Metadata.from_json(read_manifest(tmp_path)), source.classifier)


def test_the_onnx_file_alone_makes_the_same_classifier(properties, source, faces):
    metadata = Metadata.from_json(from_properties(properties[0]))
    again = Classifier(
        properties[1].read_bytes(),
        metadata.classes,
        metadata.contract,
        rule=metadata.rule,
        abstention=metadata.abstention,
    )
    photos = sorted(faces.folder.glob("*/*.jpg"))[:4]
    assert len(photos) == 4
    assert again.predict(photos) == source.classifier.predict(photos)


def test_every_class_has_its_own_list_for_those_who_read_it_elsewhere(source):
    """Runs name an earlier class that has the same list; both classes of this one share theirs."""
    rows = describe(source)["abstention"]["nonconformity"]
    assert [type(row) for row in rows] == [list, list]
    assert rows[0] == rows[1]


def test_a_rule_with_costs_and_a_crop_travel_along(source):
    classifier = source.classifier.with_rule(DecisionRule(costs={("sad", "happy"): 5.0}))
    classifier.contract = PixelContract(224, "crop")
    metadata = Metadata.from_json(describe(Source(source.folder, classifier)))
    assert metadata.rule.costs == {("sad", "happy"): 5.0}
    assert metadata.contract.fit == "crop"


def test_a_class_whose_name_is_no_utf8_comes_back(tmp_path):
    values = {"classes": ["caf\udce9", "日本"]}
    write_manifest(tmp_path, values)
    assert read_manifest(tmp_path) == values
    stored = to_properties(values)
    assert {key: text.encode().decode() for key, text in stored.items()} == stored
    assert from_properties(stored) == values


def test_keys_of_other_people_are_left_alone():
    assert from_properties({"author": "x", "candid.classes": "[]"}) == {"classes": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"export_version": 2},
        {"classes": None},
        {"pixels": {"size_px": 0, "fit": "squash"}},
        {"rule": {"threshold": 2, "costs": []}},
        {"abstention": {}},
        {"abstention": {"nonconformity": [5, 5], "novelty": [0], "coverage": 0.9}},
    ],
)
def test_metadata_that_makes_no_sense_are_refused(wrong, source):
    with pytest.raises(ArtifactError, match="export again"):
        Metadata.from_json(describe(source) | wrong)


@pytest.mark.parametrize("text", ["{", "[]", '"' + "[" * 100_000])
def test_a_damaged_manifest_is_refused(text, tmp_path):
    (tmp_path / "candid-export.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match="export again"):
        read_manifest(tmp_path)


def test_a_damaged_property_is_refused():
    with pytest.raises(ArtifactError, match="export again"):
        from_properties({"candid.classes": "["})
