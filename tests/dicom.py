"""DICOM files made on the spot."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def make_dicom(values: np.ndarray, **tags: Any) -> FileDataset:
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
    if values.ndim == 3 and not is_colour:
        made.NumberOfFrames = len(values)
    made.BitsAllocated = made.BitsStored = 8 * values.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.PixelData = values.tobytes() + bytes(values.nbytes % 2)
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def encode_dicom(values: np.ndarray, **tags: Any) -> bytes:
    """The bytes of such a file; see `make_dicom`."""
    stream = io.BytesIO()
    make_dicom(values, **tags).save_as(stream, enforce_file_format=True)
    return stream.getvalue()
