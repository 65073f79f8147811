"""Build a backbone as a Keras model for fine-tuning, from pixels to embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from candid.core.extras import require_packages
from candid.features.backbones.spec import (
    BATCH_NORM_EPSILON,
    NUM_CLASSES,
    NUM_FEATURES,
    STEM_FILTERS,
    STEM_KERNEL,
    STEM_STRIDE,
    BackboneSpec,
    Block,
)
from candid.features.backbones.weights import Weights

if TYPE_CHECKING:
    import keras

# As in the training of the published weights.
_BATCH_NORM_MOMENTUM = 0.99


def build_keras(spec: BackboneSpec, weights: Weights, *, include_top: bool = False) -> keras.Model:
    """Build a backbone in Keras.

    Its input is ``image``, ``(n, size_px, size_px, 3)`` RGB from 0 to 255, uint8 or float; the
    normalisation is a layer. Batch normalisation is not folded, so that the model can be
    fine-tuned. The layer ``features`` gives the ``(n, h, w, 1280)`` map before pooling.
    ``spec.mirror`` is ignored.

    Args:
        spec: The backbone.
        weights: Its weights.
        include_top: Output the logits of ImageNet's classes, ``(n, 1000)``, instead of the
            embedding, ``(n, 1280)``, both float32.

    Raises:
        DependencyError: TensorFlow is not installed.
    """
    require_packages(["keras"], needed_by="a Keras model", extra="train")
    import keras

    layers = keras.layers
    image = layers.Input((spec.size_px, spec.size_px, 3), name="image")
    scale = [1 / std for std in spec.std]
    offset = [-mean / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    x = layers.Rescaling(scale, offset, name="normalisation")(image)
    x = _conv(layers, x, "stem", STEM_FILTERS, kernel=STEM_KERNEL, stride=STEM_STRIDE)
    x = layers.ReLU(6.0, name="stem.relu6")(x)
    for block in spec.blocks:
        x = _block(layers, x, block)
    x = _conv(layers, x, "head", NUM_FEATURES)
    x = layers.ReLU(6.0, name="features")(x)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    if include_top:
        x = layers.Dense(NUM_CLASSES, name="classifier")(x)
    model = keras.Model(image, x, name=spec.name)
    _fill(model, weights, include_top=include_top)
    return model


def _block(layers: Any, x: Any, block: Block) -> Any:
    skipped = x
    if block.has_expansion:
        x = _conv(layers, x, f"{block.name}.expand", block.filters_hidden)
        x = layers.ReLU(6.0, name=f"{block.name}.expand.relu6")(x)
    name = f"{block.name}.depthwise"
    x = layers.DepthwiseConv2D(
        block.kernel, block.stride, padding="same", use_bias=False, name=name
    )(x)
    x = layers.ReLU(6.0, name=f"{name}.relu6")(_norm(layers, x, name))
    x = _conv(layers, x, f"{block.name}.project", block.filters_out)
    return layers.Add(name=f"{block.name}.add")([x, skipped]) if block.has_skip else x


def _conv(layers: Any, x: Any, name: str, filters: int, *, kernel: int = 1, stride: int = 1) -> Any:
    conv = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)
    return _norm(layers, conv(x), name)


def _norm(layers: Any, x: Any, name: str) -> Any:
    return layers.BatchNormalization(
        momentum=_BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=f"{name}.norm"
    )(x)


def _fill(model: keras.Model, weights: Weights, *, include_top: bool) -> None:
    """Set the layers' weights, converted from PyTorch's axis order to Keras'."""
    for name, conv in weights.convs.items():
        is_depthwise = name.endswith(".depthwise")
        axes = (2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0)
        model.get_layer(name).set_weights([np.transpose(conv.kernel, axes)])
        norm = [conv.gamma, conv.beta, conv.mean, conv.variance]
        model.get_layer(f"{name}.norm").set_weights(norm)
    if include_top:
        kernel = np.transpose(weights.classifier_kernel)
        model.get_layer("classifier").set_weights([kernel, weights.classifier_bias])
