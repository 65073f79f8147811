"""Build a backbone as a Keras model, from pixels to embedding: to fine-tune, or in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages
from candid.features.backbones.int8 import CENTRE, FINE_LAYERS, FINE_MOST
from candid.features.backbones.onnx_graph import pooled_scale
from candid.features.backbones.spec import (
    BATCH_NORM_EPSILON,
    MIDDLE_SCALE,
    NUM_CLASSES,
    NUM_FEATURES,
    STEM_FILTERS,
    STEM_KERNEL,
    STEM_STRIDE,
    BackboneSpec,
    Block,
)
from candid.features.backbones.weights import TWIN, Weights

if TYPE_CHECKING:
    import keras

# As in the training of the published weights.
_BATCH_NORM_MOMENTUM = 0.99


def build_keras(spec: BackboneSpec, weights: Weights, *, include_top: bool = False) -> keras.Model:
    """Build a backbone in Keras.

    Its input is ``image``, ``(n, size_px, size_px, 3)`` RGB from 0 to 255, uint8 or float; the
    normalisation is a layer. Batch normalisation is not folded, so that the model can be
    fine-tuned. The layer ``features`` gives the ``(n, h, w, d)`` map before pooling.
    ``spec.mirror`` is ignored.

    Args:
        spec: The backbone.
        weights: Its weights.
        include_top: Output the logits of ImageNet's classes, ``(n, 1000)``, instead of the
            embedding, ``(n, d)``, both float32.

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
    shared, last = weights.divide(spec.blocks)
    middles = []
    for block in shared:
        x = _block(layers, x, block)
        middles += [x] if block in spec.middles else []
    middle, heads = x, []
    for prefix in ("", TWIN) if weights.twins else ("",):
        x = middle
        for block in last:
            x = _block(layers, x, block, prefix)
            middles += [x] if block in spec.middles and not prefix else []
        x = _conv(layers, x, f"{prefix}head", NUM_FEATURES)
        heads.append(layers.ReLU(6.0, name=f"{prefix}head.relu6")(x))
    x = _embedding(layers, heads, middles)
    if include_top:
        x = layers.Dense(NUM_CLASSES, name="classifier")(x)
    model = keras.Model(image, x, name=spec.name)
    _fill(model, weights, include_top=include_top)
    return model


def _embedding(layers: Any, heads: Sequence[Any], middles: Sequence[Any]) -> Any:
    """The mean of all features over the picture, as in `onnx_graph`."""
    larger, same = middles
    is_odd = larger.shape[1] % 2
    padded = layers.ZeroPadding2D(((0, is_odd), (0, is_odd)), name="middle.padded")(larger)
    halved = layers.AveragePooling2D(2, name="middle.halved")(padded)
    factor = pooled_scale(larger.shape[1], same.shape[1])
    scaled = [
        layers.Rescaling(factor, name="middle.first")(halved),
        layers.Rescaling(MIDDLE_SCALE, name="middle.second")(same),
    ]
    own, *twin = heads
    features = layers.Concatenate(name="features")([own, *scaled, *twin])
    return layers.GlobalAveragePooling2D(name="embedding")(features)


def _block(layers: Any, x: Any, block: Block, prefix: str = "") -> Any:
    of_block = f"{prefix}{block.name}"
    skipped = x
    if block.has_expansion:
        x = _conv(layers, x, f"{of_block}.expand", block.filters_hidden)
        x = layers.ReLU(6.0, name=f"{of_block}.expand.relu6")(x)
    name = f"{of_block}.depthwise"
    x = layers.DepthwiseConv2D(
        block.kernel, block.stride, padding="same", use_bias=False, name=name
    )(x)
    x = layers.ReLU(6.0, name=f"{name}.relu6")(_norm(layers, x, name))
    x = _conv(layers, x, f"{of_block}.project", block.filters_out)
    return layers.Add(name=f"{of_block}.add")([x, skipped]) if block.has_skip else x


def _conv(layers: Any, x: Any, name: str, filters: int, *, kernel: int = 1, stride: int = 1) -> Any:
    conv = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)
    return _norm(layers, conv(x), name)


def _norm(layers: Any, x: Any, name: str) -> Any:
    return layers.BatchNormalization(
        momentum=_BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=f"{name}.norm"
    )(x)


def _fill(model: keras.Model, weights: Weights, *, include_top: bool) -> None:
    """Set the layers' weights, converted from PyTorch's axis order to Keras'."""
    twins = {f"{TWIN}{name}": conv for name, conv in weights.twins.items()}
    for name, conv in {**weights.convs, **twins}.items():
        is_depthwise = name.endswith(".depthwise")
        axes = (2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0)
        model.get_layer(name).set_weights([np.transpose(conv.kernel, axes)])
        norm = [conv.gamma, conv.beta, conv.mean, conv.variance]
        model.get_layer(f"{name}.norm").set_weights(norm)
    if include_top:
        classifier = model.get_layer("classifier")
        kernel = np.zeros(classifier.kernel.shape, np.float32)
        kernel[:NUM_FEATURES] = weights.classifier_kernel.T
        classifier.set_weights([kernel, weights.classifier_bias])


