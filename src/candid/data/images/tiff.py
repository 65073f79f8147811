"""TIFF: which page is the picture, and who decodes it.

Pillow decodes what it reads rightly, which the tags tell; everything else goes to tifffile and
imagecodecs, the extra ``science``. Either way a file gives the same pixels or a reason, whether or
not the extra is installed. Measured by ``benchmarks/instruments.py``; ADR 18 has the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from candid.data.images.contract import Reading
from candid.data.images.foreign import CAMERA_RAW
from candid.data.images.packages import load_tiff_page, open_image
from candid.data.images.samples import Samples
from candid.data.images.tiff_tags import (
    Directory,
    has_raw,
    read_directories,
    read_stack,
    tiff_mode,
)
from candid.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# None, CCITT, LZW, JPEG, Deflate, PackBits, LZMA and Zstandard: those of Pillow's libtiff, which is
# mostly built without WebP.
_PILLOW_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000})
_COMPRESSIONS: Final = {
    **dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000"),
    34887: "LERC",
    34892: "lossy JPEG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_WHITE_IS_ZERO, _GREY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_CHANNELS: Final = (1, 2, 3)

# Alpha is mostly 0 or 255; a band of light that no eye sees, marked as alpha, hardly anywhere.
_BAND_SHARE: Final = 0.9
_BAND_LEVELS: Final = 16


@dataclass(frozen=True)
class Page:
    """The part of a file that is the picture.

    Attributes:
        planes: One directory, or those of the channels that become red, green and blue.
        frames: For each plane, its place in a stack that has one directory for all; else 0.
        num_pages: Pages of the file that could be chosen.
    """

    planes: tuple[Directory, ...]
    frames: tuple[int, ...]
    num_pages: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        first = self.planes[0]
        size = first.width_px, first.height_px
        return size[::-1] if first.orientation >= 5 else size

    @property
    def mode(self) -> str:
        """The colour mode; see `candid.data.images.inspect.Details.mode`."""
        return tiff_mode(self.planes[0])

    @property
    def camera(self) -> tuple[str, str]:
        """Make and model."""
        return self.planes[0].camera

    @property
    def orientation(self) -> int:
        """1 (upright) to 8."""
        return self.planes[0].orientation


def choose_page(data: bytes, reading: Reading) -> Page:
    """Choose the page of a TIFF file: the first full one, unless another is asked for.

    Raises:
        ImageError: The header is damaged, it is a camera raw file, or it has no such page.
    """
    directories = read_directories(data)
    if has_raw(data, directories):
        raise ImageError(CAMERA_RAW)
    if not directories:
        raise ImageError("damaged header")
    pages = [row for row in directories if not row.is_reduced] or directories
    first, stack = pages[0], read_stack(pages[0].description)
    is_one = len(pages) == 1 and _holds(data, first, stack.num_planes)
    planes = [(first, number) for number in range(stack.num_planes)] if is_one else []
    planes = planes or [(row, 0) for row in pages]
    # Channels that are chosen, or three, make one picture.
    channels = stack.num_channels
    bands = reading.bands or (_CHANNELS if channels == len(_CHANNELS) else None)
    is_merged = first.num_samples == 1 and channels > 1 and len(planes) >= channels and bands
    num_pages = len(planes) // channels if is_merged else len(planes)
    number = (reading.page or 1) - 1
    if number >= num_pages:
        raise ImageError(f"it has {num_pages} page(s), not a page {reading.page}")
    chosen = [planes[number]]
    if is_merged and bands:
        start = number // stack.stride * stack.stride * channels + number % stack.stride
        _require_bands(bands, channels)
        chosen = [planes[start + (band - 1) * stack.stride] for band in bands]
    return Page(tuple(row for row, _ in chosen), tuple(at for _, at in chosen), num_pages)


def _holds(data: bytes, page: Directory, num_planes: int) -> bool:
    """Whether the planes of an ImageJ stack lie in the file, one after the other."""
    end = page.first_strip + num_planes * _num_bytes(page)
    return num_planes > 1 and page.compression == 1 and end <= len(data)


def _num_bytes(page: Directory) -> int:
    return page.width_px * page.height_px * page.num_samples * page.num_bits // 8


def load_page(data: bytes, page: Page, reading: Reading) -> tuple[Image | Samples, int]:
    """Load a page.

    Returns:
        A picture of Pillow's, or samples, and the orientation to apply.

    Raises:
        ImageError: It needs the extra ``science``, or can't be shown.
        Exception: One of `candid.data.images.decode.decoder_errors`.
    """
    first = page.planes[0]
    if len(page.planes) > 1 or page.frames[0]:
        planes = [_load_plane(data, *plane) for plane in zip(page.planes, page.frames, strict=True)]
        values = planes[0] if len(planes) == 1 else np.dstack(planes)
        return _samples(first, values), 1
    if reading.bands is None and pillow_reads(first, reading.sample_range):
        image = _open(data, first)
        if image is not None:
            return _load_by_pillow(image, first), 1  # Pillow turns it
    values = load_tiff_page(data, first.index, needed_by=describe(first))
    return _arrange(first, values, reading.bands), first.orientation


def pillow_reads(page: Directory, sample_range: tuple[float, float] | None) -> bool:
    """Whether Pillow gives the right samples of a page, as far as the tags tell."""
    if page.compression not in _PILLOW_COMPRESSIONS or page.kind not in ("u", "i", "f"):
        return False
    is_grey = page.num_samples == 1
    is_swapped = page.order == "MM" and page.compression != 1
    if page.kind == "u" and page.num_bits <= 8:
        num_colours = page.num_samples - len(page.extra)
        return page.photometric > _GREY or num_colours == 1 or is_grey
    if page.kind == "u" and page.num_bits == 16 and not is_grey:
        # Pillow keeps the upper bytes, and takes uncompressed planes for pixels.
        is_colour = page.photometric in (_RGB, _CMYK)
        return is_colour and not page.is_planar and sample_range is None
    if not is_grey or page.photometric > _GREY:
        return False
    if page.photometric == _WHITE_IS_ZERO and (page.order == "MM" or page.kind == "i"):
        return False
    if page.kind == "u" and page.num_bits in (12, 16):
        return page.num_bits == 16 or page.order == "II"
    if page.num_bits == 8:
        return page.kind == "i"
    return page.num_bits in (16, 32) and not is_swapped and page.photometric == _GREY


def _open(data: bytes, page: Directory) -> ImageFile | None:
    """Open a page by Pillow; None if it, or the file's first page, is of a kind unknown to it."""
    try:
        image = open_image(data, "TIFF")
        if page.index:
            image.seek(page.index)
    except (SyntaxError, LookupError):
        return None
    return image


