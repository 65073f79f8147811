"""Curves and settings: TensorBoard's pages "Scalars" and "Text"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from candid.markdown import fence
from candid.tracking.event_file import append


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
