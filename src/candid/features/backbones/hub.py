"""Backbones by name from the Hugging Face hub, for those who are online.

Each is an ONNX export in float32 whose graph lacks three things, which `HubModel.build` puts in:
the normalisation, the pooling, and a fixed input size. Size, mean and standard deviation are those
of ``preprocessor_config.json`` in its repository:

- ``onnx-community/dinov2-small``: 224 px cut from 256, bicubic, ImageNet's mean and deviation.
- ``onnx-community/siglip2-base-patch16-224-ONNX``: 224 px squashed, bilinear, 0.5 and 0.5.
- ``onnx-community/mobilenetv4_conv_small.e2400_r224_in1k``: 224 px cut from 256, bicubic,
  ImageNet's. timm's own configuration of these weights agrees, but tests at 256 px; its other
  MobileNetV4 weights have 0.5 and 0.5.
- ``Xenova/convnext-tiny-224``: 224 px, ``crop_pct`` 0.875, bicubic, ImageNet's.

Candid squashes whole photos to that size, as for its own backbones, and cuts nothing off.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np

from candid.core.extras import require_packages
from candid.core.hashing import hash_file
from candid.core.text import first_line
from candid.errors import ArtifactError, DependencyError
from candid.features.backbones.onnx_file import OnnxFile
from candid.features.backbones.origin import Origin, folder_of_backbones, hold_to_first

if TYPE_CHECKING:
    import onnx

#: How a row of the last output becomes an embedding: it is one; its first token (which the final
#: normalisation has gone over) is; or the output is a classifier's, whose input is.
Pooling = Literal["none", "first token", "before classifier"]

_INPUT: Final = "pixel_values"
_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class HubModel:
    """An ONNX export on the Hugging Face hub.

    Attributes:
        name: Name on the command line.
        repository: ``owner/name`` on the hub.
        revision: The commit that is downloaded.
        sha256: Of the file, hexadecimal. None where it is not known for sure: then the hub's own
            hash of that commit counts, and after the first use that one.
        weights_of: The model that was exported; its card states the licence, the export's none.
        num_features: Length of an embedding.
        output: Name of the graph's output.
        pooling: How an embedding comes from it.
        scaling: Mean and standard deviation of red, green and blue, in 0..1.
        file: Path of the file in the repository.
        license: SPDX name of the weights' licence.
        size_px: Height and width of its input.
    """

    name: str
    repository: str
    revision: str
    sha256: str | None
    weights_of: str
    num_features: int
    output: str
    pooling: Pooling
    scaling: tuple[tuple[float, ...], tuple[float, ...]] = _IMAGENET
    file: str = "onnx/model.onnx"
    license: str = "Apache-2.0"
    size_px: int = 224
    # None of their embeddings is the mean of a map.
    has_features: ClassVar[bool] = False

    def build(self) -> onnx.ModelProto:
        """The model with the names, layout and type of a bundled backbone.

        Raises:
            DependencyError: It is neither here nor can it be downloaded; one line says how to
                bring it.
            ArtifactError: The file is not the one expected.
        """
        path = self._find()
        found = hash_file(path)
        # Of the hub's cache, the file behind the link.
        hold_to_first(self.name, found, pinned=self.sha256, file=str(path.resolve()))
        graph = _load(path)
        names = _INPUT, _add_pooling(graph.graph, self.output, self.pooling, path)
        bare = OnnxFile(path, self.size_px, self.num_features, *names, "NCHW", "float32")
        model = bare.adapt(graph, self.scaling)
        Origin(
            self.repository, self.file, self.revision, found, self.license, self.weights_of
        ).write_to(model)
        return model

    def _find(self) -> Path:
        """The file: one that was brought, one in the hub's own cache, or downloaded into that."""
        brought = folder_of_backbones() / f"{self.name}.onnx"
        if brought.is_file():
            return brought
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        url = f"{endpoint}/{self.repository}/resolve/{self.revision}/{self.file}"
        bring = f"or download {url} on another machine and save it here as {brought}"
        try:
            require_packages(["huggingface_hub"], needed_by=f"downloading {self.name}", extra="hub")
            return self._download(url, endpoint)
        except DependencyError as error:
            raise DependencyError(f"{error}, {bring}.") from error
        # Of httpx and of the hub; they have no common base class but Exception.
        except Exception as error:
            if isinstance(error, ArtifactError):
                raise
            raise DependencyError(
                f"{self.name} can't be downloaded ({first_line(error)}). Connect this machine to "
                f"the internet, {bring}."
            ) from error

    def _download(self, url: str, endpoint: str) -> Path:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, utils
        from huggingface_hub.errors import LocalEntryNotFoundError

        wanted: dict[str, Any] = {"revision": self.revision, "endpoint": endpoint}
        with suppress(LocalEntryNotFoundError):
            kept = hf_hub_download(self.repository, self.file, **wanted, local_files_only=True)
            return Path(kept)
        # Asked first, as the download tries for half a minute where there is no connection.
        stated = get_hf_file_metadata(url).etag
        had_bars = not utils.are_progress_bars_disabled()
        utils.disable_progress_bars()  # Candid has one of its own on the same line
        try:
            path = Path(hf_hub_download(self.repository, self.file, **wanted))
        finally:
            if had_bars:
                utils.enable_progress_bars()
        # A mirror may state another kind of tag.
        if self.sha256 is None and len(stated or "") == 64 and stated != hash_file(path):
            path.resolve().unlink()
            raise ArtifactError(
                f"{self.name} was not downloaded whole: expected SHA-256 {stated}, which the hub "
                "states, received another. Try again."
            )
        return path


