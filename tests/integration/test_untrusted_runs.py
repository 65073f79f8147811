"""Untrusted runs: any damage or forgery is refused with a one-line error before anything runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import candid.runs.artifact
from candid.cli.demo import SampleSet
from candid.errors import ArtifactError
from candid.evaluation.verify import verify_run
from candid.exporting.export import open_source
from candid.runs.artifact import MANIFEST, MODEL, read_manifest
from candid.runs.classifier import load
from candid.training import Run
from tests.manifests import change, forge

Candid = Callable[..., subprocess.CompletedProcess[str]]
SMALL_PX = 32


def forge_model(run: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(run / MODEL)
    edit(model)
    forge(run, MODEL, model.SerializeToString())


def refuse(run: Path, said: str, do: Callable[[Path], object] = load) -> str:
    """Expect a one-line error without control characters."""
    with pytest.raises(ArtifactError, match=said) as caught:
        do(run)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 2000
    return line


def small_model(size_px: int, nodes: list[onnx.NodeProto], *domains: str) -> bytes:
    """An untrained graph of two classes."""
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", size_px, size_px, 3])]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3]),
    ]
    values = [numpy_helper.from_array(np.full((3, 2), 7, np.float32), "w")]
    graph = helper.make_graph(nodes, "small", inputs, outputs, values)
    opsets = [helper.make_opsetid("", 13), *(helper.make_opsetid(name, 1) for name in domains)]
    made = helper.make_model(graph, opset_imports=opsets)
    made.ir_version = 8
    return bytes(made.SerializeToString())


MEAN = [
    helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMean", ["float"], ["embedding"], axes=[1, 2], keepdims=0),
    helper.make_node("MatMul", ["embedding", "w"], ["probabilities"]),
]


def become_small(run: Path, size_px: int, nodes: list[onnx.NodeProto], *domains: str) -> None:
    forge(run, MODEL, small_model(size_px, nodes, *domains))
    change(run, pixels={"size_px": size_px, "fit": "squash"}, abstention=None)


class TestTheManifest:
    @pytest.mark.parametrize(
        "version", [1, 4, 2**62, "3", "a\n\x1b[31mred", "x" * 10**6, None, [2], {"a": 2}, True]
    )
    def test_another_version_is_refused_in_a_short_line(
        self, copied_run: Path, version: object
    ) -> None:
        change(copied_run, format_version=version)
        refuse(copied_run, "has format version .*, expected 3")

    @pytest.mark.parametrize(
        "name", ["../outside", "/etc/passwd", "..", ".", "", "a/b", "a\0b", "x" * 5000, "\x1b[31m"]
    )
    def test_a_name_that_is_no_file_of_the_run_is_refused(
        self, copied_run: Path, name: str
    ) -> None:
        change(copied_run, files=lambda files: files | {name: "0" * 64})
        refuse(copied_run, r"outside the run|lacks")

    @pytest.mark.parametrize("size_px", [10**6, "1000000", 2049, 1e9, 2**62])
    def test_images_that_no_memory_would_hold_are_refused(
        self, copied_run: Path, size_px: object
    ) -> None:
        change(copied_run, pixels={"size_px": size_px, "fit": "squash"})
        refuse(copied_run, r"pixels\.size_px: a whole number")

    @pytest.mark.parametrize("size_px", [0, -224, None, [], {}, float("nan"), float("inf"), ""])
    def test_a_size_that_is_none_is_refused(self, copied_run: Path, size_px: object) -> None:
        change(copied_run, pixels={"size_px": size_px, "fit": "squash"})
        refuse(copied_run, "incomplete")

    def test_a_graph_of_absurd_images_is_not_even_started(self, copied_run: Path) -> None:
        become_small(copied_run, 10**6, MEAN)
        refuse(copied_run, r"pixels\.size_px: a whole number")

    @pytest.mark.parametrize("classes", [[], ["a"], ["a", "a"], "ab", None, {"a": 1}, [1, 2], [[]]])
    def test_classes_that_are_none_are_refused(self, copied_run: Path, classes: object) -> None:
        change(copied_run, classes=classes, abstention=None)
        refuse(copied_run, "incomplete")

    def test_numbers_that_no_library_holds_are_refused(self, copied_run: Path) -> None:
        change(copied_run, classes=[10**400])
        refuse(copied_run, "can't be read .it has a number of 401 digits")

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_deep_nesting_is_refused(self, copied_run: Path, opening: str) -> None:
        text = '{"format_version": 2, "files": {}, "deep": ' + opening * 200_000
        (copied_run / MANIFEST).write_text(text)
        refuse(copied_run, "can't be read")


class TestFiles:
    def test_a_flipped_byte_of_any_file_is_noticed(self, copied_run: Path) -> None:
        names = list(read_manifest(copied_run).files)
        assert len(names) > 8
        for name in names:
            content = (copied_run / name).read_bytes()
            changed = bytearray(content)
            changed[len(changed) // 2] ^= 0x20
            (copied_run / name).write_bytes(changed)
            refuse(copied_run, f"{name} is not as it was written")
            (copied_run / name).write_bytes(content)
        read_manifest(copied_run)

    def test_any_missing_file_is_noticed(self, copied_run: Path) -> None:
        for name in read_manifest(copied_run).files:
            (copied_run / name).rename(copied_run / "aside")
            refuse(copied_run, f"lacks {name}")
            (copied_run / "aside").rename(copied_run / name)

    @pytest.mark.parametrize("name", [MODEL, "golden.npz", "split.csv"])
    def test_a_link_is_no_file(self, copied_run: Path, tmp_path: Path, name: str) -> None:
        """What it leads to may be a device that never ends, or change after it was checked."""
        (copied_run / name).rename(tmp_path / name)
        for target in (tmp_path / name, Path("/dev/zero"), tmp_path / "absent"):
            (copied_run / name).symlink_to(target)
            refuse(copied_run, f"lacks {name} as a regular file")
            (copied_run / name).unlink()

    def test_a_manifest_that_is_a_link_makes_no_run(self, copied_run: Path, tmp_path: Path) -> None:
        (copied_run / MANIFEST).rename(tmp_path / MANIFEST)
        (copied_run / MANIFEST).symlink_to(tmp_path / MANIFEST)
        refuse(copied_run, "is not a run")

    def test_a_pipe_is_not_waited_for(self, copied_run: Path) -> None:
        (copied_run / MODEL).unlink()
        os.mkfifo(copied_run / MODEL)
        refuse(copied_run, "lacks model.onnx")

    def test_golden_answers_that_would_fill_the_memory_are_not_unpacked(
        self, copied_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load(copied_run)
        monkeypatch.setattr(candid.runs.artifact, "_MAX_GOLDEN_BYTES", 1 << 18)
        refuse(copied_run, "would be larger than 0 MiB unpacked")

    def test_a_model_larger_than_any_is_not_read(
        self, copied_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(candid.runs.artifact, "_MAX_MODEL_BYTES", 1 << 18)
        refuse(copied_run, "larger than any ONNX file")


class TestTheGraph:
    @pytest.mark.parametrize("place", ["secret", "./secret", "../secret", "/etc/passwd", ""])
    def test_values_of_other_files_are_never_read(
        self,
        copied_run: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        place: str,
    ) -> None:
        """ONNX Runtime looks for them where the process runs, and reads them if it may."""

        def refer(model: onnx.ModelProto) -> None:
            largest = max(model.graph.initializer, key=lambda values: len(values.raw_data))
            (tmp_path / "work").mkdir()
            for folder in (tmp_path, tmp_path / "work"):
                (folder / "secret").write_bytes(largest.raw_data)
            length = len(largest.raw_data)
            largest.ClearField("raw_data")
            largest.data_location = TensorProto.EXTERNAL
            largest.external_data.add(key="location", value=place)
            largest.external_data.add(key="length", value=str(length))

        forge_model(copied_run, refer)
        monkeypatch.chdir(tmp_path / "work")
        refuse(copied_run, "takes values from other files")

    def test_unknown_operators_are_refused(self, copied_run: Path) -> None:
        evil = helper.make_node("Evil", ["image"], ["probabilities", "embedding"], domain="evil")
        become_small(copied_run, SMALL_PX, [evil], "evil")
        refuse(copied_run, "model.onnx does not load .*Evil")

    def test_another_number_of_classes_is_refused(self, copied_run: Path) -> None:
        change(copied_run, classes=["a", "b", "c"], abstention=None)
        refuse(copied_run, "does not return 3 probabilities")

    def test_a_graph_of_other_images_is_refused(self, copied_run: Path) -> None:
        forge(copied_run, MODEL, small_model(SMALL_PX, MEAN))
        refuse(copied_run, "does not take images of 224×224 pixels")

    def test_another_runs_graph_does_not_give_this_ones_answers(
        self, copied_run: Path, candid: Candid
    ) -> None:
        """With the hash that belongs to it: only the golden answers tell."""

        def swap_classes(model: onnx.ModelProto) -> None:
            for values in model.graph.initializer:
                if values.name.startswith("head."):
                    array = numpy_helper.to_array(values)
                    values.CopyFrom(numpy_helper.from_array(-array, values.name))

        forge_model(copied_run, swap_classes)
        load(copied_run)
        for check in (verify_run, open_source):
            refuse(copied_run, "probabilities differ from the stored ones", check)
        done = candid("verify", copied_run)
        assert done.returncode == 2
        assert done.stderr.startswith("candid: the model's probabilities differ")
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_weights_that_are_no_numbers_give_no_answer(
        self, copied_run: Path, faces: SampleSet, candid: Candid, value: float
    ) -> None:
        def spoil(model: onnx.ModelProto) -> None:
            for values in model.graph.initializer:
                if values.name.startswith("head."):
                    array = np.full_like(numpy_helper.to_array(values), value)
                    values.CopyFrom(numpy_helper.from_array(array, values.name))

        forge_model(copied_run, spoil)
        photo = next(faces.folder.glob("*/face-*.png"))
        refuse(copied_run, "are not probabilities", lambda run: load(run).predict(photo))
        refuse(copied_run, "can't be read|differ", verify_run)
        done = candid("predict", photo, "--run", copied_run)
        assert done.returncode == 2
        assert done.stderr.startswith("candid: model.onnx returns values that are not")
        assert len(done.stderr.splitlines()) == 1

    def test_answers_beyond_one_are_no_probabilities(
        self, copied_run: Path, faces: SampleSet
    ) -> None:
        become_small(copied_run, SMALL_PX, MEAN)
        photo = next(faces.folder.glob("*/face-*.png"))
        refuse(copied_run, "expected 0 to 1, received", lambda run: load(run).predict(photo))


def test_the_run_that_is_damaged_here_is_whole_before(trained: Run) -> None:
    assert load(trained.folder).classes == ("happy", "sad")


Damage = Callable[[Path], Any]
COMMANDS: dict[str, Damage] = {
    "no manifest": lambda run: (run / MANIFEST).unlink(),
    "no text": lambda run: (run / MANIFEST).write_bytes(b"\xff\x00"),
    "newer": lambda run: change(run, format_version=99),
    "flipped": lambda run: (run / MODEL).write_bytes(b"x" + (run / MODEL).read_bytes()[1:]),
    "absurd": lambda run: change(run, pixels={"size_px": 10**6, "fit": "squash"}),
}


@pytest.mark.parametrize("damage", COMMANDS)
def test_every_command_that_takes_a_run_prints_a_one_line_error(
    copied_run: Path, faces: SampleSet, candid: Candid, damage: str
) -> None:
    COMMANDS[damage](copied_run)
    photo = next(faces.folder.glob("*/face-*.png"))
    for command in (["predict", photo, "--run", copied_run], ["serve", copied_run, "--port", "0"]):
        done = candid(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("candid: ")
        assert len(done.stderr.splitlines()) == 1
