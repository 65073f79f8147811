"""``candid.json``: written and read as one type; runs of formats 2 and 3 keep loading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from onnx import TensorProto, helper

from candid import load
from candid.core.safe_json import to_json
from candid.errors import ArtifactError
from candid.evaluation.measures import FIGURES
from candid.runs.artifact import GOLDEN, MANIFEST, MODEL, SPLIT, read_manifest
from candid.runs.manifest import CnnSettings, Figures, Manifest, TransferSettings
from candid.runs.manifest_formats import READERS, find_reader
from candid.training import Run
from tests.manifests import SCHEMA, change, make_manifest

Change = Callable[[dict[str, Any]], object]
FILE = Path("run/candid.json")
DOCS = Path(__file__).parents[2] / "docs"

#: A manifest of format 2 as it was written when the format was frozen. Not to be changed: a later
#: format has a file of its own, and this one still loads.
FORMAT_2 = """{
  "format_version": 2,
  "candid_version": "0.1.0",
  "recipe": "transfer",
  "complete": true,
  "classes": ["happy", "sad"],
  "pixels": {"size_px": 4, "fit": "crop", "key": "v1:4:crop"},
  "rule": {"threshold": 0.25, "costs": []},
  "calibration": {"temperature": 1.5},
  "abstention": {
    "coverage": 0.8,
    "false_alarms": 0.4,
    "nonconformity": [[0.1, 0.2, 0.3, 0.4, 0.45], 0],
    "novelty": [100.0, 200.0]
  },
  "settings": {
    "backbone": "efficientnet-lite2",
    "strength": 30.0,
    "temperature": 1.5,
    "fitted_on": ["train", "val"],
    "num_images": 270,
    "seed": 7
  },
  "prepared_with": {"backbone": "efficientnet-lite2", "fit": "squash"},
  "data": {
    "folder": "/home/somebody/faces",
    "fingerprint": "d3703bbd8147066ccc02682770b274410069952f1243abd6dc7c943d00b0f9ab",
    "num_photos": 305,
    "num_pictures": 210,
    "notes": ["3 photos could not be read."]
  },
  "decisions": null,
  "metrics": {
    "accuracy": {"value": 0.9, "low": 0.75, "high": 1.0, "n": 30},
    "balanced_accuracy": null,
    "precision": null,
    "recall": null,
    "f1": null,
    "roc_auc": null,
    "average_precision": null,
    "log_loss": {"value": 1.25, "low": 0.5, "high": 2.5, "n": 30},
    "brier_score": null,
    "calibration_error": null,
    "binary_accuracy": null,
    "kfold_accuracy": null,
    "believe": "test",
    "kfold": null
  },
  "libraries": {"numpy": "2.4.6", "onnxruntime": "1.32.0"},
  "files": {}
}"""


#: The same of format 3, which added what of a file becomes a picture, and `sure_above`.
FORMAT_3 = (
    FORMAT_2.replace('"format_version": 2', '"format_version": 3')
    .replace(
        '"key": "v1:4:crop"}',
        '"key": "v1:4:crop:range=0,4095:page=2:bands=4,3,2", "sample_range": [0.0, 4095.0], '
        '"page": 2, "bands": [4, 3, 2], "max_pixels": 400000000}',
    )
    .replace(
        '"notes": ["3 photos could not be read."]',
        '"notes": ["3 photos could not be read."], "own_parts": '
        '{"mode": "strict", "parts": ["train", "test"], "num_copies": 4}, '
        '"image_column": "photo", "label_column": ""',
    )
    .replace(
        '"seed": 7',
        '"seed": 7, "origin": {"source": "a/b", "file": "onnx/model.onnx", "revision": "8b1f705a", '
        '"sha256": "f22797ea", "license": "Apache-2.0", "weights_of": null}',
    )
    .replace('"novelty": [100.0, 200.0]', '"novelty": [100.0, 200.0], "sure_above": 0.5')
)


def read_values(values: dict[str, Any]) -> Manifest:
    return find_reader(values["format_version"], FILE.parent)(values, FILE)


def brightness_model() -> bytes:
    """A graph of images of 4×4 pixels: the brighter one is, the likelier is the second class."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["embedding"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMean", ["embedding"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Div", ["mean", "white"], ["sad"]),
        helper.make_node("Sub", ["one", "sad"], ["happy"]),
        helper.make_node("Concat", ["happy", "sad"], ["probabilities"], axis=1),
        helper.make_node("ReduceMax", ["embedding"], ["novelty"], axes=[1], keepdims=0),
    ]
    shapes = {"probabilities": ["n", 2], "embedding": ["n", 3], "novelty": ["n"]}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 4, 4, 3])]
    numbers = [
        helper.make_tensor(name, TensorProto.FLOAT, [1, 1], [value])
        for name, value in {"white": 255.0, "one": 1.0}.items()
    ]
    graph = helper.make_graph(nodes, "brightness", inputs, outputs, numbers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return bytes(made.SerializeToString())


def grey(brightness: int) -> np.ndarray:
    return np.full((4, 4, 3), brightness, np.uint8)


def uneven(brightness: int) -> np.ndarray:
    """Like grey, but not blank: one pixel differs."""
    pixels = grey(brightness)
    pixels[0, 0] -= 1
    return pixels


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A run of format 2, written without the code that writes runs."""
    run = tmp_path / "old"
    run.mkdir()
    (run / MODEL).write_bytes(brightness_model())
    pixels = np.stack([grey(0), grey(255)])
    np.savez(run / GOLDEN, image=pixels, probabilities=np.eye(2, dtype=np.float32))
    (run / SPLIT).write_text("path,label,part,group,content\n")
    values = json.loads(FORMAT_2)
    values["files"] = {
        name: hashlib.sha256((run / name).read_bytes()).hexdigest()
        for name in (MODEL, GOLDEN, SPLIT)
    }
    (run / MANIFEST).write_text(json.dumps(values))
    return run


class TestARunOfFormat2:
    def test_loads_and_answers(self, old_run: Path) -> None:
        classifier = load(old_run)
        classifier.check_golden(old_run / GOLDEN)
        happy, between, sad = classifier.predict([grey(0), grey(77), grey(255)])
        assert (happy.label, between.label, sad.label) == ("happy", "sad", "sad")
        assert between.probabilities["sad"] == pytest.approx(77 / 255)
        dark, bright = classifier.predict([uneven(1), uneven(255)])
        assert (dark.verdict, bright.verdict) == ("sure", "unknown")
        assert classifier.contract.fit == "crop"

    def test_says_what_it_was_made_from(self, old_run: Path) -> None:
        manifest = read_manifest(old_run)
        assert (manifest.recipe, manifest.backbone) == ("transfer", "efficientnet-lite2")
        assert (manifest.settings.seed, manifest.strength) == (7, 30.0)
        assert manifest.data.num_pictures == 210
        assert manifest.metrics is not None
        assert manifest.metrics.accuracy is not None
        assert manifest.metrics.accuracy.n == 30
        assert manifest.metrics.kfold is None

    def test_knows_nothing_of_what_came_later(self) -> None:
        values = json.loads(FORMAT_2)
        values["pixels"]["page"] = "all"
        assert read_values(values).pixels.page is None

    def test_becomes_one_of_format_3_when_it_is_written(self) -> None:
        again = json.loads(read_values(json.loads(FORMAT_2)).to_bytes())
        jsonschema.validate(again, SCHEMA)
        assert again["format_version"] == 3
        assert again["pixels"]["sample_range"] is None


class TestARunOfFormat3:
    def test_is_as_the_schema_says(self) -> None:
        jsonschema.validate(json.loads(FORMAT_3), SCHEMA)

    def test_reads_photos_as_the_run_did(self) -> None:
        contract = read_values(json.loads(FORMAT_3)).pixels.contract()
        assert contract.sample_range == (0, 4095)
        assert (contract.page, contract.bands) == (2, (4, 3, 2))
        assert contract.max_pixels == 400_000_000
        key = json.loads(FORMAT_3)["pixels"]["key"]  # its version is that of the pixels at the time
        assert contract.key.partition(":")[2] == key.partition(":")[2]

    @pytest.mark.parametrize(
        ("name", "value"), [("sample_range", [1.0]), ("sample_range", [5, 5]), ("bands", [1, 2])]
    )
    def test_is_refused_with_a_contract_that_is_none(
        self, old_run: Path, name: str, value: object
    ) -> None:
        change(old_run, format_version=3, pixels=lambda pixels: pixels | {name: value})
        with pytest.raises(ArtifactError, match="is incomplete"):
            load(old_run)


class TestWriting:
    def test_gives_the_bytes_that_were_read(self, trained: Run) -> None:
        assert read_manifest(trained.folder).to_bytes() == (trained.folder / MANIFEST).read_bytes()

    def test_is_as_the_schema_says(self, trained: Run) -> None:
        jsonschema.validate(json.loads((trained.folder / MANIFEST).read_text()), SCHEMA)

    def test_keys_and_their_order_are_those_of_format_3(self) -> None:
        again = read_values(json.loads(FORMAT_3)).to_bytes()
        assert again == (json.dumps(json.loads(FORMAT_3), indent=2) + "\n").encode()

    def test_the_figures_are_those_that_are_measured(self) -> None:
        assert tuple(field.name for field in fields(Figures)) == FIGURES


class TestTheSchema:
    def test_is_what_the_types_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(DOCS)
        from make_schema import make

        assert make() == SCHEMA

    def test_is_strict_about_what_it_does_not_know(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        values = to_json(make_manifest())
        jsonschema.validate(values, SCHEMA)
        values["pixels"]["surprise"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(values, SCHEMA)


def put(*way: str | int, value: Any) -> Change:
    """Change the value at the end of a way."""

    def change(values: dict[str, Any]) -> None:
        inner: Any = values
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = value

    return change


DAMAGES: dict[str, Change] = {
    r"recipe: 'transfer' or 'finetune' or 'cnn' is expected, not text": put(
        "recipe", value="magic"
    ),
    r"complete: true or false is expected, not 1": put("complete", value=1),
    r"pixels: an object is expected, not a list": put("pixels", value=[]),
    r"pixels\.size_px: a whole number is expected, not text": put("pixels", "size_px", value="4"),
    r"pixels\.size_px: a whole number is expected, not true": put("pixels", "size_px", value=True),
    r"pixels\.size_px: .* from 1 to 2048 is expected, not 0": put("pixels", "size_px", value=0),
    r"pixels\.fit is missing": lambda values: values["pixels"].pop("fit"),
    r"rule\.threshold: a number from 0 to 1 is expected, not 1\.5": put(
        "rule", "threshold", value=1.5
    ),
    r"rule\.costs\[0\]\.cost: .* 0 or more is expected, not -1": put(
        "rule", "costs", value=[{"true": "happy", "predicted": "sad", "cost": -1}]
    ),
    r"calibration\.temperature: a finite number is expected, not nan": put(
        "calibration", "temperature", value=float("nan")
    ),
    r"calibration\.temperature: a number more than 0 is expected, not 0": put(
        "calibration", "temperature", value=0
    ),
    r"abstention\.coverage: .* strictly between 0 and 1 is expected, not 1": put(
        "abstention", "coverage", value=1
    ),
    r"abstention\.nonconformity\[0\]\[1\]: a number is expected, not null": put(
        "abstention", "nonconformity", 0, 1, value=None
    ),
    r"abstention\.novelty\[0\]: a finite number is expected, not inf": put(
        "abstention", "novelty", 0, value=float("inf")
    ),
    r"settings\.seed is missing": lambda values: values["settings"].pop("seed"),
    r"settings: those of the recipe cnn are expected": put("recipe", value="cnn"),
    r"prepared_with is missing": lambda values: values.pop("prepared_with"),
    r"data\.num_photos: .* 0 or more is expected, not -3": put("data", "num_photos", value=-3),
    r"data\.notes\[0\]: text is expected, not an object": put("data", "notes", 0, value={}),
    r"decisions: an object is expected, not text": put("decisions", value="many"),
    r"metrics is missing": lambda values: values.pop("metrics"),
    r"libraries, value 1: text is expected, not 2": put("libraries", "numpy", value=2),
    r"files, value 1: text is expected, not null": put("files", "a", value=None),
}


class TestReading:
    @pytest.mark.parametrize("said", DAMAGES)
    def test_refuses_in_a_line_what_is_not_of_the_format(self, said: str) -> None:
        values = json.loads(FORMAT_2)
        DAMAGES[said](values)
        with pytest.raises(ArtifactError, match=f"^{FILE} is incomplete: {said}.*train again") as e:
            read_values(values)
        assert len(str(e.value).splitlines()) == 1

    @pytest.mark.parametrize("part", ["abstention", "decisions", "metrics"])
    def test_takes_null_for_what_does_not_apply(self, part: str) -> None:
        values = json.loads(FORMAT_2) | {part: None}
        assert getattr(read_values(values), part) is None

    def test_takes_a_run_of_before_there_were_decisions(self) -> None:
        values = json.loads(FORMAT_2)
        del values["decisions"]
        assert read_values(values).decisions is None

    def test_repeats_no_text_of_the_file(self) -> None:
        values = json.loads(FORMAT_2) | {"recipe": "\x1b[31m<script>" * 1000}
        with pytest.raises(ArtifactError) as caught:
            read_values(values)
        assert "script" not in str(caught.value)

    def test_knows_the_settings_of_each_recipe(self) -> None:
        values = json.loads(FORMAT_2)
        assert isinstance(read_values(values).settings, TransferSettings)
        values["recipe"] = "cnn"
        values["settings"] = {
            "epochs": 3, "batch_size": 32, "seed": 1, "dtype": "float32",
            "num_parameters": 10, "temperature": 1.0,
        }  # fmt: skip
        manifest = read_values(values)
        assert isinstance(manifest.settings, CnnSettings)
        assert (manifest.backbone, manifest.strength) == (None, None)

    def test_a_version_without_a_reader_is_refused(self) -> None:
        assert list(READERS) == [2, 3]
        values = json.loads(FORMAT_2) | {"format_version": 4}
        with pytest.raises(ArtifactError, match=r"run has format version 4, expected 3\. Use"):
            read_values(values)
