"""Pictures of instruments, made by the libraries made for them: are they read rightly, or refused?

Each picture is dark at the left and bright at the right; a row says how far the pixels of
`candid.data.images.decode` are from what was written, at most 2 levels, or the reason.

    python benchmarks/instruments.py
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import tifffile
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from candid.data.images import PixelContract, Reading, decode
from candid.errors import ImageError

SIZE = 64
MOST_LEVELS = 2


@dataclass(frozen=True)
class Case:
    """A file, how it is read, and what it shows: uint8 ``(64, 64, 3)``, or a part of the reason."""

    name: str
    data: bytes
    expected: np.ndarray | str
    reading: Reading = field(default_factory=Reading)


def grey() -> np.ndarray:
    """A ramp from left to right, a little brighter downwards, uint8 ``(64, 64)``."""
    across, down = np.meshgrid(np.linspace(8, 220, SIZE), np.linspace(0, 30, SIZE))
    return np.rint(across + down).astype(np.uint8)


def rgb() -> np.ndarray:
    """Three ramps, uint8 ``(64, 64, 3)``."""
    return np.dstack([grey(), grey()[:, ::-1], grey().T])


def three(values: np.ndarray) -> np.ndarray:
    """Grey as RGB."""
    return np.repeat(values[:, :, None], 3, axis=2)


def tiff(values: np.ndarray, **options: Any) -> bytes:
    """A TIFF by tifffile."""
    stream = io.BytesIO()
    big = options.pop("bigtiff", False)
    order = options.pop("byteorder", "<")
    kind = {name: options.pop(name) for name in ("imagej", "ome") if name in options}
    with tifffile.TiffWriter(stream, byteorder=order, bigtiff=big, **kind) as file:
        file.write(values, **options)
    return stream.getvalue()


#: Lowest and highest sample of the set, for each type.
RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 4095),
    "int16": (-1000, 3000),
    "uint32": (0, 1_000_000),
    "int32": (-70_000, 70_000),
    "float16": (-4.0, 12.0),
    "float32": (-40.0, 85.5),
    "float64": (0.0, 3000.0),
}


def stretch(values: np.ndarray, kind: str) -> tuple[np.ndarray, Reading]:
    """The same picture in another type, and the set's range."""
    low, high = RANGES[kind]
    wide = low + values.astype(np.float64) * (high - low) / 255
    made = (wide if kind.startswith("f") else np.rint(wide)).astype(kind)
    return made, Reading() if kind.endswith("int8") else Reading(sample_range=(low, high))


def types() -> Iterator[Case]:
    """Every type in both byte orders, plain and compressed."""
    for kind, order, how in product(RANGES, "<>", (None, "zlib")):
        values, reading = stretch(grey(), kind)
        name = f"{kind} {'little' if order == '<' else 'big'}-endian {how or 'plain'}"
        data = tiff(values, byteorder=order, compression=how, photometric="minisblack")
        yield Case(name, data, three(grey()), reading)


def compressions() -> Iterator[Case]:
    """Other compressions."""
    deep, reading = stretch(grey(), "uint16")
    floats, float_reading = stretch(grey(), "float32")
    for how in ("lzw", "zstd", "lzma", "packbits", "png", "jpeg2000", "jpegxl", "lerc"):
        data = tiff(deep, compression=how, photometric="minisblack")
        yield Case(f"uint16 {how}", data, three(grey()), reading)
    for order in "<>":
        data = tiff(floats, byteorder=order, compression="zlib", predictor=True)
        yield Case(f"float32 {order} zlib predictor", data, three(grey()), float_reading)
    data = tiff(floats, tile=(32, 32), bigtiff=True)
    yield Case("float32 tiled BigTIFF", data, three(grey()), float_reading)