def _load_by_pillow(image: ImageFile, page: Directory) -> Image | Samples:
    is_premultiplied = 1 in page.extra and page.num_bits == 8 and image.mode == "RGBA"
    if is_premultiplied:  # as stored: dividing by alpha would lose colours
        image.tile = [tile._replace(args=_unmultiplied(tile.args)) for tile in image.tile]
    if page.photometric == _PALETTE and 0 < max(page.colour_map, default=0) < 256:
        from PIL import ImagePalette

        # TIFF asks for 16 bits, some writers know 8; libtiff makes the same exception.
        image.palette = ImagePalette.raw("RGB;L", bytes(page.colour_map))
    image.load()
    if image.mode == "RGBA":
        return _split_alpha(image, is_premultiplied=is_premultiplied)
    values = np.asarray(image)
    if page.kind == "u" and values.dtype.itemsize == 1:
        return image
    if page.kind != "f":
        num_bytes = -(-page.num_bits // 8)  # 12 bits come in two bytes
        whole = values.view(np.int8) if num_bytes == 1 else values
        values = whole.astype(np.dtype(f"{page.kind}{num_bytes}"))
    return _samples(page, values)


def _unmultiplied(args: Any) -> Any:
    if isinstance(args, str):
        return args.replace("RGBa", "RGBA")
    return tuple(a.replace("RGBa", "RGBA") if isinstance(a, str) else a for a in args)


def _split_alpha(image: Image, *, is_premultiplied: bool) -> Image | Samples:
    """Drop a fourth band that is no alpha, though marked so."""
    rgba = np.asarray(image)
    if is_band(rgba[..., 3]):
        return image.convert("RGB") if not is_premultiplied else Samples(rgba[..., :3])
    if not is_premultiplied:
        return image
    return Samples(rgba[..., :3], alpha=rgba[..., 3], is_premultiplied=True)


def is_band(alpha: NDArray[Any]) -> bool:
    """Whether a band that is marked as alpha is rather one of light, such as near infrared.

    An alpha is 0 or at its maximum nearly everywhere; of a band, more than nine in ten samples are
    between, on many levels.
    """
    most = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1.0
    between = (alpha > 0) & (alpha < most)
    return bool(between.mean() > _BAND_SHARE and len(np.unique(alpha[between])) > _BAND_LEVELS)


def _load_plane(data: bytes, page: Directory, frame: int) -> NDArray[Any]:
    """A plane of a stack, ``(h, w)``, or ``(h, w, n)`` of an ImageJ stack in colour."""
    if not frame:
        image = _open(data, page) if pillow_reads(page, None) else None
        if image is None:
            return load_tiff_page(data, page.index, needed_by=describe(page))
        loaded = _load_by_pillow(image, page)
        return loaded.values if isinstance(loaded, Samples) else np.asarray(loaded)
    dtype = np.dtype(f"{'<' if page.order == 'II' else '>'}{page.kind}{page.num_bits // 8}")
    shape = (page.height_px, page.width_px, page.num_samples)
    start = page.first_strip + frame * _num_bytes(page)
    values = np.frombuffer(data, dtype, int(np.prod(shape)), start).reshape(shape)
    return values[..., 0] if page.num_samples == 1 else values


def describe(page: Directory) -> str:
    """A page in words, such as ``compressed big-endian float32 TIFF``."""
    words = [
        "planar" if page.is_planar else "",
        "big-endian" if page.order == "MM" and page.num_bits > 8 else "",
        page.sample_type,
        f"TIFF of {page.num_samples} bands" if page.num_samples > 1 else "TIFF",
    ]
    name = _COMPRESSIONS.get(page.compression)
    if name:
        return f"{' '.join(filter(None, words))} with {name} inside"
    return " ".join(filter(None, ("compressed" if page.compression != 1 else "", *words)))


def _arrange(
    page: Directory, values: NDArray[Any], bands: tuple[int, int, int] | None
) -> Image | Samples:
    """Make samples of all bands a picture."""
    num_bands = values.shape[2] if values.ndim == 3 else 1
    if values.dtype.kind not in "uif":
        raise ImageError(f"{values.dtype} samples, which are no picture")
    if bands is not None:
        _require_bands(bands, num_bands)
        return _samples(page, values.reshape(*values.shape[:2], -1)[..., np.array(bands) - 1])
    if num_bands == 1:
        is_palette = page.photometric == _PALETTE
        return _colour_of_palette(page, values) if is_palette else _samples(page, values)
    if page.photometric == _CMYK and num_bands >= 4:
        from PIL import Image as PillowImage

        upper = Samples(values[..., :4], page.num_bits)
        return PillowImage.fromarray(upper.scaled(None), "CMYK")
    num_colours = 3 if page.photometric in (_RGB, _YCBCR) else 1
    is_named = len(page.extra) == num_bands - num_colours
    if num_bands < num_colours or page.photometric > _YCBCR or page.photometric == _PALETTE:
        raise ImageError(f"a {describe(page)} of photometric interpretation {page.photometric}")
    if num_colours == 1 and num_bands == 3:
        num_colours, is_named = 3, True
    if num_colours == 1 and not (num_bands == 2 and is_named):
        raise ImageError(
            f"a picture of {num_bands} bands; choose what is red, green and blue, such as "
            f"--bands {'1,1,2' if num_bands == 2 else '3,2,1'}"
        )
    return _with_alpha(page, values, num_colours)


def _with_alpha(page: Directory, values: NDArray[Any], num_colours: int) -> Samples:
    colours = values[..., 0] if num_colours == 1 else values[..., :3]
    marked = page.extra[:1]
    if marked not in ((1,), (2,)) or values.shape[2] <= num_colours:
        return _samples(page, colours)
    band = values[..., num_colours]
    if is_band(band):
        return _samples(page, colours)
    alpha = Samples(band, page.num_bits).scaled(None)
    return _samples(page, colours, alpha=alpha, is_premultiplied=marked == (1,))


def _samples(page: Directory, values: NDArray[Any], **alpha: Any) -> Samples:
    is_inverted = page.photometric == _WHITE_IS_ZERO
    return Samples(values, page.num_bits, is_inverted, page.nodata, **alpha)


def _colour_of_palette(page: Directory, values: NDArray[Any]) -> Samples:
    table = np.array(page.colour_map, np.uint16).reshape(3, -1)
    colours = (table if table.max() < 256 else table >> 8).astype(np.uint8)
    return Samples(np.moveaxis(colours[:, values], 0, 2))


def _require_bands(bands: tuple[int, ...], num_bands: int) -> None:
    if max(bands) > num_bands:
        raise ImageError(
            f"a picture of {num_bands} band(s), and --bands asks for {','.join(map(str, bands))}"
        )
