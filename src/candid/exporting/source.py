"""The run to export, and its metadata: classes, pixel contract, decision rule, abstention.

The metadata is written as ``candid-export.json`` beside every export, and into ONNX files as
``metadata_props``: a JSON value for each key, prefixed ``candid.``. It contains no path of the
machine that the run was made on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.safe_json import read_object, to_json
from candid.data.images import PixelContract
from candid.data.source import DataSource
from candid.errors import ArtifactError
from candid.features.backbones import BUNDLED
from candid.runs.artifact import MODEL
from candid.runs.classifier import Classifier
from candid.runs.manifest import Manifest

if TYPE_CHECKING:
    import onnx

MANIFEST: Final = "candid-export.json"
_EXPORT_VERSION: Final = 1
_PREFIX: Final = "candid."
_NOVELTY: Final = "novelty."


@dataclass(frozen=True)
class Source:
    """A run to export."""

    folder: Path  # the run's folder
    classifier: Classifier  # loaded from it, every file checked

    @property
    def name(self) -> str:
        """The run's name; for ``latest``, that of the run it links to."""
        return self.folder.resolve().name

    @property
    def manifest(self) -> Manifest:
        """The run's ``candid.json``."""
        return self.classifier.require_manifest()

    @property
    def data(self) -> DataSource:
        """Where the training photos were; they may be gone."""
        return self.manifest.data.source

    @property
    def size_px(self) -> int:
        """Height and width of an image."""
        return self.classifier.contract.size_px

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """The ONNX graph to export. Not to be changed."""
        import onnx

        return onnx.load(self.folder / MODEL)

    @property
    def is_int8(self) -> bool:
        """Whether the run's own backbone computes in 8 bits."""
        return computes_in_int8(self.manifest.recipe, self.manifest.backbone)

    @property
    def has_heatmap(self) -> bool:
        """Whether the graph has the output ``heatmap``."""
        return any(output.name == "heatmap" for output in self.graph.graph.output)

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The last layer, already divided by the temperature.

        Returns:
            Kernel, float32 ``(units, d)``, and bias, ``(units,)``. A single unit is the score of
            the second of two classes, for a sigmoid; several are for a softmax.

        Raises:
            ArtifactError: The graph has no such layer.
        """
        try:
            return self.constants["scores.kernel"], self.constants["scores.bias"]
        except KeyError as error:
            raise ArtifactError(
                f"{self.folder / MODEL} has no layer called scores, which every recipe writes; "
                "train again."
            ) from error

    def novelty(self) -> dict[str, NDArray[np.float32]] | None:
        """The constants of `candid.models.ood`, by name; None if the graph has no novelty."""
        found = {
            name.removeprefix(_NOVELTY): value
            for name, value in self.constants.items()
            if name.startswith(_NOVELTY)
        }
        return found or None

    @cached_property
    def constants(self) -> dict[str, NDArray[Any]]:
        """The graph's weights and other constants, by name."""
        from onnx import numpy_helper

        values = self.graph.graph.initializer
        return {value.name: numpy_helper.to_array(value) for value in values}


def computes_in_int8(recipe: str, backbone: str | None) -> bool:
    """Whether the backbone of a run computes in 8 bits, by what its manifest names."""
    spec = BUNDLED.get(backbone or "")
    return recipe != "cnn" and spec is not None and spec.is_int8


def describe(source: Source) -> dict[str, Any]:
    """The metadata of every export of a run, as JSON values."""
    classifier, manifest = source.classifier, source.manifest
    contract, abstention = classifier.contract, classifier.abstention
    size = contract.size_px
    return {
        "export_version": _EXPORT_VERSION,
        "candid_version": __version__,
        "run": {
            "name": source.name,
            "recipe": manifest.recipe,
            "backbone": manifest.backbone,
            **({"origin": to_json(manifest.origin)} if manifest.origin else {}),
            "model_sha256": manifest.files[MODEL],
            "data_fingerprint": manifest.data.fingerprint,
        },
        "classes": list(classifier.classes),
        "pixels": {
            "input": "image",
            "dtype": "uint8",
            "shape": ["n", size, size, 3],
            "colours": "RGB, 0 to 255, upright by EXIF, alpha over white, no colour profile",
            "size_px": size,
            "fit": contract.fit,
            "key": contract.key,
            **_chosen(contract),
        },
        "outputs": _outputs(source),
        "answer": _answer(classifier),
        "rule": classifier.rule.to_json(),
        "temperature": manifest.calibration.temperature,
        "abstention": None if abstention is None else _spell_out(abstention.to_json()),
    }


def _chosen(contract: PixelContract) -> dict[str, Any]:
    """How deep, multi-page and multi-band files are read, as far as that was chosen or decided."""
    values = {
        "sample_range": contract.sample_range,
        "page": contract.page,
        "bands": contract.bands,
    }
    return {name: value for name, value in values.items() if value is not None}


def _spell_out(abstention: dict[str, Any]) -> dict[str, Any]:
    """Give every class its own list, where a run refers to an earlier class with the same list.

    That keeps code that reads an export short, in any language.
    """
    rows: list[Any] = []
    for row in abstention["nonconformity"]:
        rows.append(rows[row] if isinstance(row, int) else row)
    return abstention | {"nonconformity": rows}


def _outputs(source: Source) -> dict[str, str]:
    outputs = {
        "probabilities": "float32 (n, k), a column a class, calibrated: the temperature is inside",
        "embedding": "float32 (n, d)",
    }
    if source.novelty() is not None:
        outputs["novelty"] = "float32 (n,), how unlike the training photos; about 0 for known ones"
    if source.has_heatmap:
        outputs["heatmap"] = "float32 (n, k, h, w), what each place adds to each class's score"
    return outputs


def _answer(classifier: Classifier) -> dict[str, str]:
    """What the snippets make of the outputs, with the names of `Prediction.to_json`."""
    answer = {
        "label": "the class that the rule chooses",
        "probability": "0 to 1, of the label",
        "probabilities": "0 to 1, of each class",
    }
    if len(classifier.classes) == 2:
        answer["positive_probability"] = "0 to 1, of the second class, chosen above the threshold"
    if classifier.abstention is not None:
        answer["verdict"] = "sure, uncertain or unknown; unreadable without a label"
        answer["possible"] = "the classes that the abstention does not rule out"
        answer["familiarity"] = "0 to 1, the share of known photos that are at least as unusual"
    return answer


def to_properties(values: Mapping[str, Any]) -> dict[str, str]:
    """The metadata as ``metadata_props`` of an ONNX file: JSON text by prefixed key."""
    return {_PREFIX + key: _dump(value) for key, value in values.items()}


def write_manifest(folder: Path, values: Mapping[str, Any]) -> None:
    """Write ``candid-export.json``."""
    (folder / MANIFEST).write_text(_dump(values, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``candid-export.json``.

    Raises:
        ArtifactError: It is missing or can't be read.
    """
    file = folder / MANIFEST
    try:
        return read_object(file)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{file} can't be read ({error}); export again.") from error


def _dump(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    # Parts of a class name that are not UTF-8 become escapes, which JSON reads back unchanged.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