def bands() -> Iterator[Case]:
    """Colours, planes, palettes, alpha and further bands."""
    for kind, planar, how in product(("uint8", "uint16", "float32"), (1, 2), (None, "zlib")):
        values, reading = stretch(rgb(), kind)
        layout = "separate" if planar == 2 else "contig"
        stored = np.moveaxis(values, 2, 0) if planar == 2 else values
        data = tiff(stored, photometric="rgb", planarconfig=layout, compression=how)
        yield Case(f"RGB {kind} {layout} {how or 'plain'}", data, rgb(), reading)
    full = np.moveaxis(rgb().astype(np.uint16) * 257, 2, 0)
    yield Case("RGB uint16 separate, full range", tiff(full, photometric="rgb"), rgb())
    for kind, order in product(("uint8", "uint16", "int16"), "<>"):
        values, reading = stretch(255 - grey(), kind)
        data = tiff(values, byteorder=order, photometric="miniswhite")
        yield Case(f"WhiteIsZero {kind} {order}", data, three(grey()), reading)
    table = np.tile(np.arange(256, dtype=np.uint16), (3, 1))
    for name, palette in (("8", table), ("16", table * 257)):
        data = tiff(grey(), photometric="palette", colormap=palette)
        yield Case(f"palette of {name}-bit values", data, three(grey()))
    infrared = np.dstack([rgb(), np.clip(grey().astype(int) // 2 + 40, 1, 254).astype(np.uint8)])
    for alpha in ("unassalpha", "assocalpha", "unspecified"):
        data = tiff(infrared, photometric="rgb", extrasamples=[alpha])
        yield Case(f"infrared marked {alpha}", data, rgb())
    swapped = Reading(bands=(3, 2, 1))
    yield Case("bands 3,2,1", tiff(infrared, photometric="rgb"), rgb()[..., ::-1], swapped)
    two = np.dstack([grey(), grey().T])
    data = tiff(two, photometric="minisblack", planarconfig="contig")
    yield Case("two bands", data, three(grey()))
    five = np.dstack([rgb(), grey(), grey()])
    data = tiff(five, photometric="minisblack", planarconfig="contig")
    yield Case("five bands", data, "5 bands; choose")
    yield Case("five bands, chosen", data, rgb(), Reading(bands=(1, 2, 3)))


def stacks() -> Iterator[Case]:
    """Several pages."""
    stack = np.stack([np.zeros_like(grey()), grey(), grey()[::-1]])
    second = Reading(page=2)
    for kind in ("imagej", "ome"):
        options = {kind: True, "metadata": {"axes": "ZYX"}, "photometric": "minisblack"}
        yield Case(f"{kind} stack, page 2", tiff(stack, **options), three(grey()), second)
        yield Case(f"{kind} stack, page 9", tiff(stack, **options), "3 page", Reading(page=9))
    channels = np.moveaxis(rgb(), 2, 0)
    ome = tiff(channels, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    yield Case("OME-TIFF of three channels", ome, rgb())
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(grey()[::4, ::4], subfiletype=1)
        file.write(grey())
    yield Case("a thumbnail before the picture", stream.getvalue(), three(grey()))
    raw = tiff(grey(), photometric=32803, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])
    yield Case("camera raw", raw, "export it as JPEG")


def dicom(values: np.ndarray, **tags: Any) -> FileDataset:
    """A DICOM dataset of a picture.

    Args:
        values: ``(h, w)`` grey, ``(h, w, 3)`` RGB or ``(n, h, w)`` frames; 8 or 16 bits.
        tags: Further or other tags, by keyword.
    """
    is_colour = values.ndim == 3 and values.shape[2] == 3
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["candid"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID = meta.MediaStorageSOPClassUID
    made.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    made.Rows, made.Columns = values.shape[:2] if is_colour else values.shape[-2:]
    made.SamplesPerPixel = 3 if is_colour else 1
    made.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        made.PlanarConfiguration = 0
    elif values.ndim == 3:
        made.NumberOfFrames = len(values)
    made.BitsAllocated = made.BitsStored = 8 * values.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.PixelData = values.tobytes() + bytes(values.nbytes % 2)
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def save(dataset: FileDataset) -> bytes:
    """The bytes of a DICOM file."""
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def scans() -> Iterator[Case]:
    """DICOM."""
    deep, reading = stretch(grey(), "uint16")
    yield Case("DICOM 8 bits", save(dicom(grey())), three(grey()))
    yield Case("DICOM 12 of 16 bits", save(dicom(deep, BitsStored=12, HighBit=11)), three(grey()))
    dark = stretch(255 - grey(), "uint16")[0]
    inverted = dicom(dark, PhotometricInterpretation="MONOCHROME1")
    yield Case("DICOM MONOCHROME1", save(inverted), three(grey()), reading)
    ct, _ = stretch(grey(), "uint16")
    hounsfield = {"RescaleSlope": 1, "RescaleIntercept": -1000}
    yield Case(
        "DICOM rescaled", save(dicom(ct, **hounsfield)), three(grey()),
        Reading(sample_range=(-1000, 3095)),
    )  # fmt: skip
    window = {"WindowCenter": 1048, "WindowWidth": 4096}
    yield Case("DICOM window", save(dicom(ct, **hounsfield, **window)), three(grey()))
    signed, of_signed = stretch(grey(), "int16")
    yield Case("DICOM signed", save(dicom(signed)), three(grey()), of_signed)
    yield Case("DICOM RGB", save(dicom(rgb())), rgb())
    frames = np.stack([deep * 0, deep])
    yield Case("DICOM frame 2", save(dicom(frames)), three(grey()), reading_page(reading, 2))
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
        made = dicom(deep, BitsStored=12, HighBit=11)
        try:
            made.compress(syntax, generate_instance_uid=False)
        except (RuntimeError, NotImplementedError, ValueError):
            made = compress_by_imagecodecs(deep, syntax)
        yield Case(f"DICOM {syntax.name}", save(made), three(grey()), reading)
    empty = dicom(grey())
    del empty.PixelData, empty.Rows
    yield Case("DICOM without a picture", save(empty), "without a picture")


def compress_by_imagecodecs(values: np.ndarray, syntax: Any) -> FileDataset:
    """A dataset compressed without a plug-in of pydicom."""
    import imagecodecs
    from pydicom.encaps import encapsulate

    encode = {
        JPEG2000Lossless: imagecodecs.jpeg2k_encode,
        JPEGLSLossless: imagecodecs.jpegls_encode,
    }
    options = {"codecformat": "J2K", "bitspersample": 12} if syntax == JPEG2000Lossless else {}
    made = dicom(values, BitsStored=12, HighBit=11)
    made.PixelData = encapsulate([encode[syntax](values, **options)])
    made["PixelData"].is_undefined_length = True
    made.file_meta.TransferSyntaxUID = syntax
    return made


def reading_page(reading: Reading, page: int) -> Reading:
    """A reading of another page."""
    return Reading(sample_range=reading.sample_range, page=page)


def cases() -> Iterator[Case]:
    """All pictures."""
    for make in (types, compressions, bands, stacks, scans):
        yield from make()


def judge(case: Case) -> tuple[bool, str]:
    """Whether a picture is read rightly or refused for the true reason, and what was seen."""
    try:
        pixels = decode(case.data, PixelContract.of(case.reading, SIZE, "squash"))
    except ImageError as error:
        return isinstance(case.expected, str) and case.expected in str(error), f"refused: {error}"
    if isinstance(case.expected, str):
        return False, f"read, though expected: {case.expected}"
    most = int(np.abs(pixels.astype(int) - case.expected).max())
    return most <= MOST_LEVELS, f"{most} levels"


def main() -> None:
    """Print a row for each picture; exit with 1 if one is wrong."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    rows = [(case.name, *judge(case)) for case in cases()]
    for name, is_right, seen in rows:
        print(f"{'ok   ' if is_right else 'WRONG'} {name}: {seen}")
    num_right = sum(is_right for _, is_right, _ in rows)
    print(f"{num_right} of {len(rows)} right within {MOST_LEVELS} levels, or a true reason")
    sys.exit(num_right < len(rows))


if __name__ == "__main__":
    main()
