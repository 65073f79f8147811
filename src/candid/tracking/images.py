"""Pictures, on TensorBoard's page "Images"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from candid.markdown import escape_markdown
from candid.tracking.event_file import append
from candid.tracking.names import tag_text

Pixels = NDArray[np.uint8]

#: File suffix and options of OpenCV's encoder. A photo as PNG takes ten times the bytes, each of
#: which TensorBoard's checksum goes through in Python.
_PHOTO: Final = (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 90))
_DRAWING: Final = (".png", ())


def write_images(folder: Path, tag: str, pictures: Sequence[tuple[str, Pixels]]) -> None:
    """Write pictures with their captions, in the order given.

    Each has a tag of its own, ``<tag>/<number> <caption>``: TensorBoard shows tags, in their order,
    and keeps only ten pictures of each.

    Args:
        folder: Where the event file is made.
        tag: What they have in common, such as ``mistakes``.
        pictures: A caption, and uint8 ``(h, w, 3)``, RGB.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    digits = len(str(len(pictures)))
    values = [
        image_value(
            f"{tag}/{number:0{digits}} {tag_text(caption)}",
            pixels,
            escape_markdown(caption),
            encoding=_PHOTO,
        )
        for number, (caption, pixels) in enumerate(pictures, 1)
    ]
    append(folder, [(0, Summary(value=values))] if values else [])


def image_value(
    tag: str,
    pixels: Pixels,
    description: str,
    *,
    encoding: tuple[str, Sequence[int]] = _DRAWING,
) -> object:
    """A picture as the plugin ``images`` reads it: width, height and an encoded file.

    Args:
        tag: Its tag.
        pixels: uint8 ``(h, w, 3)``, RGB.
        description: Markdown.
        encoding: How it is encoded; by default without loss, as suits drawings.

    Returns:
        A ``Summary.Value``.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.image.metadata import create_summary_metadata

    height, width = pixels.shape[:2]
    suffix, options = encoding
    encoded = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1].tobytes()
    tensor = TensorProto(
        dtype=DT_STRING,
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=3)]),
        string_val=[str(width).encode(), str(height).encode(), encoded],
    )
    metadata = create_summary_metadata(display_name="", description=description)
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