def build_keras_int8(spec: BackboneSpec, constants: Mapping[str, NDArray[Any]]) -> keras.Model:
    """Build a backbone that computes as its quantised ONNX graph does, with Keras' own layers.

    Its tensors hold whole numbers in float32, which is exact up to 2**24: the same sums in any
    order, on any processor. Rounding has no gradient, so it can't be fine-tuned.

    Args:
        spec: The backbone.
        constants: Those of the ONNX graph, see `candid.core.onnx_quantiser`.

    Returns:
        A model as `build_keras` gives, without batch normalisation.

    Raises:
        DependencyError: TensorFlow is not installed.
    """
    require_packages(["keras"], needed_by="a Keras model", extra="train")
    import keras

    layers = keras.layers
    network = _Int8Network(keras, constants)
    image = layers.Input((spec.size_px, spec.size_px, 3), name="image")
    x = network.fine_layers(layers.Rescaling(1.0, -CENTRE, name="normalisation")(image))
    middles = []
    for block in spec.blocks:
        x = network.block(x, block)
        middles += [x] if block in spec.middles else []
    is_old = "head.relu6.scale" not in constants  # a run of an earlier version, with Lite0
    x = network.conv(x, "head", "features" if is_old else "head.relu6")
    head, *sums = (
        layers.Rescaling(float(constants[f"{each.name}.scale"]), name=name)(each.values)
        for name, each in zip(("head.relu6", "middle0", "middle1"), (x, *middles), strict=True)
    )
    return keras.Model(image, _embedding(layers, [head], sums), name=spec.name)


class _Numbers(NamedTuple):
    """A quantised tensor: its numbers less their zero point, and its name in the ONNX graph."""

    values: Any
    name: str


class _Int8Network:
    def __init__(self, keras: Any, constants: Mapping[str, NDArray[Any]]) -> None:
        self._layers, self._ops = keras.layers, keras.ops
        self._constants = constants

    def block(self, x: _Numbers, block: Block) -> _Numbers:
        skipped = x
        if block.has_expansion:
            x = self.conv(x, f"{block.name}.expand", f"{block.name}.expand.relu6")
        name = f"{block.name}.depthwise"
        if name not in FINE_LAYERS:
            x = self.conv(x, name, f"{name}.relu6", stride=block.stride)
        name = f"{block.name}.project"
        x = self.conv(x, name, name)
        return self._add(x, skipped, f"{block.name}.add") if block.has_skip else x

    def fine_layers(self, pixels: Any) -> _Numbers:
        """The layers of `FINE_LAYERS`, from centred pixels."""
        first, second = FINE_LAYERS
        x = self._layer(pixels, first, "kernel", "bias", stride=STEM_STRIDE)
        x = self._ops.round(self._ops.clip(x, 0.0, float(FINE_MOST)))
        x = self._layer(x, second, "kernel", "bias")
        return _Numbers(self._ops.round(self._ops.clip(x, 0.0, 255.0)), f"{second}.relu6")

    def _layer(self, x: Any, name: str, weights: str, offsets: str, *, stride: int = 1) -> Any:
        kernel = self._constants[f"{name}.{weights}"].astype(np.float32)
        bias = self._constants[f"{name}.{offsets}"].astype(np.float32)
        options = {"strides": stride, "padding": "same", "trainable": False, "name": name}
        if name.endswith(".depthwise"):
            layer = self._layers.DepthwiseConv2D(kernel.shape[2], **options)
            axes = (2, 3, 0, 1)
        else:
            layer = self._layers.Conv2D(len(kernel), kernel.shape[2], **options)
            axes = (2, 3, 1, 0)
        sums = layer(x)
        layer.set_weights([np.transpose(kernel, axes), bias])
        return sums

    def conv(self, x: _Numbers, name: str, output: str, *, stride: int = 1) -> _Numbers:
        """Convolve whole numbers, and round the sums to the output's scale and range."""
        sums = self._layer(x.values, name, "weights", "offsets", stride=stride)
        # In the order of ONNX Runtime's kernel, for the same float32.
        scales = self._scale(x.name) * self._constants[f"{name}.weights.scales"]
        scales = scales / self._scale(output)
        # A layer with weights: constants of operations would be written into the model's JSON.
        rescale = self._layers.DepthwiseConv2D(
            1, use_bias=False, trainable=False, name=f"{name}.scale"
        )
        scaled = rescale(sums)
        rescale.set_weights([scales.reshape(1, 1, -1, 1)])
        zero = float(self._constants[f"{output}.zero"])
        rounded = self._ops.round(self._ops.clip(scaled, -zero, 255 - zero))
        return _Numbers(rounded, output)

    def _add(self, x: _Numbers, y: _Numbers, output: str) -> _Numbers:
        of_x, of_y = (float(self._scale(t.name) / self._scale(output)) for t in (x, y))
        zero = float(self._constants[f"{output}.zero"])
        # A half is rounded to the even number, and ONNX Runtime rounds sums with the zero point.
        rounded = self._ops.round(x.values * of_x + y.values * of_y + zero)
        return _Numbers(self._ops.clip(rounded, 0.0, 255.0) - zero, output)

    def _scale(self, tensor: str) -> NDArray[np.float32]:
        return np.asarray(self._constants[f"{tensor}.scale"], np.float32)
