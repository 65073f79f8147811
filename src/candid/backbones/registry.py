"""Backbones by the name that the user types."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.backbones.onnx_file import OnnxFile
from candid.backbones.spec import LITE0, LITE2, BackboneSpec
from candid.errors import UsageError

if TYPE_CHECKING:
    import onnx

Backbone = BackboneSpec | OnnxFile

DEFAULT: Final = LITE2.name
BUNDLED: Final = {spec.name: spec for spec in (LITE0, LITE2)}


def get(name: str) -> Backbone:
    """Find a backbone.

    Args:
        name: ``efficientnet-lite0``, ``efficientnet-lite2``, or the path of an ``.onnx`` file.

    Returns:
        Its description; no weights are read yet.

    Raises:
        UsageError: If there is none of that name, or the ONNX file does not turn one image of a
            fixed size into one embedding.

    Example:
        >>> get("efficientnet-lite0").size_px
        224
    """
    if name in BUNDLED:
        return BUNDLED[name]
    if name.endswith(".onnx"):
        return OnnxFile.inspect(Path(name))
    raise UsageError(
        f"there is no backbone {name!r}: expected one of {', '.join(BUNDLED)}, "
        f"or the path of an .onnx file."
    )


def build(backbone: Backbone) -> onnx.ModelProto:
    """Write a backbone as an ONNX model, to run it or to append a head to it.

    Args:
        backbone: What `get` returned.

    Returns:
        A model with the input ``image``, uint8 ``(n, size_px, size_px, 3)`` RGB, and the output
        ``embedding``, float32 ``(n, num_features)``. Where ``backbone.has_features``, its tensor
        ``features``, float32 ``(n, c, h, w)``, is there for a head. Not to be changed: it is kept.

    Raises:
        DependencyError: If the package with the weights, or onnx itself, is missing.
        ArtifactError: If the weights are damaged.
    """
    return backbone.build() if isinstance(backbone, OnnxFile) else _build(backbone)


@lru_cache(maxsize=1)  # a training needs it twice: to embed, and to append its head
def _build(spec: BackboneSpec) -> onnx.ModelProto:
    # Imported here: describing a backbone takes neither onnx nor the weights.
    from candid.backbones.onnx_graph import build_onnx
    from candid.backbones.weights import load_weights

    return build_onnx(spec, load_weights(spec), with_features=False)
