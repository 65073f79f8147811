"""What travels along with an exported model: classes, pixels, decision rule, abstention.

Beside every export as ``candid-export.json``; in an ONNX file as well, as ``metadata_props`` whose
keys begin with ``candid.``, a JSON value each. Nothing in it names a folder of the machine that the
run was made on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from candid import __version__
from candid.abstention import Abstention
from candid.artifact import MODEL
from candid.decision_rule import DecisionRule
from candid.errors import ArtifactError, UsageError
from candid.exporting.source import Source
from candid.images import PixelContract
from candid.untrusted_json import read_object

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
