"""Build the whole classifier as one Keras model: preprocessing, network, probabilities, novelty.

It consists of Keras' own layers and operations, so that it loads without Candid. Its layers
``embedding``, ``scores`` and ``probabilities`` have the names of the run's ONNX graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import import_tensorflow, quiet
from candid.errors import ArtifactError, UsageError
from candid.exporting.source import Source
from candid.features.backbones import BUNDLED
from candid.features.backbones.keras_graph import build_keras, build_keras_int8
from candid.features.backbones.spec import NUM_FEATURES, BackboneSpec
from candid.features.backbones.tail import Division, with_twins
from candid.features.backbones.weights import TWIN, Weights, load_weights
from candid.runs.manifest import FinetuneSettings

_CNN_FILE = "model.keras"
_Array = NDArray[np.float32]


def build_classifier(source: Source, *, dtype: str = "uint8", in_float: bool = False) -> Any:
    """Build a run's classifier in Keras.

    Args:
        source: The run.
        dtype: Of the input. Keras casts whatever it is given, and floats from 0 to 1 to a black
            photo. So a model that is to be called by Keras takes ``float32``, of which it answers
            NaN for all but whole numbers from 0 to 255.
        in_float: Whether a backbone of 8 bits is to compute in float32, for a quantiser of another
            runtime.

    Returns:
        A ``keras.Model``. Its input is ``image``, ``(n, s, s, 3)`` RGB, 0 to 255. Its output is a
        dictionary of ``probabilities``, float32 ``(n, k)``, calibrated; ``embedding``, float32
        ``(n, d)``; and, where the run has them, ``novelty``, float32 ``(n,)``, and ``heatmap``,
        float32 ``(n, k, h, w)``.

    Raises:
        UsageError: The run's backbone came as an ONNX file, which can't become Keras.
        DependencyError: TensorFlow, or the package with the backbone's weights, is not installed.
        ArtifactError: The run lacks ``model.keras``, or its graph has no layer ``scores``.
    """
    spec = None if source.manifest.recipe == "cnn" else _find_backbone(source)
    import_tensorflow()
    import keras

    with quiet():
        shape = (source.size_px, source.size_px, 3)
        image = keras.layers.Input(shape, dtype=dtype, name="image")
        if spec is None:
            outputs = _append_cnn(keras, source, image)
        else:
            spec = replace(spec, is_int8=spec.is_int8 and not in_float)
            outputs = _append_transfer(keras, source, spec, image)
        if dtype != "uint8":
            outputs = _refuse_fractions(keras.ops, image, outputs)
        return keras.Model(image, outputs, name="candid")


def _find_backbone(source: Source) -> BackboneSpec:
    name = source.manifest.backbone or ""
    if name not in BUNDLED:
        raise UsageError(
            f"the backbone of {source.folder}, {name!r}, came as an ONNX graph, which can't become "
            f"Keras; expected one of {', '.join(BUNDLED)}. Export this run with --to onnx."
        )
    return BUNDLED[name]


def _append_transfer(keras: Any, source: Source, spec: BackboneSpec, image: Any) -> dict[str, Any]:
    """Backbone, linear head and novelty."""
    features = _features(keras, spec, source, image)
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(features)
    outputs = _add_head(keras, source, embedding)
    if source.has_heatmap:
        outputs["heatmap"] = _add_heatmap(keras.layers, source, features)
    return outputs


def _refuse_fractions(ops: Any, image: Any, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Answer NaN for an image with a value that is no whole number from 0 to 255."""
    is_level = ops.equal(ops.clip(ops.floor(image), 0, 255), image)
    holds = ops.all(is_level, axis=(1, 2, 3), keepdims=True)
    return {
        name: ops.where(ops.reshape(holds, (-1, *[1] * (len(value.shape) - 1))), value, np.nan)
        for name, value in outputs.items()
    }


def _features(keras: Any, spec: BackboneSpec, source: Source, image: Any) -> Any:
    """Feature map ``(n, h, w, d)``; averaged with the mirrored image's if ``spec.mirror``."""
    ops = keras.ops
    if spec.is_int8:
        whole = build_keras_int8(spec, source.constants)
    else:
        whole = build_keras(spec, _weights(spec, source))
    # Runs of earlier versions have no middle features.
    name = "features" if source.head()[0].shape[1] > NUM_FEATURES else "head.relu6"
    backbone = keras.Model(whole.input, whole.get_layer(name).output, name=spec.name)
    backbone.trainable = False  # as when the head was fitted; users may unfreeze it
    pixels = ops.cast(image, "float32")
    plain = backbone(pixels)
    if not spec.mirror:
        return plain
    mirrored = backbone(ops.flip(pixels, axis=2))
    return (plain + ops.flip(mirrored, axis=2)) * 0.5


def _weights(spec: BackboneSpec, source: Source) -> Weights:
    """The backbone's weights, with those that the run has trained as twins."""
    weights = load_weights(spec)
    if not isinstance(source.manifest.settings, FinetuneSettings):
        return weights
    division = Division(spec, source.manifest.settings.first_block)
    trained = {
        name: (source.constants[f"{TWIN}{name}.kernel"], source.constants[f"{TWIN}{name}.bias"])
        for name in division.layers_of(weights)
    }
    return with_twins(weights, trained)


def _append_cnn(keras: Any, source: Source, image: Any) -> dict[str, Any]:
    """The run's Keras network with a calibrated last layer, and the novelty."""
    file = source.folder / _CNN_FILE
    if not file.is_file():
        raise ArtifactError(f"{source.folder} lacks {_CNN_FILE}; restore it or train again.")
    *layers, _ = keras.models.load_model(file, compile=False).layers
    return _add_head(keras, source, reduce(lambda value, layer: layer(value), layers, image))


