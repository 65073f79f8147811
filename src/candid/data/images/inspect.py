"""Read facts from an image's header, without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from candid.data.images import png
from candid.data.images.contract import MAX_PIXELS, Reading
from candid.data.images.decode import as_image_error, decoder_errors, find_page, open_checked
from candid.data.images.exif import name_camera, read_camera, read_orientation
from candid.data.images.files import identify
from candid.data.images.jpeg import nearest_quality

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile


@dataclass(frozen=True)
class Details:
    """Facts from the header of an image.

    Attributes:
        format: One of `candid.data.images.FORMATS`.
        width_px: Width with the orientation applied.
        height_px: Height, likewise.
        mode: Pillow's name for the colour mode as stored: ``RGB``, ``L``, ``P``, ``RGBA`` …; with
            16 bits a sample ``I;16`` (grey), ``RGB;16``, ``LA;16``, ``RGBA;16``, ``CMYK;16``; the
            type of the samples, such as ``int16`` or ``float32``, where Pillow has no name.
        num_frames: Frames of an animation or pages of a TIFF; 1 if unknown.
        orientation: By EXIF, 1 (upright) to 8; 1 for HEIF, which its container rotates.
        camera: Make and model by EXIF, at most 60 printable characters; may be empty.
        jpeg_quality: 1 to 100 on libjpeg's scale, by the nearest luminance table; None unless JPEG.
    """

    format: str
    width_px: int
    height_px: int
    mode: str
    num_frames: int
    orientation: int
    camera: str
    jpeg_quality: int | None

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits a sample."""
        return self.mode in ("I", "F") or self.mode.endswith(("16", "32", "64"))


def inspect(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Details:
    """Read the header of a file's bytes, without decoding.

    Raises:
        ImageError: As `candid.data.images.read_header`.

    >>> import cv2, numpy as np
    >>> photo = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes()
    >>> inspect(photo).width_px
    6
    """
    with as_image_error():
        page = find_page(data, Reading(max_pixels=max_pixels))
        if page is None:
            return _read_details(data, open_checked(data, max_pixels))
        name, camera = identify(data) or "", name_camera(*page.camera)
        mode, orientation = page.mode, page.orientation
        return Details(name, *page.size, mode, page.num_pages, orientation, camera, None)


def _read_details(data: bytes, image: ImageFile) -> Details:
    name = image.format or ""
    width, height = image.size
    orientation, camera = _read_exif(data, image)
    if orientation >= 5:
        width, height = height, width
    quality = _read_quality(image) if name == "JPEG" else None
    mode = _read_mode(image)
    # Last, as counting moves Pillow through the frames.
    num_frames = png.read_num_frames(data) if name == "PNG" else _count_frames(image)
    return Details(name, width, height, mode, num_frames, orientation, camera, quality)


def _read_exif(data: bytes, image: ImageFile) -> tuple[int, str]:
    exif = png.read_exif(data) if image.format == "PNG" else image.info.get("exif") or b""
    # pillow-heif sets the orientation to 1, as the container has rotated the picture.
    return read_orientation(exif), read_camera(exif)


def _read_quality(image: ImageFile) -> int | None:
    """Quality by the table of the first component, which is luminance if there is one."""
    tables = image.quantization  # type: ignore[attr-defined]
    number = image.layer[0][3]  # type: ignore[attr-defined]
    return nearest_quality(tables[number]) if number in tables else None


def _read_mode(image: ImageFile) -> str:
    if image.mode.startswith("I;16"):
        return "I;16"
    parameters = image.tile[0].args if image.tile else ""
    stored = parameters[0] if isinstance(parameters, tuple) and parameters else parameters
    # In a BMP, ";16" is 16 bits a pixel.
    if image.format == "PNG" and isinstance(stored, str) and ";16" in stored:
        return f"{stored.partition(';')[0]};16"
    return image.mode


def _count_frames(image: ImageFile) -> int:
    """Number of frames; 1 if a later frame is damaged, which does not affect the first."""
    try:
        return max(1, int(getattr(image, "n_frames", 1)))
    except decoder_errors():
        return 1
