"""DICOM: the picture of a scanner's file, by pydicom (extra ``science``).

pydicom decompresses, applies the palette and converts YBR to RGB; converting once more by the tag
would spoil the colours. It neither rescales (DICOM PS3.3 C.7.6.16, C.11.1) nor inverts MONOCHROME1
(C.7.6.3.1.2) nor applies the window (C.11.2), which is done here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from candid.data.images.contract import Reading
from candid.data.images.packages import hush, missing
from candid.data.images.samples import Samples
from candid.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DicomHeader:
    """Facts of a DICOM file, named as those of a page of a TIFF."""

    size: tuple[int, int]
    num_pages: int
    mode: str  # as `candid.data.images.inspect.Details.mode`: ``RGB``, ``L`` or ``int16``
    camera: tuple[str, str]  # nothing, and manufacturer with model
    orientation: int = 1


@contextmanager
def _by_pydicom() -> Iterator[None]:
    """Name the extra, and make reasons of pydicom's errors that are none of `decoder_errors`."""
    try:
        import pydicom
    except ImportError:
        raise missing("DICOM") from None
    hush("pydicom")
    try:
        yield
    except (pydicom.errors.BytesLengthException, pydicom.errors.InvalidDicomError) as error:
        raise ImageError(f"damaged DICOM file ({' '.join(str(error).split())[:200]})") from None


@_by_pydicom()
def read_dicom_header(data: bytes) -> DicomHeader:
    """Read the size of a DICOM file's picture.

    Raises:
        ImageError: pydicom is missing, the file is damaged, or it has no picture.
    """
    from pydicom import dcmread

    dataset = dcmread(io.BytesIO(data), stop_before_pixels=True)
    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    if not rows or not columns:
        raise ImageError("a DICOM file without a picture")
    kind = "int" if dataset.get("PixelRepresentation") else "uint"
    bits = int(dataset.get("BitsAllocated", 8))
    is_colour = int(dataset.get("SamplesPerPixel", 1)) > 1
    mode = "RGB" if is_colour else "L" if bits == 8 else f"{kind}{bits}"
    camera = " ".join(str(dataset.get(n, "")) for n in ("Manufacturer", "ManufacturerModelName"))
    num_frames = int(dataset.get("NumberOfFrames") or 1)
    return DicomHeader((int(columns), int(rows)), num_frames, mode, ("", camera.strip()))


@_by_pydicom()
def read_dicom(data: bytes, reading: Reading) -> Samples:
    """Decode a frame of a DICOM file.

    Raises:
        ImageError: It can't be decoded; a compression needs a plug-in of pydicom.
    """
    from pydicom import dcmread

    dataset = dcmread(io.BytesIO(data))
    frame = (reading.page or 1) - 1
    num_frames = int(dataset.get("NumberOfFrames") or 1)
    if frame >= num_frames:
        raise ImageError(f"it has {num_frames} page(s), not a page {reading.page}")
    values = _decode_frame(dataset, frame)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        values = apply_color_lut(values, dataset)
    if values.ndim == 3:
        deep = Samples(values[..., :3], int(dataset.BitsStored))
        return Samples(deep.scaled(None))
    values, padding = _rescale(values, dataset)
    is_inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    is_deep = values.dtype.itemsize > 1
    window = _read_window(dataset) if is_deep else None
    num_bits = int(dataset.BitsStored)
    return Samples(values, num_bits, is_inverted, padding, window)


def _decode_frame(dataset: Any, frame: int) -> NDArray[Any]:
    from pydicom.pixels import pixel_array

    if "PixelData" not in dataset:
        raise ImageError("a DICOM file without a picture")
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        return np.asarray(pixel_array(dataset, index=frame))
    except (RuntimeError, NotImplementedError) as error:
        if "missing dependencies" not in str(error) and "no available" not in str(error):
            raise
        if syntax in _BY_IMAGECODECS:
            return _decode_by_imagecodecs(dataset, frame, _BY_IMAGECODECS[syntax])
        raise ImageError(
            f"DICOM compressed as {syntax.name}; install a plug-in of pydicom for it, such as "
            "pylibjpeg with pylibjpeg-libjpeg, or export it uncompressed"
        ) from None


# Compressions without a decoder in pydicom, for which the extra has one anyway.
_BY_IMAGECODECS: Final = {
    "1.2.840.10008.1.2.4.57": "ljpeg_decode",
    "1.2.840.10008.1.2.4.70": "ljpeg_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
}


def _decode_by_imagecodecs(dataset: Any, frame: int, decoder: str) -> NDArray[Any]:
    import imagecodecs
    from pydicom.encaps import get_frame

    num_frames = int(dataset.get("NumberOfFrames") or 1)
    data = get_frame(dataset.PixelData, frame, number_of_frames=num_frames)
    values = np.asarray(getattr(imagecodecs, decoder)(data))
    return values.astype(f"i{values.itemsize}") if dataset.PixelRepresentation else values


def _rescale(values: NDArray[Any], dataset: Any) -> tuple[NDArray[Any], float | None]:
    """Values in the modality's unit, such as Hounsfield, and the padding's value in it."""
    slope = float(dataset.get("RescaleSlope", 1))
    intercept = float(dataset.get("RescaleIntercept", 0))
    padding = dataset.get("PixelPaddingValue")
    padding = None if padding is None else float(padding) * slope + intercept
    if (slope, intercept) == (1, 0):
        return values, padding
    scaled = values * slope + intercept
    is_whole = slope.is_integer() and intercept.is_integer()
    return scaled.astype(np.int32 if is_whole else np.float32), padding


def _read_window(dataset: Any) -> tuple[float, float] | None:
    """Lowest and highest value of the first window; None without one (PS3.3 C.11.2.1.2)."""
    try:
        centre, width = (
            float(np.atleast_1d(dataset[name].value)[0]) for name in ("WindowCenter", "WindowWidth")
        )
    except (KeyError, TypeError, ValueError):
        return None
    if dataset.get("VOILUTFunction") == "LINEAR_EXACT":
        low, high = centre - width / 2, centre + width / 2
    else:
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return (low, high) if low < high else None