#: Revisions and hashes: `python vendoring/hub_pins.py` asks the hub for them.
HUB: Final = {
    model.name: model
    for model in (
        HubModel(
            "dinov2-small",
            "onnx-community/dinov2-small",
            revision="8b1f705a3a7f6f062f6bdd21986c1583d3ef105d",
            sha256="f22797eabf810a75e41de68d378541ebea372122b25c4ce3ef25ff618250c20a",
            weights_of="facebook/dinov2-small",
            num_features=384,
            output="last_hidden_state",
            pooling="first token",
        ),
        HubModel(
            "siglip2-base",
            "onnx-community/siglip2-base-patch16-224-ONNX",
            revision="ba1f3b0843f24bc5417d38e19c37b287d719b2f4",
            sha256="c0573e3f4140c3a7c4e9cc5912bd6b26a033b46a6a8e8af26cbea262b163bcad",
            weights_of="google/siglip2-base-patch16-224",
            num_features=768,
            output="pooler_output",
            pooling="none",
            scaling=_HALF,
            file="onnx/vision_model.onnx",
        ),
        HubModel(
            "mobilenetv4-small",
            "onnx-community/mobilenetv4_conv_small.e2400_r224_in1k",
            revision="3ba07f12712fa58fd6b3d661f9909c9e332c5005",
            sha256=None,
            weights_of="timm/mobilenetv4_conv_small.e2400_r224_in1k",
            num_features=1280,
            output="logits",
            pooling="before classifier",
        ),
        HubModel(
            "convnext-tiny",
            "Xenova/convnext-tiny-224",
            revision="2d989c0a31d7ed2c87186ca6396eda0cf62e523a",
            sha256=None,
            weights_of="facebook/convnext-tiny-224",
            num_features=768,
            output="logits",
            pooling="before classifier",
        ),
    )
}


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        return onnx.load(path)
    # Those of protobuf and of missing external data have no common base class but Exception.
    except Exception as error:
        raise ArtifactError(
            f"{path} does not load as an ONNX model ({first_line(error)}): expected one file with "
            "its weights inside. Remove it to have it downloaded again."
        ) from error


def _add_pooling(graph: onnx.GraphProto, output: str, pooling: Pooling, path: Path) -> str:
    """Name of the tensor with the embeddings, float32 ``(n, d)``."""
    from onnx import helper, numpy_helper

    names = [value.name for value in graph.output]
    if output not in names:
        raise ArtifactError(f"{path} has the outputs {', '.join(names)}: expected {output}")
    if pooling == "none":
        return output
    if pooling == "first token":
        graph.initializer.append(numpy_helper.from_array(np.array(0), "first"))
        graph.node.append(helper.make_node("Gather", [output, "first"], ["cls"], axis=1))
        return "cls"
    producers = {name: node for node in graph.node for name in node.output}
    constants = {value.name for value in graph.initializer}
    node: onnx.NodeProto = producers[output]
    while node.op_type in ("Add", "Identity"):  # a bias of its own
        node = next(producers[name] for name in node.input if name not in constants)
    if node.op_type not in ("Gemm", "MatMul"):
        raise ArtifactError(f"{path} ends in {node.op_type}: expected a classifier's dense layer")
    return str(node.input[0])
