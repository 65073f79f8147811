"""The pixel contract: what every image is turned into before a model sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from candid.errors import UsageError

Fit = Literal["squash", "crop", "pad"]

# Pillow's own threshold for a decompression bomb: 0.5 GiB of RGB. A 108-megapixel photo passes.
MAX_PIXELS = 178_956_970

# Raised whenever `decode` gives other pixels for the same bytes, so that caches notice.
_VERSION = 1


@dataclass(frozen=True)
class PixelContract:
    """How an image becomes pixels.

    Attributes:
        size_px: Both sides of the result, in pixels.
        fit: ``squash`` resizes both sides to ``size_px``, as the tutorial does; ``crop`` takes the
            centred square; ``pad`` keeps everything and fills the rest with white, the colour that
            alpha is composed over.
        max_pixels: An image whose header says more than this many pixels is refused undecoded.

    Raises:
        UsageError: A size or limit below 1, or an unknown fit.
    """

    size_px: int = 224
    fit: Fit = "squash"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.fit not in get_args(Fit):
            choices = ", ".join(get_args(Fit))
            raise UsageError(f"fit must be one of {choices}. Received: fit={self.fit!r}")
        if self.size_px < 1 or self.max_pixels < 1:
            received = f"size_px={self.size_px}, max_pixels={self.max_pixels}"
            raise UsageError(f"size_px and max_pixels must be at least 1. Received: {received}")

    @property
    def key(self) -> str:
        """An id for caches, ``v1:224:squash``: equal keys, equal pixels for equal bytes."""
        return f"v{_VERSION}:{self.size_px}:{self.fit}"
