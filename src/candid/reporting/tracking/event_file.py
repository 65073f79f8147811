"""TensorBoard's event file: scalars, texts, and names that are safe as tags."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

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

    TensorBoard's ``EventFileWriter`` would import TensorFlow if that is installed, for its file
    systems; its `RecordWriter` writes to any open file.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    existing = sorted(folder.glob("events.out.tfevents.*.candid"))
    path = existing[-1] if existing else folder / f"events.out.tfevents.{int(now)}.candid"
    with path.open("ab") as file:
        writer = RecordWriter(file)
        if not existing:
            writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, summary in summaries:
            event = Event(wall_time=now, step=step, summary=summary)
            writer.write(event.SerializeToString())


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
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    text = fence(json.dumps(values, indent=2, ensure_ascii=False))
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    # Bytes of file names that are not UTF-8 are shown as escapes.
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode(errors="backslashreplace")])
    append(folder, [(0, Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))])
