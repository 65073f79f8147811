"""Backbones by name, and their embeddings with ONNX Runtime."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.cache import Cache
from candid.core.extras import start_onnx
from candid.core.hashing import hash_bytes
from candid.errors import ArtifactError, UsageError
from candid.features.backbones.hub import HUB, HubModel
from candid.features.backbones.keras_application import APPLICATIONS, KerasApplication
from candid.features.backbones.onnx_file import OnnxFile
from candid.features.backbones.origin import Origin
from candid.features.backbones.spec import LITE0, LITE0_INT8, LITE2, LITE2_INT8, BackboneSpec

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

Backbone = BackboneSpec | HubModel | KerasApplication | OnnxFile

DEFAULT: Final = LITE2_INT8.name
BUNDLED: Final = {spec.name: spec for spec in (LITE0, LITE2, LITE0_INT8, LITE2_INT8)}


def get(name: str) -> Backbone:
    """Find a backbone.

    Args:
        name: ``efficientnet-lite0`` or ``efficientnet-lite2``, in 8 bits with ``-int8`` behind it;
            a name of `HUB` or `APPLICATIONS`; or the path of an ``.onnx`` file.

    Returns:
        Its description; no weights are read yet.

    Raises:
        UsageError: The name is unknown, or the ONNX model is not from one image of a fixed size to
            one embedding.

    Example:
        >>> get("efficientnet-lite0").size_px
        224
    """
    if name in BUNDLED:
        return BUNDLED[name]
    if name in HUB:
        return HUB[name]
    if name in APPLICATIONS:
        return APPLICATIONS[name]
    if name.endswith(".onnx"):
        return OnnxFile.inspect(Path(name))
    names = ", ".join((*BUNDLED, *HUB, *APPLICATIONS))
    raise UsageError(
        f"there is no backbone {name!r}: expected one of {names}, or the path of an .onnx file."
    )


def build(backbone: Backbone) -> onnx.ModelProto:
    """Build a backbone as an ONNX model.

    Returns:
        A model with the input ``image``, uint8 ``(n, size_px, size_px, 3)`` RGB, and the output
        ``embedding``, float32 ``(n, num_features)``. If ``backbone.has_features``, it has a tensor
        ``features``, float32 ``(n, c, h, w)``.

    Raises:
        DependencyError: The weights, their package or onnx itself are missing.
        ArtifactError: The weights are damaged, or others than those expected.
    """
    import onnx

    return onnx.load_from_string(read_graph(backbone))


def find_origin(backbone: Backbone) -> Origin | None:
    """Where a backbone's weights came from; None of a bundled one."""
    return None if isinstance(backbone, BackboneSpec) else Origin.read_from(build(backbone))


#: The graph that was read last: a training needs it twice, to embed and to append its head.
_last: dict[str, bytes] = {}


def read_graph(backbone: Backbone, cache: Cache | None = None) -> bytes:
    """A backbone as `build` makes it, serialised; one that takes work is kept in the cache.

    A row of the cache begins with a hash of what the graph is made of: code, file of the weights,
    and versions, as code may be installed without its source.
    """
    if isinstance(backbone, OnnxFile):  # which may change
        return bytes(backbone.build().SerializeToString())
    graph = _last.get(backbone.name)
    if isinstance(backbone, HubModel):  # its file is kept elsewhere
        graph = graph or bytes(backbone.build().SerializeToString())
    elif graph is None:
        made_of = _made_of(backbone)
        row = dict(cache.get("graph", [backbone.name]) if cache else ()).get(backbone.name, b"")
        if not row.startswith(made_of):
            row = made_of + _build(backbone)
            if cache:
                cache.put("graph", [(backbone.name, row)])
        graph = row.removeprefix(made_of)
    _last.clear()
    _last[backbone.name] = graph
    return graph


