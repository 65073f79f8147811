"""From a name of the hub to a run that needs neither the hub nor the name any more."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from hub_server import DRAWN, serve

import candid
from candid.core.progress import Silent
from candid.errors import UsageError
from candid.evaluation.verify import verify_run
from candid.exporting.export import ExportRequest, export_run
from candid.features.backbones import registry
from candid.features.backbones.hub import HUB
from candid.features.backbones.origin import Origin
from candid.training import TrainOptions, train

pytest.importorskip("huggingface_hub", reason='comes with the extra "hub"')

NAME = "siglip2-base"  # its operator set, 18, is newer than that of Candid's own graphs


class Said:
    """A progress that keeps what is said."""

    def __init__(self):
        self.lines = []
        self.step = Silent().step

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    """A run on the faces with weights from a hub that is gone since; and what training said."""
    folder, said = tmp_path_factory.mktemp("hub"), Said()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANDID_CACHE", str(folder / "candid"))
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
        patch.setattr(registry, "_last", {})
        with serve() as hub:
            patch.setenv("HF_ENDPOINT", hub.address)
            sha256 = hub.publish(HUB[NAME], DRAWN[NAME][0]())
            patch.setitem(HUB, NAME, replace(HUB[NAME], sha256=sha256))
            options = TrainOptions(backbone=NAME)
            run = train(faces.folder, run=folder / "run", options=options, progress=said)
        yield run, said.lines


def test_the_run_names_source_hash_and_licence_and_training_says_them(trained):
    run, said = trained
    model = HUB[NAME]
    origin = Origin(
        model.repository, model.file, model.revision, model.sha256, "Apache-2.0", model.weights_of
    )
    assert run.classifier.require_manifest().origin == origin
    assert Origin.read_from(onnx.load(run.folder / "model.onnx")) == origin
    (line,) = [line for line in said if "licence" in line]
    assert "licence Apache-2.0" in line
    card = (run.folder / "MODEL_CARD.md").read_text()
    assert 'base_model: "google/siglip2-base-patch16-224"' in card
    (row,) = [line for line in card.splitlines() if line.startswith("- **Backbone:**")]
    assert all(part in row.replace("\\", "") for part in (model.sha256, "licence Apache-2.0"))
    assert model.revision in (run.folder / "report.html").read_text()


def test_it_predicts_from_its_folder_alone(trained, faces, tmp_path, monkeypatch):
    copied = Path(shutil.copytree(trained[0].folder, tmp_path / "run"))
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no hub"))
    monkeypatch.setattr(registry, "_last", {})
    answers = candid.load(copied).predict(faces.folder)
    assert sum(answer.label is not None for answer in answers) >= faces.num_images


def test_its_figures_can_be_verified(trained):
    assert not verify_run(trained[0].folder).differences


def test_it_is_exported_to_onnx_with_its_origin_and_not_to_keras(trained, tmp_path):
    export_run(ExportRequest(trained[0].folder, "onnx", tmp_path / "onnx"))
    described = json.loads((tmp_path / "onnx" / "candid-export.json").read_text())
    assert described["run"]["origin"]["license"] == "Apache-2.0"
    with pytest.raises(UsageError, match=r"came as an ONNX graph.*--to onnx"):
        export_run(ExportRequest(trained[0].folder, "keras", tmp_path / "keras"))
