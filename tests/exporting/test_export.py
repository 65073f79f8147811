import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from candid.cli.commands.export import FormatName, export
from candid.errors import ArtifactError, DependencyError, UsageError
from candid.exporting import FORMATS, ExportRequest, ParityError, export_run
from candid.exporting.onnx import ONNX, write_onnx
from candid.splits.split import read_csv
from tests.exporting.path_leaks import leaks

NUM_GOLDEN = 3


def request(run, tmp_path, to="onnx", **options):
    return ExportRequest(run, to, tmp_path / "exported", **options)


def use(monkeypatch, form):
    monkeypatch.setitem(FORMATS, form.name, form)


def change_manifest(run, **values):
    file = run / "candid.json"
    manifest = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(manifest | values), encoding="utf-8")


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The drawn faces as ONNX. Not to be written to."""
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    return export_run(ExportRequest(trained.folder, "onnx", folder))


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of that export where `request` wants one, to be changed."""
    return Path(shutil.copytree(exported.folder, tmp_path / "exported"))


@pytest.fixture
def quick_gate(monkeypatch):
    """Ask about one photo and no drawn ones, for tests that do not depend on the answers."""
    use(monkeypatch, replace(ONNX, num_asked=1))
    monkeypatch.setattr("candid.exporting.export.check_own_reading", lambda *_: None)


def test_an_onnx_export_gives_exactly_the_answers_of_its_run(exported, trained):
    parity = exported.parity
    num_test = sum(row.part == "test" for row in read_csv(trained.folder / "split.csv").rows)
    assert parity.holds
    assert parity.num_same_label == parity.num_images == num_test + NUM_GOLDEN
    assert parity.probability == 0
    assert parity.novelty == 0
    assert exported.notes == ()


def test_it_declares_what_onnx_runtime_1_16_and_older_load(exported):
    """That takes IR 9 and operator set 19; `benchmarks/other_runtimes.py` runs old ones."""
    import onnx

    model = onnx.load(exported.folder / "model.onnx")
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 13)]
    assert model.ir_version == 7


def test_the_folder_has_the_model_the_manifest_and_a_readme(exported):
    names = {file.name for file in exported.folder.iterdir()}
    assert names == {"model.onnx", "candid-export.json", "README.md"}
    page = (exported.folder / "README.md").read_text("utf-8")
    assert "happy, sad" in page
    assert exported.parity.to_text() in page
    assert 'folder = Path("onnx")' in page
    printed = exported.snippets[0].code
    assert printed.replace(exported.folder.as_posix(), "onnx") in page


def test_the_manifest_has_the_parity_and_the_hashes(exported):
    from candid.core.hashing import hash_file

    manifest = json.loads((exported.folder / "candid-export.json").read_text("utf-8"))
    assert manifest["format"] == "onnx"
    assert manifest["parity"] == exported.parity.to_json()
    assert manifest["parity"]["label_agreement"] == 1
    assert manifest["speed"] == exported.compared.speed.to_json()
    assert manifest["files"]["model.onnx"] == hash_file(exported.folder / "model.onnx")
    assert set(manifest["files"]) == {"model.onnx", "README.md"}


def test_no_file_contains_a_path_of_this_machine(exported, trained):
    data = trained.classifier.require_manifest().data.folder
    assert leaks(exported.folder, exported.folder.parent, trained.folder.parent, data) == []