def _add_head(keras: Any, source: Source, embedding: Any) -> dict[str, Any]:
    """Append scores, probabilities and, where the run has it, the novelty to an embedding."""
    layers = keras.layers
    kernel, bias = source.head()
    dense = layers.Dense(len(bias), name="scores")
    scores = dense(embedding)
    dense.set_weights([kernel.T, bias])
    if len(bias) > 1:
        probabilities = layers.Softmax(name="probabilities")(scores)
    else:
        first, second = keras.ops.sigmoid(-scores), keras.ops.sigmoid(scores)
        probabilities = layers.Concatenate(name="probabilities")([first, second])
    outputs = {"probabilities": probabilities, "embedding": embedding}
    constants = source.novelty()
    if constants is not None:
        outputs["novelty"] = _NoveltyLayers(keras, constants).append(embedding)
    return outputs


def _add_heatmap(layers: Any, source: Source, features: Any) -> Any:
    """Contribution of each place to each score, ``(n, k, h, w)``."""
    kernel, bias = source.head()
    conv = layers.Conv2D(len(bias), 1, trainable=False, name="scores_of_places")
    by_place = conv(features)
    conv.set_weights([kernel.T[None, None], bias])
    return layers.Permute((3, 1, 2), name="heatmap")(by_place)


class _NoveltyLayers:
    """Appends the computation of `candid.models.ood` to a Keras embedding.

    Large constants are the weights of frozen layers, because Keras writes the others into the
    model's JSON.

    Args:
        keras: The module.
        constants: By their names in `candid.models.ood`.
    """

    def __init__(self, keras: Any, constants: Mapping[str, _Array]) -> None:
        self._layers = keras.layers
        self._ops = keras.ops
        self._constants = constants
        self._tiny = float(constants["tiny"])

    def append(self, embedding: Any) -> Any:
        """From an embedding, float32 ``(n, d)``, to ``novelty``, float32 ``(n,)``."""
        ops, constants = self._ops, self._constants
        mapped = self._map(embedding)
        rows = self._affine(mapped, "centred", offset=-constants["mean"])
        within = self._project(rows, "axes", constants["axes"])
        excess = self._project(within * within, "excess", constants["excess"])
        total = ops.maximum(excess + self._square(rows) * float(constants["rest"]), self._tiny)
        placed = self._project(rows, "discriminant", constants["discriminant"])
        dots = self._project(placed, "centres", constants["centres"])
        square = self._square(placed)
        cosines = self._affine(dots, "unit", scale=constants["unit"][0])
        angle = -ops.max(cosines, axis=1, keepdims=True) / ops.sqrt(total)
        lengths = np.full_like(constants["lengths"][0], -2), constants["lengths"][0]
        # In this order: where n = k, Keras on TensorFlow takes a column (n, 1) that is added to
        # (n, k) for a bias (https://github.com/keras-team/keras/pull/20386), and transposes it.
        apart = square + self._affine(dots, "lengths", *lengths)
        distance = ops.sqrt(ops.maximum(ops.min(apart, axis=1, keepdims=True), 0.0))
        residual = ops.sqrt(ops.maximum(total - square, 0.0))
        local = [self._local(mapped)] if "neighbours" in constants else []
        measures = ops.concatenate([angle, distance, residual, *local], axis=1)
        scale = np.asarray(1 / constants["spread"], np.float32)
        scores = self._affine(measures, "standardised", scale, -constants["middle"] * scale)
        return self._layers.Identity(name="novelty")(ops.sum(scores, axis=1))

    def _local(self, mapped: Any) -> Any:
        """The measure of `candid.models.neighbourhood`, ``(n, 1)``."""
        ops, constants = self._ops, self._constants
        dots = self._project(mapped, "neighbours", constants["neighbours"])
        doubled = np.full_like(constants["squares"][0], -2), constants["squares"][0]
        apart = self._square(mapped) + self._affine(dots, "squares", *doubled)
        apart = ops.maximum(apart, 0.0)
        weights = ops.softmax(apart / float(constants["minus width"]), axis=1)
        radii = self._project(weights, "radii", constants["radii"])
        return ops.sum(weights * apart, axis=1, keepdims=True) / radii

    def _map(self, embedding: Any) -> Any:
        """Signed square root of each value's share of the row's absolute sum."""
        ops = self._ops
        sizes = ops.abs(embedding)
        shares = sizes / (ops.sum(sizes, axis=1, keepdims=True) + self._tiny)
        return ops.sign(embedding) * ops.sqrt(shares)

    def _square(self, rows: Any) -> Any:
        """Sum of the squares of each row, ``(n, 1)``."""
        return self._ops.sum(rows * rows, axis=1, keepdims=True)

    def _project(self, rows: Any, name: str, kernel: _Array) -> Any:
        """Multiply ``(n, a)`` by ``(a, b)``."""
        dense = self._layers.Dense(
            kernel.shape[1], use_bias=False, trainable=False, name=f"novelty_{name}"
        )
        projected = dense(rows)
        dense.set_weights([kernel])
        return projected

    def _affine(
        self, rows: Any, name: str, scale: _Array | None = None, offset: _Array | None = None
    ) -> Any:
        """Multiply and add, one number per column."""
        factors = 1.0 if scale is None else scale.tolist()
        added = 0.0 if offset is None else offset.tolist()
        return self._layers.Rescaling(factors, added, name=f"novelty_{name}")(rows)
