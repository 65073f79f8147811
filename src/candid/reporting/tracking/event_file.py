"""Curves and settings: TensorBoard's pages "Scalars" and "Text".

Other people's text, fit for a tag.

Writes TensorBoard's event files without TensorFlow.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from candid.core.text import fence, sanitize

# TensorBoard's data server (0.7.2) finds no image whose tag JSON would have to escape: it reads its
# own keys as strings without escapes. "mistakes/1 a\b.jpg" would be a broken picture.
_LOOKALIKES: Final = str.maketrans({"\\": "\N{SET MINUS}", '"': "'"})


def tag_text(text: str) -> str:
    r"""Make other people's text fit for a tag.

    Args:
        text: A name or a caption; bytes that are no UTF-8 may be in it as lone surrogates.

    Returns:
        What can be seen and encoded, without backslashes and double quotes.

    >>> tag_text('a "b"\n')
    "a 'b'∖n"
    """
    return sanitize(text).translate(_LOOKALIKES)


def tag_names(classes: Sequence[str]) -> tuple[str, ...]:
    r"""Names that a tag can hold, a different one for each class.

    Args:
        classes: Names of folders; bytes that are no UTF-8 may be in them as lone surrogates.

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
    """Append to the folder's one event file, which is made where there is none.

    TensorBoard's own ``EventFileWriter`` imports TensorFlow wherever that is installed, for its
    file systems; its `RecordWriter` writes to any open file.

    Args:
        folder: Where the event file is, or is made.
        summaries: A step and its ``Summary``.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    there = sorted(folder.glob("events.out.tfevents.*.candid"))
    file = there[-1] if there else folder / f"events.out.tfevents.{int(now)}.candid"
    with file.open("ab") as opened:
        writer = RecordWriter(opened)
        if not there:
            writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, summary in summaries:
            event = Event(wall_time=now, step=step, summary=summary)
            writer.write(event.SerializeToString())


def write_scalars(folder: Path, rows: Iterable[tuple[int, Mapping[str, float]]]) -> None:
    """Write scalars that TensorBoard shows as curves.

    Args:
        folder: Where the event file is made.
        rows: A step and its values by tag.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    append(
        folder,
        [
            (step, Summary(value=[Summary.Value(tag=t, simple_value=v) for t, v in row.items()]))
            for step, row in rows
        ],
    )


def write_text(folder: Path, tag: str, values: Mapping[str, object]) -> None:
    """Write settings that TensorBoard shows on its text page.

    Args:
        folder: Where the event file is made.
        tag: Their title.
        values: JSON values.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    text = fence(json.dumps(values, indent=2, ensure_ascii=False))
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    # What of a file name is not UTF-8 is shown as its code.
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode(errors="backslashreplace")])
    append(folder, [(0, Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))])