@pytest.mark.usefixtures("quick_gate")
def test_nor_does_an_export_to_a_relative_path(trained, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made = export_run(ExportRequest(trained.folder, "onnx", Path("../up")))
    data = trained.classifier.require_manifest().data.folder
    assert leaks(made.folder, tmp_path, trained.folder.parent, data) == []
    page = (made.folder / "README.md").read_text("utf-8")
    assert f'folder = Path("{made.folder.name}")' in page


@pytest.mark.usefixtures("quick_gate")
def test_the_run_is_not_changed(trained, tmp_path, state_of):
    before = state_of(trained.folder)
    export_run(request(trained.folder, tmp_path))
    assert state_of(trained.folder) == before


@pytest.mark.usefixtures("quick_gate")
def test_the_default_folder_is_named_after_the_run_and_the_format(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latest").symlink_to(trained.folder, target_is_directory=True)
    made = export_run(ExportRequest(Path("latest"), "onnx"))
    assert made.folder == tmp_path / "exports" / f"{trained.folder.name}-onnx"


def shift_scores(folder, source):
    """An export that lost its calibration."""
    import onnx
    from onnx import numpy_helper

    write_onnx(folder, source)
    model = onnx.load(folder / "model.onnx")
    for value in model.graph.initializer:
        if value.name == "scores.kernel":
            halved = numpy_helper.to_array(value) / np.float32(2)
            value.CopyFrom(numpy_helper.from_array(halved, value.name))
    onnx.save(model, folder / "model.onnx")


def drop_novelty(folder, source):
    import onnx

    write_onnx(folder, source)
    model = onnx.load(folder / "model.onnx")
    outputs = [output for output in model.graph.output if output.name != "novelty"]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    onnx.save(model, folder / "model.onnx")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (shift_scores, r"a probability differs by .* \(allowed: 1e-03\)"),
        (drop_novelty, "expected novelty of shape .*, received no such output"),
    ],
)
def test_an_export_with_other_answers_is_refused_and_removed(
    write, message, trained, tmp_path, monkeypatch
):
    use(monkeypatch, replace(ONNX, write=write))
    with pytest.raises(ParityError, match=message):
        export_run(request(trained.folder, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_kept_if_one_is_refused(
    copied, trained, tmp_path, monkeypatch, state_of
):
    before = state_of(copied)
    use(monkeypatch, replace(ONNX, write=shift_scores))
    with pytest.raises(ParityError, match="It was removed"):
        export_run(request(trained.folder, tmp_path, overwrite=True))
    assert state_of(copied) == before
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]


@pytest.mark.usefixtures("quick_gate")
def test_an_existing_export_is_replaced_only_with_overwrite(copied, trained, tmp_path):
    with pytest.raises(UsageError, match=r"exists already\. .*--overwrite"):
        export_run(request(trained.folder, tmp_path))
    (copied / "model.onnx").write_bytes(b"old")
    (copied / ".DS_Store").touch()  # made by Finder
    made = export_run(request(trained.folder, tmp_path, overwrite=True))
    assert (made.folder / "model.onnx").read_bytes() != b"old"
    assert not (made.folder / ".DS_Store").exists()


@pytest.mark.parametrize("name", ["mine.html", "app/mine.js", ".hidden", "link"])
def test_an_export_with_foreign_files_is_not_replaced(name, copied, trained, tmp_path, state_of):
    mine = copied / name
    mine.parent.mkdir(exist_ok=True)
    mine.symlink_to(tmp_path) if name == "link" else mine.write_text("dear", encoding="utf-8")
    before = state_of(copied)
    with pytest.raises(UsageError, match=f"does not name {re.escape(name)}, which --overwrite"):
        export_run(request(trained.folder, tmp_path, overwrite=True))
    assert state_of(copied) == before


@pytest.mark.parametrize("manifest", ["{}", "no JSON", '{"files": 7}'])
def test_an_export_with_an_unreadable_manifest_is_not_replaced(manifest, trained, tmp_path):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "candid-export.json").write_text(manifest, encoding="utf-8")
    for number in range(7):
        (folder / f"{number}.txt").touch()
    shown = r"0\.txt, 1\.txt, 2\.txt, 3\.txt, 4\.txt and 2 more"
    with pytest.raises(UsageError, match=shown):
        export_run(request(trained.folder, tmp_path, overwrite=True))
    assert len(list(folder.iterdir())) == 8


def test_a_folder_that_is_no_export_is_never_replaced(trained, tmp_path):
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "thesis.txt").touch()
    with pytest.raises(UsageError, match="It is no export"):
        export_run(request(trained.folder, tmp_path, overwrite=True))
    assert (tmp_path / "exported" / "thesis.txt").is_file()


