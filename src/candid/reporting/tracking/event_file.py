"""TensorBoard's event file: scalars, texts, and names that are safe as tags."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import fence, sanitize

# TensorBoard's data server (0.7.2) does not find images whose tag contains characters that JSON
# escapes: "mistakes/1 a\b.jpg" would be a broken picture.
_LOOKALIKES: Final = str.maketrans({"\\": "\N{SET MINUS}", '"': "'"})


def tag_text(text: str) -> str:
    r"""Make untrusted text safe for a tag: sanitised, without backslashes and double quotes.

    Bytes that are not UTF-8 may be in it as lone surrogates.

    >>> tag_text('a "b"\n')
    "a 'b'∖n"
    """
    return sanitize(text).translate(_LOOKALIKES)


def tag_names(classes: Sequence[str]) -> tuple[str, ...]:
    r"""Make class names safe for tags, and keep them distinct.

    >>> tag_names(["a\udcff", "a\\xff"])
    ('a∖xff', 'a∖xff (2)')
    """
    names: list[str] = []
    for text in map(tag_text, classes):
        name, number = text, 1
        while name in names:
            number += 1
            name = f"{text} ({number})"
        names.append(name)
    return tuple(names)


def append(folder: Path, summaries: Iterable[tuple[int, object]]) -> None:
    """Append summaries, each with its step, to the folder's event file, which is made if missing.

    TensorBoard's own writers would import what opens its other file systems, and TensorFlow if that
    is installed.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    existing = sorted(folder.glob("events.out.tfevents.*.candid"))
    path = existing[-1] if existing else folder / f"events.out.tfevents.{int(now)}.candid"
    with path.open("ab") as file:
        if not existing:
            file.write(_record(Event(wall_time=now, file_version="brain.Event:2")))
        for step, summary in summaries:
            file.write(_record(Event(wall_time=now, step=step, summary=summary)))


def _record(event: Any) -> bytes:
    """An event as a record (https://www.tensorflow.org/tutorials/load_data/tfrecord)."""
    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + _masked_crc(length) + data + _masked_crc(data)


def _masked_crc(data: bytes) -> bytes:
    """CRC-32C (RFC 3720, appendix B.4), rotated and shifted."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _crc_table() -> tuple[int, ...]:
    remainders: Iterable[int] = range(256)
    for _ in range(8):
        remainders = [r >> 1 ^ (r & 1) * 0x82F63B78 for r in remainders]
    return tuple(remainders)


def write_scalars(folder: Path, rows: Iterable[tuple[int, Mapping[str, float]]]) -> None:
    """Write scalars for TensorBoard's "Scalars": rows of a step and its values by tag."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    summaries = []
    for step, row in rows:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in row.items()]
        summaries.append((step, Summary(value=values)))
    append(folder, summaries)


def write_text(folder: Path, tag: str, values: Mapping[str, object]) -> None:
    """Write JSON values under a tag of TensorBoard's "Text"."""
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata

    text = fence(json.dumps(values, indent=2, ensure_ascii=False))
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    # Bytes of file names that are not UTF-8 are shown as escapes.
    append_tensors(folder, [(tag, metadata, [text.encode(errors="backslashreplace")])])


def append_tensors(
    folder: Path, rows: Sequence[tuple[str, object, Sequence[bytes] | NDArray[np.float32]]]
) -> None:
    """Append rows of a tag, the metadata of a plugin, and texts or float32 for it."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

    summary = Summary()
    for tag, metadata, values in rows:
        if isinstance(values, np.ndarray):
            tensor = TensorProto(dtype=DT_FLOAT, tensor_content=values.tobytes())
        else:
            tensor = TensorProto(dtype=DT_STRING, string_val=values)
        for side in np.shape(values) if len(values) > 1 else ():
            tensor.tensor_shape.dim.add(size=side)
        summary.value.add(tag=tag, metadata=metadata, tensor=tensor)
    append(folder, [(0, summary)] if rows else [])
