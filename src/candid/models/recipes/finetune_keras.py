"""The last blocks of a backbone in Keras, and their training.

Imported by `candid.models.recipes.finetune` only when it trains, as TensorFlow takes seconds to
import.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow import keras

from candid.core.linalg import Rows
from candid.core.progress import Advance
from candid.features.backbones.spec import NUM_FEATURES, Block
from candid.features.backbones.tail import Division, Layers
from candid.models.checkpoint import Checkpoint, Snapshot
from candid.models.recipes.linear_head import LinearHead

_DEPTHWISE_AXES: Final = (2, 3, 0, 1)  # from ONNX' order of a kernel to Keras'
_CONV_AXES: Final = (2, 3, 1, 0)
_BATCH: Final = 64  # pictures that are answered at once


@dataclass(frozen=True)
class Schedule:
    """How the tail is trained.

    Attributes:
        epochs: Passes over the photos; in each, one view of every photo is shown.
        batch_size: Photos per step.
        learning_rate: Of the blocks, at its highest; it falls as a cosine.
        head_rate: Of the linear head, likewise.
        smoothing: Share of a label that is spread over all classes (Szegedy et al., 2016).
        decay: Of the moving average of the weights, which is what is kept (Polyak and Juditsky,
            1992).
        clean_share: Share of the shown views that are the photo or its mirror image, not varied.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 2e-4
    head_rate: float = 2e-4
    smoothing: float = 0.1
    decay: float = 0.98
    clean_share: float = 0.25


@dataclass(frozen=True)
class Shown:
    """The photos to train on.

    Attributes:
        middle: float16 ``(views, m, h, w, c)``: what the front says of the photo, its mirror image
            and varied views of it.
        places: int64 ``(n,)``, the photos of `middle` that are trained on.
        labels: int64 ``(n,)``.
    """

    middle: NDArray[np.float16]
    places: NDArray[np.int64]
    labels: NDArray[np.int64]


