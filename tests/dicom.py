"""DICOM files made on the spot."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.scripts import load_script

_instruments = load_script("benchmarks/instruments.py")


def encode_dicom(values: np.ndarray, **tags: Any) -> bytes:
    """The bytes of a DICOM file of a picture; see `dicom` of the benchmark of instruments."""
    return _instruments.save(_instruments.dicom(values, **tags))