def _made_of(backbone: BackboneSpec | KerasApplication) -> bytes:
    from importlib.metadata import PackageNotFoundError, version

    from candid.features.backbones.weights import find_weights

    folder = Path(__file__).parent
    code = sorted((*folder.glob("*.py"), *folder.parents[1].glob("core/onnx_*.py")))
    names = [__version__, np.__version__]
    if isinstance(backbone, BackboneSpec):
        # The name of the weights' file ends with the first digits of its hash.
        names.append(find_weights(backbone).name)
    with suppress(PackageNotFoundError):  # in a bundle, such as PyInstaller's
        names.append(version("onnx"))
        names += [] if isinstance(backbone, BackboneSpec) else [version("keras")]
    parts = (repr(names).encode(), *(file.read_bytes() for file in code))
    return hash_bytes(b"".join(parts)).encode()


def _build(spec: BackboneSpec | KerasApplication) -> bytes:
    if isinstance(spec, KerasApplication):
        return bytes(spec.build().SerializeToString())
    # Imported here, as a description needs neither onnx nor the weights.
    from candid.features.backbones.int8 import quantise_backbone
    from candid.features.backbones.onnx_graph import build_onnx
    from candid.features.backbones.weights import load_weights

    weights = load_weights(spec)
    model = build_onnx(spec, weights, with_features=False)
    model = quantise_backbone(model, weights) if spec.is_int8 else model
    return bytes(model.SerializeToString())


class Embedder:
    """A frozen backbone, ready to run.

    Args:
        backbone: A backbone of `get`.
        num_threads: Threads per operator; 0 for one per physical core.
        cache: Where its graph is kept, see `read_graph`.

    Attributes:
        backbone: The backbone.
        fingerprint: SHA-256 of the graph with its weights, hexadecimal. Equal fingerprints give
            equal embeddings of equal pixels.

    Raises:
        DependencyError: A package is missing that the backbone needs.
        ArtifactError: Its weights are damaged.

    Example:
        >>> embedder = Embedder(get("efficientnet-lite0"), num_threads=2)
        >>> embedder.embed(np.zeros((3, 224, 224, 3), np.uint8)).shape
        (3, 1584)
    """

    def __init__(
        self, backbone: Backbone, *, num_threads: int = 0, cache: Cache | None = None
    ) -> None:
        self.backbone = backbone
        self._model = read_graph(backbone, cache)
        self.fingerprint = hash_bytes(self._model)
        self._num_threads = num_threads
        self._starting = Lock()

    def __getstate__(self) -> dict[str, object]:
        """Without its session and its lock, to be pickled."""
        own = ("_session", "_starting")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _starting=Lock())

    @cached_property
    def _session(self) -> ort.InferenceSession:
        """Started by the first picture; never, if all are cached."""
        return start_onnx(self._model, num_threads=self._num_threads, log_severity=-1)

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed uint8 ``(n, size_px, size_px, 3)`` RGB as float32 ``(n, num_features)``.

        Rows do not depend on one another.

        Raises:
            UsageError: The array has another shape or type.
        ArtifactError: The graph answers with other embeddings than described.
        """
        size = self.backbone.size_px
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            raise UsageError(
                f"{self.backbone.name} embeds RGB pictures: expected uint8 (n, {size}, {size}, 3), "
                f"received {pixels.dtype} {pixels.shape}. Read them with candid.data.images."
            )
        embeddings = np.empty((len(pixels), self.backbone.num_features), np.float32)
        with self._starting:  # `cached_property` has no lock from Python 3.12 on
            session = self._session
        # One at a time: the layers of two pictures do not fit into the processor's cache.
        for place, picture in enumerate(pixels):
            (rows,) = session.run(["embedding"], {"image": picture[None]})
            if rows.shape != embeddings[:1].shape:
                raise ArtifactError(
                    f"{self.backbone.name} is another model than expected: expected embeddings "
                    f"{embeddings[:1].shape}, received {rows.shape}."
                )
            embeddings[place] = rows[0]
        return embeddings