class Tail:
    """The tail with a linear head, while it is trained and after.

    Attributes:
        network: From what the front says, float32 ``(n, h, w, c)``, to embedding and scores.
        schedule: How it is trained.
    """

    def __init__(
        self, division: Division, layers: Layers, num_classes: int, schedule: Schedule
    ) -> None:
        self._layers, self._num_classes, self.schedule = layers, num_classes, schedule
        keras_layers = keras.layers
        middle = keras_layers.Input(division.middle_shape)
        x = middle
        for block in division.blocks:
            x = _block(x, block)
        x = keras_layers.ReLU(6.0)(keras_layers.Conv2D(NUM_FEATURES, 1, name="head")(x))
        embedding = keras_layers.GlobalAveragePooling2D()(x)
        scores = keras_layers.Dense(num_classes, name="scores")(embedding)
        self.network = keras.Model(middle, [embedding, scores])
        self._of_head = self.network.get_layer("scores").trainable_variables
        own = {id(variable) for variable in self._of_head}
        self._of_blocks = [v for v in self.network.trainable_variables if id(v) not in own]
        self._adams = [keras.optimizers.AdamW(), keras.optimizers.AdamW()]
        for adam, variables in zip(self._adams, (self._of_blocks, self._of_head), strict=True):
            adam.build(variables)
        self._fresh = [np.array(v) for adam in self._adams for v in adam.variables]
        self._means = [tf.Variable(variable) for variable in self.network.trainable_variables]
        batch = (
            tf.TensorSpec((None, *division.middle_shape), tf.float16),
            tf.TensorSpec((None, num_classes), tf.float32),
            tf.TensorSpec((), tf.float32),
            tf.TensorSpec((), tf.float32),
        )
        self._step = tf.function(self._take_step).get_concrete_function(*batch)
        self._answer = tf.function(self._run).get_concrete_function(batch[0])

    def _run(self, middle: Any) -> Any:
        return self.network(tf.cast(middle, tf.float32), training=False)

    def _take_step(self, middle: Any, targets: Any, rate: Any, decay: Any) -> Any:
        """Take a step; ``rate`` is a share of the learning rates."""
        variables = [*self._of_blocks, *self._of_head]
        with tf.GradientTape() as tape:
            _, scores = self.network(tf.cast(middle, tf.float32), training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, scores))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        cut = len(self._of_blocks)
        parts = zip(
            (gradients[:cut], gradients[cut:]), (self._of_blocks, self._of_head), strict=True
        )
        highest = (self.schedule.learning_rate, self.schedule.head_rate)
        for adam, most, (some, own) in zip(self._adams, highest, parts, strict=True):
            adam.learning_rate.assign(rate * most)
            adam.apply_gradients(zip(some, own, strict=True))
        for mean, variable in zip(self._means, self.network.trainable_variables, strict=True):
            mean.assign(mean * decay + variable.value * (1 - decay))
        return loss

    def num_steps(self, num_photos: int) -> int:
        """The number of steps of a training."""
        return -(-num_photos // self.schedule.batch_size) * self.schedule.epochs

    def restart(self, head: LinearHead) -> None:
        """Return to the pretrained weights, with a head that was fitted on these features.

        So the first steps do not distort the features (Kumar et al., "Fine-tuning can distort
        pretrained features and underperform out-of-distribution", 2022).
        """
        for name, (kernel, bias) in self._layers.items():
            axes = _DEPTHWISE_AXES if name.endswith(".depthwise") else _CONV_AXES
            self.network.get_layer(name).set_weights([kernel.transpose(axes), bias])
        self.network.get_layer("scores").set_weights([head.kernel.T, head.bias])
        self._restore(self.network.get_weights(), self._fresh, self.network.get_weights())

    def fit(
        self,
        shown: Shown,
        head: LinearHead,
        *,
        seed: int,
        checkpoint: Checkpoint,
        advance: Advance,
        say: Callable[[str], None],
    ) -> tuple[dict[str, float], ...]:
        """Train, or resume from the checkpoint.

        Returns:
            One row per epoch: ``epoch`` and the mean ``loss`` of its steps.
        """
        schedule = self.schedule
        self.restart(head)
        history: tuple[dict[str, float], ...] = ()
        found = checkpoint.read(lambda s: self._fits(s) and len(s.history) <= schedule.epochs)
        if found is not None:
            count = len(self.network.weights)
            self._restore(found.weights[:count], found.optimizer, found.weights[count:])
            history = found.history
            say(f"Resuming after epoch {len(history)} of {schedule.epochs}")
        steps = -(-len(shown.places) // schedule.batch_size)
        advance(len(history) * steps)
        for epoch in range(len(history), schedule.epochs):
            loss = self._run_epoch(shown, epoch, seed, advance)
            history = (*history, {"epoch": epoch + 1, "loss": loss})
            checkpoint.write(self._snapshot(history))
        checkpoint.is_complete = True
        for mean, variable in zip(self._means, self.network.trainable_variables, strict=True):
            variable.assign(mean)
        return history

    def _run_epoch(self, shown: Shown, epoch: int, seed: int, advance: Advance) -> float:
        schedule = self.schedule
        rng = np.random.default_rng([seed, epoch])
        count, size = len(shown.places), schedule.batch_size
        steps = -(-count // size)
        order = rng.permutation(count)
        # The last batch is filled up, so that no step follows few photos alone.
        order = np.concatenate([order, rng.choice(count, steps * size - count)])
        views = _draw_views(len(shown.middle), len(order), schedule.clean_share, rng)
        targets = smooth(shown.labels, self._num_classes, schedule.smoothing)
        losses = []
        for step in range(steps):
            batch = order[step * size : (step + 1) * size]
            middle = shown.middle[views[step * size : (step + 1) * size], shown.places[batch]]
            done = epoch * steps + step
            rate = _rate(done, steps * schedule.epochs)
            decay = min(schedule.decay, (2 + done) / (11 + done))
            losses.append(
                self._step(
                    tf.constant(middle),
                    tf.constant(targets[batch]),
                    tf.constant(rate, tf.float32),
                    tf.constant(decay, tf.float32),
                )
            )
            advance(1)
        return float(np.mean([loss.numpy() for loss in losses]))

    def answer(
        self, middle: NDArray[np.float16], places: NDArray[np.integer[Any]]
    ) -> tuple[Rows, Rows]:
        """Embedding and scores of photos, each the mean of photo and mirror image.

        Args:
            middle: float16 ``(views, m, h, w, c)``, of which the first two views are used.
            places: Whole numbers ``(n,)``, the photos.

        Returns:
            float32 ``(n, d)`` and float32 ``(n, k)``.
        """
        embeddings, scores = [], []
        for start in range(0, len(places), _BATCH):
            some = places[start : start + _BATCH]
            pairs = [self._answer(tf.constant(middle[view, some])) for view in (0, 1)]
            embedding, score = ((a.numpy() + b.numpy()) / 2 for a, b in zip(*pairs, strict=True))
            embeddings.append(embedding)
            scores.append(score)
        return np.concatenate(embeddings), np.concatenate(scores)

    def seconds_per_step(self, shown: Shown) -> float:
        """How long a step takes, in seconds; it changes the weights."""
        targets = smooth(shown.labels, self._num_classes, 0.0)
        some = np.resize(np.arange(len(shown.places)), self.schedule.batch_size)
        batch = tf.constant(shown.middle[0, shown.places[some]]), tf.constant(targets[some])
        zero = tf.constant(0.0)
        self._step(*batch, zero, zero)
        start = time.perf_counter()
        self._step(*batch, zero, zero)
        return time.perf_counter() - start

    def layers(self) -> Layers:
        """The trained layers, as `Division.layers_of` gives the pretrained ones."""
        trained = {}
        for name in self._layers:
            kernel, bias = self.network.get_layer(name).get_weights()
            axes = _DEPTHWISE_AXES if name.endswith(".depthwise") else _CONV_AXES
            trained[name] = (np.ascontiguousarray(kernel.transpose(np.argsort(axes))), bias)
        return trained

    def head(self) -> LinearHead:
        """The trained head, which no regularisation was chosen for."""
        kernel, bias = self.network.get_layer("scores").get_weights()
        return LinearHead(np.ascontiguousarray(kernel.T), bias, strength=math.inf)

    def _snapshot(self, history: tuple[dict[str, float], ...]) -> Snapshot:
        means = [mean.numpy() for mean in self._means]
        adam = [variable.numpy() for adam in self._adams for variable in adam.variables]
        return Snapshot([*self.network.get_weights(), *means], adam, history)

    def _restore(self, weights: Sequence[Any], adam: Sequence[Any], means: Sequence[Any]) -> None:
        self.network.set_weights(weights)
        variables = [v for each in self._adams for v in each.variables]
        for variable, value in zip(variables, adam, strict=True):
            variable.assign(value)
        for mean, value in zip(self._means, means, strict=True):
            mean.assign(value)

    def _fits(self, found: Snapshot) -> bool:
        own = [tuple(v.shape) for v in (*self.network.weights, *self._means)]
        adam = [tuple(v.shape) for each in self._adams for v in each.variables]
        return (own, adam) == (
            [values.shape for values in found.weights],
            [values.shape for values in found.optimizer],
        )


def _block(x: Any, block: Block) -> Any:
    layers = keras.layers
    skipped = x
    x = layers.ReLU(6.0)(layers.Conv2D(block.filters_hidden, 1, name=f"{block.name}.expand")(x))
    depthwise = layers.DepthwiseConv2D(
        block.kernel, block.stride, padding="same", name=f"{block.name}.depthwise"
    )
    x = layers.ReLU(6.0)(depthwise(x))
    x = layers.Conv2D(block.filters_out, 1, name=f"{block.name}.project")(x)
    return layers.Add()([x, skipped]) if block.has_skip else x


def _draw_views(
    num_views: int, count: int, clean_share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A view for each photo: 0 and 1 are the photo and its mirror image."""
    clean = rng.integers(0, 2, count)
    if num_views == 2:
        return clean
    return np.where(rng.random(count) < clean_share, clean, rng.integers(2, num_views, count))


def smooth(labels: NDArray[np.int64], num_classes: int, share: float) -> Rows:
    """Targets, float32 ``(n, k)``: each label, of which a share is spread over all classes."""
    targets = np.full((len(labels), num_classes), share / num_classes, np.float32)
    targets[np.arange(len(labels)), labels] += 1 - share
    return targets


def _rate(step: int, num_steps: int) -> float:
    """The share of the learning rate: it rises for a tenth of the steps and falls as a cosine."""
    warm = min(1.0, (step + 1) / max(1, num_steps // 10))
    return float(warm * 0.5 * (1 + np.cos(np.pi * step / num_steps)))
