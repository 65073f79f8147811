"""Decode images: Pillow decodes, NumPy converts what Pillow can't, OpenCV resizes.

Unlike OpenCV, Pillow distinguishes colour models and gives a reason for a failure; it is nearly as
fast where libjpeg scales. Its plugin classes are called directly instead of ``Image.open``, which
would import forty plugins and identify the format itself.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from candid.data.images import png
from candid.data.images.colour import to_rgb
from candid.data.images.contract import MAX_PIXELS, PixelContract, Reading, fit_square
from candid.data.images.dicom import DicomHeader, read_dicom, read_dicom_header
from candid.data.images.exif import read_orientation, upright
from candid.data.images.files import identify, read_file, refusal
from candid.data.images.jpeg import is_progressive, load_whole
from candid.data.images.jpeg2000 import require_readable
from candid.data.images.packages import TRUNCATED, open_image
from candid.data.images.samples import Samples
from candid.data.images.tiff import Page, choose_page, load_page
from candid.data.images.tiff_tags import read_directories
from candid.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# libjpeg scales while decoding, by 1/2, 1/4 or 1/8, and large images are averaged over blocks, to
# at least this many times the target, so that the final resize can antialias. Figures: ADR 3.
_OVERSAMPLING = 2

#: A least size that no picture reaches, so that none is reduced while decoding.
_WHOLE_PX = 1 << 30
_DEFAULT = PixelContract()

# Replaces Pillow's less helpful messages.
_REASONS = {
    "not identified by this driver": "damaged header",
    "not enough image data": TRUNCATED,
    "unknown pixel mode": "samples of an unsupported kind, such as 32-bit float colour",
}


@dataclass(frozen=True)
class Header:
    """Format (one of `FORMATS`) and size as stored, before EXIF orientation; TIFF, HEIF upright."""

    format: str
    width_px: int
    height_px: int


def read_header(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Read format and size of a file's bytes without decoding.

    Raises:
        ImageError: The format is unknown, the header damaged, the image larger than ``max_pixels``,
            or `pillow-heif` is needed and not installed.
    """
    with as_image_error():
        opened = find_page(data, Reading(max_pixels=max_pixels)) or open_checked(data, max_pixels)
        return Header(identify(data) or "", *opened.size)


def decode(data: bytes, contract: PixelContract = _DEFAULT) -> NDArray[np.uint8]:
    """Decode a file's bytes.

    EXIF orientation is applied, alpha is composed over white, deep samples become 8 bits by the
    contract's range, every colour model becomes RGB, an animation gives its first frame. ICC
    profiles are not applied. Truncated files are refused.

    Returns:
        ``uint8 (size_px, size_px, 3)``, RGB, 0 to 255, C-contiguous.

    Raises:
        ImageError: It can't be decoded; the text is the reason, in one line.

    >>> import cv2
    >>> photo = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes()
    >>> decode(photo, PixelContract(size_px=2)).shape
    (2, 2, 3)
    """
    with as_image_error():
        return fit_square(decode_upright(data, contract), contract.size_px, contract.fit)


def decode_upright(data: bytes, contract: PixelContract) -> NDArray[np.uint8]:
    """`decode` without the resize: ``uint8 (h, w, 3)``, perhaps at a reduced size."""
    with as_image_error():
        return upright(*decode_stored(data, contract.size_px * _OVERSAMPLING, contract))


def open_pillow(image: Image) -> bytes | Image:
    """Load an image of Pillow's, or return the bytes of its file if it was not loaded yet.

    Not to be called by several threads at once.

    Raises:
        ImageError: It can't be loaded.
    """
    from PIL.ImageFile import ImageFile

    with as_image_error():
        file = getattr(image, "fp", None)
        is_whole = isinstance(image, ImageFile) and not getattr(image, "decoderconfig", ())
        if is_whole and file and getattr(image, "_im", image) is None and image.tell() == 0:
            place = file.tell()
            file.seek(0)
            data = file.read()
            file.seek(place)
            if identify(data):
                return bytes(data)
        try:
            image.load()
        except AssertionError:  # that its file is there
            raise ImageError("its file was closed before Pillow loaded it") from None
        # The next frame may be loaded into the same image while this one waits.
        if getattr(image, "is_animated", False):
            return _unchanged_file(image) or image.copy()
        return image


