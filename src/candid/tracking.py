"""Writes TensorBoard's event files without TensorFlow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_scalars(folder: Path, rows: Iterable[tuple[int, Mapping[str, float]]]) -> None:
    """Write scalars that TensorBoard shows as curves.

    Args:
        folder: Where the event file is made.
        rows: A step and its values by tag.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    _write(
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

    text = "```\n" + json.dumps(values, indent=2, ensure_ascii=False) + "\n```"
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
    value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
    _write(folder, [(0, Summary(value=[value]))])


def _write(folder: Path, summaries: list[tuple[int, object]]) -> None:
    """Append to the folder's event file.

    TensorBoard's own ``EventFileWriter`` imports TensorFlow wherever that is installed, for its
    file systems; its `RecordWriter` writes to any open file.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    file = folder / f"events.out.tfevents.{int(now)}.candid"
    is_new = not file.exists()
    with file.open("ab") as opened:
        writer = RecordWriter(opened)
        if is_new:
            writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, summary in summaries:
            event = Event(wall_time=now, step=step, summary=summary)
            writer.write(event.SerializeToString())
