"""Where the weights of a backbone came from, and that they are still the same."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from candid.core.cache import default_folder
from candid.errors import ArtifactError

if TYPE_CHECKING:
    import onnx

_KEY: Final = "candid.backbone"


@dataclass(frozen=True)
class Origin:
    """Where weights came from that Candid does not bring along.

    Attributes:
        source: A repository of the Hugging Face hub, ``keras.applications`` or ``a file``.
        file: Name of the file, or of the application.
        revision: Commit of the repository, or version of Keras; null for a file.
        sha256: Of the file, or of the weights of an application, hexadecimal.
        license: SPDX name of the weights' licence; null if it is not known.
        weights_of: The model that was exported, which states the licence; null if it is not known.
    """

    source: str
    file: str
    revision: str | None
    sha256: str
    license: str | None = None
    weights_of: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.file} of {self.source}"]
        parts += [f"revision {self.revision}"] if self.revision else []
        parts += [f"SHA-256 {self.sha256}"]
        parts += [f"weights of {self.weights_of}"] if self.weights_of else []
        return ", ".join([*parts, f"licence {self.license or 'not stated'}"])

    def write_to(self, model: onnx.ModelProto) -> None:
        """Keep it in a model's metadata."""
        model.metadata_props.add(key=_KEY, value=json.dumps(asdict(self)))

    @classmethod
    def read_from(cls, model: onnx.ModelProto) -> Self | None:
        """What `write_to` has kept; None of a bundled backbone."""
        kept = {prop.key: prop.value for prop in model.metadata_props}
        return cls(**json.loads(kept[_KEY])) if _KEY in kept else None


def folder_of_backbones() -> Path:
    """Folder beside the cache: files that were brought by hand, and hashes of the first use."""
    return default_folder() / "backbones"


def hold_to_first(name: str, found: str, *, pinned: str | None, file: str) -> None:
    """Refuse weights other than the pinned ones or, where none are pinned, those first used here.

    The hash of the first use is kept in ``<cache>/backbones/<name>.sha256``.

    Args:
        name: The backbone.
        found: SHA-256 of its weights.
        pinned: SHA-256 that they must have, if that is known.
        file: Where they are, for the message.

    Raises:
        ArtifactError: They are others.
    """
    kept = folder_of_backbones() / f"{name.replace(':', '-')}.sha256"
    expected = pinned
    if expected is None and kept.is_file():
        expected = kept.read_text(encoding="utf-8").partition(" ")[0]
    if not expected:
        with suppress(OSError):  # a cache that can't be written; it has said so
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(f"{found}  {file}\n", encoding="utf-8")
    elif found != expected:
        whose = "pinned by Candid" if pinned else f"of the first use here, kept in {kept}"
        also = "" if pinned else ", or remove that hash if the new weights are meant"
        raise ArtifactError(
            f"the weights of {name} are not those expected: expected SHA-256 {expected} ({whose}), "
            f"received {found} in {file}. Remove that file to have it downloaded again{also}."
        )
