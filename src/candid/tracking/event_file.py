"""Writes TensorBoard's event files without TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path


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