def decode_pillow(image: Image, contract: PixelContract) -> NDArray[np.uint8]:
    """`decode_upright` of an image of Pillow's that is loaded.

    What Pillow changes while it loads (it keeps 8 bits of deep colours, for one) is as in the file,
    if that is still there and the image shows it unchanged. Others are turned by the orientation in
    ``image.info["exif"]``, which ``PIL.ImageOps.exif_transpose`` applies and removes.

    Raises:
        ImageError: It is too large, or of a mode that can't be converted.
    """
    with as_image_error():
        if data := _unchanged_file(image):
            return decode_upright(data, contract)
        require_size(image.size, contract.max_pixels)
        exif = image.info.get("exif")
        rgb = to_rgb(image, contract.size_px * _OVERSAMPLING, contract.sample_range)
        return upright(rgb, read_orientation(exif) if isinstance(exif, bytes) else 1)


def _unchanged_file(image: Image) -> bytes | None:
    """The file that an image was loaded from, if it shows just that; not of JPEG, to save time."""
    name = getattr(image, "filename", "")
    if not name or image.tell() or image.format in ("JPEG", "MPO"):
        return None
    with suppress(ImageError), as_image_error():
        data = read_file(Path(name))
        again = open_image(data, identify(data) or "")
        if _state_of(again) == _state_of(image):
            return data
    return None


def _state_of(image: Image) -> tuple[object, ...]:
    return image.mode, image.size, image.getpalette(), image.tobytes()


def decode_whole(data: bytes, reading: Reading = _DEFAULT) -> NDArray[np.uint8]:
    """Decode a file's bytes in full size; see `decode`.

    Returns:
        ``uint8 (h, w, 3)`` RGB, upright.

    Raises:
        ImageError: It can't be decoded; the text is the reason, in one line.
    """
    try:
        return upright(*decode_stored(data, _WHOLE_PX, reading))
    except decoder_errors() as error:
        raise ImageError(reason_of(error)) from None


def find_page(data: bytes, reading: Reading) -> Page | DicomHeader | None:
    """Find the page of a TIFF or DICOM file, and check its size; None for other formats.

    Raises:
        ImageError: The file is damaged, has no such page, or a size that `require_size` refuses.
        Exception: One of `decoder_errors`.
    """
    name = identify(data)
    if name not in ("TIFF", "DICOM"):
        return None
    page = choose_page(data, reading) if name == "TIFF" else read_dicom_header(data)
    require_size(page.size, reading.max_pixels)
    return page