def test_the_gate_asks_a_sample_unless_it_is_to_ask_all(trained, tmp_path, monkeypatch):
    use(monkeypatch, replace(ONNX, num_asked=2))
    num_test = sum(row.part == "test" for row in read_csv(trained.folder / "split.csv").rows)
    for gate_all, number in ((False, 2), (True, num_test)):
        made = export_run(request(trained.folder, tmp_path, gate_all=gate_all, overwrite=True))
        assert made.parity.num_images == number + NUM_GOLDEN
        assert made.to_json()["gate"] == {"num_photos": number, "num_listed": num_test}
        assert made.compared.asked.to_text() in (made.folder / "README.md").read_text("utf-8")


@pytest.mark.usefixtures("quick_gate")
def test_without_photos_only_the_golden_images_are_compared(copied_run, tmp_path):
    data = json.loads((copied_run / "candid.json").read_text("utf-8"))["data"]
    change_manifest(copied_run, data=data | {"folder": str(tmp_path / "gone")})
    made = export_run(request(copied_run, tmp_path))
    assert made.parity.num_images == NUM_GOLDEN
    assert len(made.notes) == 1
    assert "not at" in made.notes[0]


def test_an_error_on_an_unknown_format_lists_the_formats(trained, tmp_path):
    with pytest.raises(UsageError, match="expected one of onnx, keras, saved_model, litert"):
        export_run(request(trained.folder, tmp_path, to="caffe"))


def test_a_missing_package_is_named_before_anything_is_written(trained, tmp_path, monkeypatch):
    use(monkeypatch, replace(FORMATS["litert"], packages=("onnx", "no_such_runtime")))
    with pytest.raises(
        DependencyError, match=r'LiteRT needs no_such_runtime.*pip install "candid-image\[export\]"'
    ):
        export_run(request(trained.folder, tmp_path, to="litert"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick_gate")
def test_a_run_with_an_onnx_backbone_can_only_be_exported_to_onnx(copied_run, tmp_path):
    settings = json.loads((copied_run / "candid.json").read_text("utf-8"))["settings"]
    change_manifest(copied_run, settings=settings | {"backbone": "mine.onnx"})
    for name in ("keras", "saved_model", "litert"):
        with pytest.raises(UsageError, match=r"'mine\.onnx'.*Export this run with --to onnx"):
            export_run(request(copied_run, tmp_path, to=name))
        assert not (tmp_path / "exported").exists()
    assert export_run(request(copied_run, tmp_path)).parity.holds


def test_an_incomplete_run_manifest_is_refused(copied_run, tmp_path):
    change_manifest(copied_run, calibration=None)
    with pytest.raises(ArtifactError, match=r"candid\.json is incomplete"):
        export_run(request(copied_run, tmp_path))


def test_importing_the_package_imports_no_runtime():
    code = (
        "import sys, candid.exporting; "
        "print({'tensorflow', 'keras', 'onnx', 'ai_edge_litert'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def invoke(*arguments):
    app = typer.Typer()
    app.command()(export)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_command_offers_every_format():
    assert [name.value for name in FormatName] == list(FORMATS)


@pytest.mark.usefixtures("quick_gate")
def test_the_command_prints_parity_folder_and_snippet(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke(trained.folder, "--to", "onnx", "--output", "out")
    assert done.exit_code == 0, done.output
    assert "labels that agree" in done.stdout
    assert "Written to out: model.onnx, candid-export.json, README.md" in done.stdout
    assert 'folder = Path("out")' in done.stdout


@pytest.mark.usefixtures("quick_gate")
def test_the_command_prints_json_with_json(trained, tmp_path):
    done = invoke(trained.folder, "--to", "onnx", "--output", tmp_path / "out", "--json")
    printed = json.loads(done.stdout)
    assert printed["folder"] == str(tmp_path / "out")
    assert printed["parity"]["label_agreement"] == 1
