"""What travels along with an exported model: classes, pixels, decision rule, abstention.

Beside every export as ``candid-export.json``; in an ONNX file as well, as ``metadata_props`` whose
keys begin with ``candid.``, a JSON value each. Nothing in it names a folder of the machine that the
run was made on.

What is exported: a run, and the numbers that its graph holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.safe_json import read_object
from candid.data.images import PixelContract
from candid.errors import ArtifactError, UsageError
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.runs.artifact import MODEL
from candid.runs.classifier import Classifier
from candid.runs.manifest import Manifest

if TYPE_CHECKING:
    import onnx

_NOVELTY = "novelty."


@dataclass(frozen=True)
class Source:
    """A run that is to be exported.

    Attributes:
        folder: Where it is.
        classifier: Loaded from it, every file checked.
    """

    folder: Path
    classifier: Classifier

    @property
    def name(self) -> str:
        """The run's name; ``latest`` is the run that it means."""
        return self.folder.resolve().name

    @property
    def manifest(self) -> Manifest:
        """What the run's ``candid.json`` says."""
        return self.classifier.require_manifest()

    @property
    def recipe(self) -> str:
        """How it was trained."""
        return self.manifest.recipe

    @property
    def backbone(self) -> str | None:
        """The recipe transfer's backbone; None where there is none."""
        return self.manifest.backbone

    @property
    def data_folder(self) -> Path:
        """Where the photos that it was trained on lay; they may be gone."""
        return Path(self.manifest.data.folder)

    @property
    def size_px(self) -> int:
        """Height and width of an image."""
        return self.classifier.contract.size_px

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """The run's graph. Not to be changed."""
        import onnx

        return onnx.load(self.folder / MODEL)

    @property
    def has_heatmap(self) -> bool:
        """Whether the graph says what each place adds to each score."""
        return any(output.name == "heatmap" for output in self.graph.graph.output)

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The last layer, already divided by the temperature.

        Returns:
            Kernel, float32 ``(units, d)``, and bias, ``(units,)``. A single unit is the score of
            the second of two classes, for a sigmoid; more are for a softmax.

        Raises:
            ArtifactError: The graph has no such layer.
        """
        try:
            return self._constants["scores.kernel"], self._constants["scores.bias"]
        except KeyError as error:
            raise ArtifactError(
                f"{self.folder / MODEL} has no layer called scores, which every recipe writes; "
                "train again."
            ) from error

    def novelty(self) -> dict[str, NDArray[np.float32]] | None:
        """What the nodes of `candid.models.ood` compute with, by its names there.

        Returns:
            The arrays, or None where the graph says nothing of novelty.
        """
        found = {
            name.removeprefix(_NOVELTY): value
            for name, value in self._constants.items()
            if name.startswith(_NOVELTY)
        }
        return found or None

    @cached_property
    def _constants(self) -> dict[str, NDArray[np.float32]]:
        from onnx import numpy_helper

        return {
            value.name: numpy_helper.to_array(value)
            for value in self.graph.graph.initializer
            if value.name.startswith((_NOVELTY, "scores."))
        }


EXPORT_VERSION: Final = 1
MANIFEST: Final = "candid-export.json"
_PREFIX: Final = "candid."


@dataclass(frozen=True)
class Metadata:
    """What an export says of its model.

    Attributes:
        classes: Names of the classes, a column of the probabilities each.
        contract: How bytes become pixels.
        rule: How a class is chosen.
        abstention: When the answer is that it does not know; None where that can't be told.
    """

    classes: tuple[str, ...]
    contract: PixelContract
    rule: DecisionRule
    abstention: Abstention | None

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Read what `describe` gave.

        Args:
            values: JSON values, from anybody.

        Raises:
            ArtifactError: It is not that, or of another version.
        """
        try:
            version = values["export_version"]
            if version != EXPORT_VERSION:
                raise ValueError(f"it has version {version!r}, expected {EXPORT_VERSION}")
            classes = tuple(str(name) for name in values["classes"])
            pixels, known = values["pixels"], values["abstention"]
            contract = PixelContract(int(pixels["size_px"]), pixels["fit"])
            rule = DecisionRule.from_json(values["rule"])
            rule.require_fits(classes)
            abstention = None if known is None else Abstention.from_json(known, len(classes))
        except (LookupError, TypeError, ValueError, OverflowError, UsageError) as error:
            raise ArtifactError(
                f"the metadata of the export can't be read: {error!r}; export again."
            ) from error
        return cls(classes, contract, rule, abstention)


def describe(source: Source) -> dict[str, Any]:
    """What is told of a run wherever it goes, as JSON values."""
    classifier, manifest = source.classifier, source.manifest
    contract, abstention = classifier.contract, classifier.abstention
    size = contract.size_px
    return {
        "export_version": EXPORT_VERSION,
        "candid_version": __version__,
        "run": {
            "name": source.name,
            "recipe": source.recipe,
            "backbone": source.backbone,
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
        },
        "outputs": _outputs(source),
        "rule": classifier.rule.to_json(),
        "temperature": manifest.calibration.temperature,
        "abstention": None if abstention is None else _spell_out(abstention.to_json()),
    }


def _spell_out(abstention: dict[str, Any]) -> dict[str, Any]:
    """A list a class, where a run names the earlier class that has the same one.

    Whoever reads an export may do so in another language, from a few lines that were pasted.
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


def to_properties(values: Mapping[str, Any]) -> dict[str, str]:
    """JSON values as an ONNX file keeps them: text by key."""
    return {_PREFIX + key: _dump(value) for key, value in values.items()}


def from_properties(properties: Mapping[str, str]) -> dict[str, Any]:
    """Read what `to_properties` gave, among other people's keys.

    Raises:
        ArtifactError: A value is no JSON.
    """
    try:
        return {
            key.removeprefix(_PREFIX): json.loads(text)
            for key, text in properties.items()
            if key.startswith(_PREFIX)
        }
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"the metadata of the ONNX file can't be read: {error}; export again."
        ) from error


def write_manifest(folder: Path, values: Mapping[str, Any]) -> None:
    """Write ``candid-export.json``, whatever the classes are called."""
    (folder / MANIFEST).write_text(_dump(values, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``candid-export.json``.

    Raises:
        ArtifactError: There is none, or it can't be read.
    """
    file = folder / MANIFEST
    try:
        return read_object(file)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{file} can't be read ({error}); export again.") from error


def _dump(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    # What of a class's name is not UTF-8 becomes an escape, which JSON reads as what it was.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