def open_checked(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageFile:
    """Open an image and check its header, without decoding.

    Raises:
        ImageError: The format is unknown, or the size is zero or above the limit.
        Exception: One of `decoder_errors`.
    """
    name = identify(data)
    if name is None:
        raise ImageError(refusal(data))
    image = open_image(data, name)
    # A progressive JPEG is held as a whole, whatever libjpeg makes of it afterwards.
    is_scaled = name == "JPEG" and not is_progressive(data)
    require_size(image.size, max_pixels, is_scaled=is_scaled)
    return image


def require_size(size: tuple[int, int], max_pixels: int, *, is_scaled: bool = False) -> None:
    """Raise ImageError if a picture of this width and height is empty or above the limit.

    Where it is not scaled while it is decoded, no limit is above `MAX_PIXELS`.
    """
    width, height = size
    limit = max_pixels if is_scaled else min(max_pixels, MAX_PIXELS)
    if width * height > limit:
        more = ", which --max-megapixels raises" if is_scaled else ""
        more = more or (" for all but baseline JPEG" if limit < max_pixels else "")
        raise ImageError(f"too large: {width} x {height} pixels, limit {limit} in all{more}")
    if width * height == 0:
        raise ImageError(f"no pixels: the header says {width} x {height}")


def decode_stored(
    data: bytes, least_px: int, reading: Reading = _DEFAULT
) -> tuple[NDArray[np.uint8], int]:
    """Decode, perhaps at a reduced size, without applying the orientation.

    Args:
        data: The whole file.
        least_px: The size may be reduced as long as no side becomes shorter than this.
        reading: What of the file becomes a picture.

    Returns:
        ``uint8 (h, w, 3)`` as stored, and the orientation to apply.

    Raises:
        ImageError: As `decode`.
        Exception: One of `decoder_errors`.
    """
    page = find_page(data, reading)
    if page is not None:
        loaded, orientation = _load_page(data, page, reading)
        if isinstance(loaded, Samples):
            return loaded.to_rgb(reading.sample_range), orientation
        return to_rgb(loaded, least_px, reading.sample_range), orientation
    image = open_checked(data, reading.max_pixels)
    if image.format == "JPEG":
        orientation = read_orientation(image.info.get("exif", b""))
        return to_rgb(load_whole(data, image, (least_px, least_px)), least_px), orientation
    if image.format == "JPEG2000":
        require_readable(data, image)
    extents = image.tile[0].extents if image.format == "GIF" and image.tile else None
    image.load()
    if image.format == "PNG":
        exif = png.read_exif(data)
        return _png_to_rgb(data, image, least_px, reading), read_orientation(exif)
    # libheif rotates HEIF while loading, by its container, which overrules EXIF.
    exif = image.info.get("exif", b"")
    orientation = 1 if image.format == "HEIF" else read_orientation(exif)
    if extents is not None and extents != (0, 0, *image.size):
        return _on_screen(image, extents), orientation
    return to_rgb(image, least_px, reading.sample_range), orientation


def _png_to_rgb(
    data: bytes, image: ImageFile, least_px: int, reading: Reading
) -> NDArray[np.uint8]:
    if not png.has_end(data):
        raise ImageError(TRUNCATED)
    if png.is_deep(data) and (reading.sample_range or png.transparent_colour(data)):
        return png.read_deep(data).to_rgb(reading.sample_range)
    png.mark_transparent(data, image)
    return to_rgb(image, least_px, reading.sample_range)


def _on_screen(image: ImageFile, extents: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Put the frame of a GIF that does not cover its screen on white, as browsers do.

    Around it Pillow shows the first colour of the palette.
    """
    left, top, right, bottom = extents
    screen = np.full((image.height, image.width, 3), 255, np.uint8)
    frame = image.crop(extents)
    screen[top:bottom, left:right] = to_rgb(frame, max(frame.size))
    return screen


def _load_page(
    data: bytes, page: Page | DicomHeader, reading: Reading
) -> tuple[Image | Samples, int]:
    """Load a picture of Pillow's, or samples; and the orientation to apply."""
    if isinstance(page, DicomHeader):
        return read_dicom(data, reading), page.orientation
    return load_page(data, page, reading)


def is_deep(data: bytes) -> bool:
    """Whether a file may have more than 8 bits a sample, by its header. Never raises.

    Args:
        data: The whole file.
    """
    name = identify(data)
    if name == "TIFF":
        return any(page.is_deep for page in read_directories(data))
    return name == "DICOM" or png.is_deep(data)


def read_samples(data: bytes, reading: Reading) -> Samples | None:
    """The samples of a picture that `is_deep`, as they are in the file; None if they fit 8 bits.

    Raises:
        ImageError: It can't be decoded.
    """
    with as_image_error():
        page = find_page(data, reading)
        if page is not None:
            # Asked for with a range, Pillow's upper bytes are not enough.
            loaded, _ = _load_page(data, page, reading.with_range((0.0, 1.0)))
            samples = loaded if isinstance(loaded, Samples) else None
        else:
            open_checked(data, reading.max_pixels).load()
            samples = png.read_deep(data)
    return samples if samples is not None and samples.is_deep else None


def decoder_errors() -> tuple[type[Exception], ...]:
    """The exceptions that decoders raise on damaged files; only this package catches them.

    Only OSError and SyntaxError are documented, but damaged files make Pillow's parsers raise
    nearly all others too; OpenCV and the bomb check have errors of their own.
    """
    import cv2
    from PIL.Image import DecompressionBombError

    python = (OSError, ValueError, RuntimeError, SyntaxError, MemoryError, EOFError, TypeError)
    inner = (LookupError, ArithmeticError, AttributeError, AssertionError, BufferError)
    return (*python, *inner, struct.error, zlib.error, DecompressionBombError, cv2.error)


@contextmanager
def as_image_error() -> Iterator[None]:
    """Turn the exceptions of decoders into `ImageError`, whose text is a reason in one line."""
    try:
        yield
    except decoder_errors() as error:
        raise ImageError(reason_of(error)) from None


def reason_of(error: Exception) -> str:
    """Summarise a decoder's error in one line."""
    if isinstance(error, MemoryError):
        return "too large: not enough memory to decode it"
    message = " ".join(str(error).split())[:200]
    if message in _REASONS:
        return _REASONS[message]
    if "truncated" in message.lower():
        return f"truncated ({message})"
    return f"damaged or unsupported ({message or type(error).__name__})"
