"""The formats that there are, by the name that the user types."""

from __future__ import annotations

from typing import Final

from candid.errors import UsageError
from candid.exporting.format import Format
from candid.exporting.keras_file import KERAS
from candid.exporting.litert import LITERT
from candid.exporting.onnx import ONNX
from candid.exporting.saved_model import SAVED_MODEL
from candid.exporting.web import WEB

FORMATS: Final = {form.name: form for form in (ONNX, KERAS, SAVED_MODEL, LITERT, WEB)}


def find_format(name: str) -> Format:
    """Find a format.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}; expected one of {', '.join(FORMATS)}.")
    return FORMATS[name]
