"""Samples of more than 8 bits, and the range of them that becomes 0 to 255.

A file does not say which of its samples is black and which is white. Guessed for each picture, the
range would make two pictures of one scene different; so it belongs to the set, see
`candid.data.sample_range`, and is kept in the pixel contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from candid.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Beyond this, floats mark missing samples, as -3.4e38 does in elevation models.
_MISSING = 1e38
_KINDS = {"u": "unsigned", "i": "signed", "f": "float"}


@dataclass(frozen=True)
class Samples:
    """A decoded picture, its samples as they are in the file.

    Attributes:
        values: ``(h, w)`` grey or ``(h, w, 3)`` RGB; integers, signed or not, or floats.
        num_bits: Bits that an unsigned sample may have by the file's header.
        is_inverted: Whether low samples are bright (TIFF's WhiteIsZero, DICOM's MONOCHROME1).
        nodata: The value of missing samples, if the file names one.
        sample_range: The range that the file itself declares: of a DICOM file, its window.
        alpha: uint8 ``(h, w)``, 255 where opaque; None if all is.
        is_premultiplied: Whether the values are multiplied by alpha already.
    """

    values: NDArray[Any]
    num_bits: int = 8
    is_inverted: bool = False
    nodata: float | None = None
    sample_range: tuple[float, float] | None = None
    alpha: NDArray[np.uint8] | None = None
    is_premultiplied: bool = False

    @property
    def is_deep(self) -> bool:
        """Whether they don't fit 8 bits: more bits, signed 16 bits, or floats."""
        return self.values.dtype.itemsize > 1

    def measured(self) -> NDArray[np.float64]:
        """The samples that are not missing, as float64 ``(n,)``."""
        return np.asarray(self.values[~self._missing()], np.float64)

    def to_rgb(self, sample_range: tuple[float, float] | None) -> NDArray[np.uint8]:
        """Scale to uint8 ``(h, w, 3)``, over white; missing samples become black.

        Args:
            sample_range: What becomes 0 and 255, for deep samples; others are never stretched.

        Raises:
            ImageError: The range is not known, or no sample is a number.
        """
        grey = self.scaled(sample_range or self.sample_range)
        if self.is_inverted:
            grey = ~grey  # 255 - grey
        missing = self._missing()
        if missing.any():
            if missing.all():
                raise ImageError("no sample of it is a number")
            grey = np.where(missing, np.uint8(0), grey).astype(np.uint8)
        if grey.ndim == 2:
            grey = np.repeat(grey[:, :, None], 3, axis=2)
        return grey if self.alpha is None else self._over_white(grey, self.alpha)

    def _over_white(self, rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        opacity = alpha[:, :, None].astype(np.uint16)
        colour = rgb.astype(np.uint16)
        if not self.is_premultiplied:
            colour = (colour * opacity + 127) // 255
        over = np.minimum(colour + (255 - opacity), 255)
        return cast("NDArray[np.uint8]", over.astype(np.uint8))

    def scaled(self, sample_range: tuple[float, float] | None) -> NDArray[np.uint8]:
        """The values as uint8, of the same shape; see `to_rgb`."""
        values = self.values
        if not self.is_deep:
            # A signed byte is an unsigned one with another zero.
            shifted = values.view(np.uint8) ^ np.uint8(128) if values.dtype.kind == "i" else values
            return cast("NDArray[np.uint8]", shifted.astype(np.uint8, copy=False))
        if sample_range is None:
            if values.dtype.kind == "u" and self.num_bits <= 16:
                return _upper_bits(values, self.num_bits)
            sample_range = self._unit_range()
        low, high = sample_range
        # float64 only where 24 bits of a float32 would not do.
        kind = np.float64 if values.dtype.itemsize > 2 else np.float32
        with np.errstate(invalid="ignore"):  # of signalling NaNs, in damaged files
            wide: NDArray[Any] = values.astype(kind)
        scaled = np.nan_to_num((wide - low) * (255 / (high - low)), nan=0.0)
        return cast("NDArray[np.uint8]", np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))

    def _unit_range(self) -> tuple[float, float]:
        """Floats from 0 to 1 are their own range; of others nothing is known."""
        measured = self.measured()
        low, high = (float(measured.min()), float(measured.max())) if measured.size else (0.0, 1.0)
        if self.values.dtype.kind == "f" and low >= 0 and high <= 1:
            return 0.0, 1.0
        bits = 8 * self.values.dtype.itemsize
        kind = _KINDS.get(self.values.dtype.kind, "")
        raise ImageError(
            f"{kind} {bits}-bit samples from {low:.5g} to {high:.5g}, and the run knows no range "
            "for them; train on such pictures, or with --range LOW,HIGH"
        )

    def _missing(self) -> NDArray[np.bool_]:
        values = self.values
        missing = np.zeros(values.shape, np.bool_)
        if values.dtype.kind == "f":
            missing |= ~np.isfinite(values)
            if values.dtype.itemsize > 2:
                missing |= np.abs(values) >= _MISSING
        if self.nodata is not None:
            missing |= values == self.nodata
        return missing


def _upper_bits(values: NDArray[Any], num_bits: int) -> NDArray[np.uint8]:
    """Keep the upper 8 of the declared bits, as Pillow does for 16-bit colour."""
    shift = max(0, num_bits - 8)
    if num_bits < 8:
        return cast("NDArray[np.uint8]", (values * (255 // (2**num_bits - 1))).astype(np.uint8))
    return cast("NDArray[np.uint8]", np.minimum(values >> shift, 255).astype(np.uint8))
