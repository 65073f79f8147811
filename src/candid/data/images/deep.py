"""Which files have more than 8 bits a sample, and what their samples are."""

from __future__ import annotations

from candid.data.images import png, tiff_tags
from candid.data.images.contract import Reading
from candid.data.images.decode import (
    decoder_errors,
    load_scientific,
    open_checked,
    reason_of,
)
from candid.data.images.files import identify
from candid.data.images.samples import Samples
from candid.errors import ImageError


def is_deep(data: bytes) -> bool:
    """Whether a file may have more than 8 bits a sample, by its header. Never raises.

    Args:
        data: The whole file.
    """
    name = identify(data)
    if name == "TIFF":
        pages = tiff_tags.read_directories(data)
        return any(page.is_deep for page in pages)
    return name == "DICOM" or png.is_deep(data)


def read_samples(data: bytes, reading: Reading) -> Samples | None:
    """The samples of a picture that `is_deep`, as they are in the file; None if they fit 8 bits.

    Raises:
        ImageError: It can't be decoded.
    """
    try:
        if identify(data) in ("TIFF", "DICOM"):
            # Asked for with a range, Pillow's upper bytes are not enough.
            loaded, _ = load_scientific(data, reading.with_range((0.0, 1.0)))
            samples = loaded if isinstance(loaded, Samples) else None
        else:
            open_checked(data, reading.max_pixels).load()
            samples = png.read_deep(data)
    except decoder_errors() as error:
        raise ImageError(reason_of(error)) from None
    return samples if samples is not None and samples.is_deep else None
