"""Photos of a run for a quantised export: some to calibrate it with, others to measure it on.

What passes through a graph while it looks at photos: ranges, and the means of channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.hashing import hash_bytes
from candid.core.progress import Advance
from candid.data.images import PixelContract, decode, read_file
from candid.errors import DataError, ImageError
from candid.exporting.int8.network import opset_of
from candid.exporting.source import Source
from candid.splits.split import Row, Split

if TYPE_CHECKING:
    import onnx

_AXES: Final = {2: [0], 4: [0, 2, 3]}
#: From this operator set on, ReduceMean's axes are an input and no attribute.
_AXES_ARE_AN_INPUT: Final = 18


@dataclass(frozen=True)
class Observed:
    """What a tensor was over all photos.

    Attributes:
        low: Its smallest value.
        high: Its largest.
        means: float32 ``(c,)``, the mean of each channel.
    """

    low: float
    high: float
    means: NDArray[np.float32]


def observe(
    model: onnx.ModelProto,
    ranks: dict[str, int],
    pixels: NDArray[np.uint8],
    advance: Advance = lambda _: None,
) -> dict[str, Observed]:
    """Run a graph on photos, one after the other, and sum up what passes through some tensors.

    Args:
        model: A graph that takes ``image``; it is not changed.
        ranks: Names of float32 tensors ``(n, c)`` or ``(n, c, h, w)``, and their number of axes.
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        advance: Called with the number of photos just seen.

    Returns:
        What was seen of each tensor, by its name.
    """
    import onnxruntime as ort

    watched, outputs = _watch(model, ranks)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rows: list[Sequence[NDArray[np.float32]]] = []
    for place in range(len(pixels)):
        rows.append(session.run(outputs, {"image": pixels[place : place + 1]}))
        advance(1)
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    return {
        name: Observed(
            float(columns[3 * number].min()),
            float(columns[3 * number + 1].max()),
            np.asarray(columns[3 * number + 2].mean(axis=0, dtype=np.float64), np.float32),
        )
        for number, name in enumerate(ranks)
    }


def _watch(model: onnx.ModelProto, ranks: dict[str, int]) -> tuple[onnx.ModelProto, list[str]]:
    """A copy of the graph that answers with minimum, maximum and means of some tensors."""
    import onnx
    from onnx import helper, numpy_helper

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    graph = watched.graph
    newer = opset_of(model) >= _AXES_ARE_AN_INPUT
    for rank in set(ranks.values()) if newer else ():
        graph.initializer.append(numpy_helper.from_array(np.array(_AXES[rank]), _axes(rank)))
    outputs = []
    for name, rank in ranks.items():
        axes = {} if newer else {"axes": _AXES[rank]}
        for kind, op, inputs, attributes in (
            ("low", "ReduceMin", [name], {}),
            ("high", "ReduceMax", [name], {}),
            ("means", "ReduceMean", [name, _axes(rank)] if newer else [name], axes),
        ):
            output = f"{name}.{kind}"
            node = helper.make_node(op, inputs, [output], name=output, keepdims=0, **attributes)
            graph.node.append(node)
            graph.output.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
            outputs.append(output)
    return watched, outputs


def _axes(rank: int) -> str:
    """The name of a constant: the axes of a tensor that are no channels."""
    return f"candid.axes_of_{rank}"


#: With how many photos the ranges of activations are found; more change little and take time.
MOST_PHOTOS: Final = 100
_LEAST_PHOTOS: Final = 8
_AT_ONCE: Final = 16  # decoded pictures in memory


def read_calibration(source: Source, dealt: Split) -> NDArray[np.uint8]:
    """Read training photos, as many of each class as there are, at most 100 in all.

    Which they are depends on their contents and nothing else; of more than 100 classes, too.

    Args:
        source: The run.
        dealt: Where each of its photos went.

    Returns:
        uint8 ``(n, s, s, 3)`` RGB, 8 photos at least.

    Raises:
        DataError: They are gone, or too few are left as they were.
    """
    by_class: dict[str, dict[str, Row]] = {}
    for row in dealt.rows:
        if row.part == "train":
            by_class.setdefault(row.label, {}).setdefault(row.content, row)
    lists = [[rows[content] for content in sorted(rows)] for _, rows in sorted(by_class.items())]
    contract = source.classifier.contract
    pictures: list[NDArray[np.uint8]] = []
    for row in _take_turns(lists):
        picture = read_unchanged(source.data_folder, row, contract)
        pictures += [] if picture is None else [picture]
        if len(pictures) == MOST_PHOTOS:
            break
    if len(pictures) < _LEAST_PHOTOS:
        raise DataError(_too_few(len(pictures), sum(map(len, lists)), source.data_folder))
    return np.stack(pictures)


def _too_few(num_found: int, num_dealt: int, folder: Path) -> str:
    why = f"--int8 is calibrated with {_LEAST_PHOTOS} photos of the training part or more"
    if num_dealt < _LEAST_PHOTOS:
        return f"{why}, and the run has {num_dealt}. Export without --int8, or train with more."
    return (
        f"{why}, and {num_found} of {num_dealt} are as they were in {folder}. "
        "Bring the photos back, or export without --int8."
    )


@dataclass(frozen=True)
class Asked:
    """Photos that nothing of a quantised export was made from.

    Attributes:
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        labels: int64 ``(n,)``, their classes.
        groups: int64 ``(n,)``; photos of one group show the same picture.
        tested: bool ``(n,)``, whether they are of the test part.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    tested: NDArray[np.bool_]


def read_asked(source: Source, rows: Sequence[Row]) -> Iterator[Asked]:
    """Read photos, some at a time; those that are gone or changed are left out.

    Args:
        source: The run.
        rows: What is to be read, in classes of the run.
    """
    classes, contract = source.classifier.classes, source.classifier.contract
    names = sorted({row.group for row in rows})
    numbers = {name: number for number, name in enumerate(names)}
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        read = [(row, read_unchanged(source.data_folder, row, contract)) for row in some]
        found = [(row, picture) for row, picture in read if picture is not None]
        if found:
            yield Asked(
                np.stack([picture for _, picture in found]),
                np.array([classes.index(row.label) for row, _ in found], np.int64),
                np.array([numbers[row.group] for row, _ in found], np.int64),
                np.array([row.part == "test" for row, _ in found], np.bool_),
            )


def read_unchanged(folder: Path, row: Row, contract: PixelContract) -> NDArray[np.uint8] | None:
    """Decode a photo, or None where it is not what the run was made from."""
    try:
        data = read_file(folder / row.path)
        same = hash_bytes(data) == row.content
        return decode(data, contract) if same else None
    except (ImageError, OSError):
        return None


def _take_turns(lists: Sequence[Sequence[Row]]) -> Iterator[Row]:
    """The first of each list, then the second of each, and so on.

    A turn goes by the photos' contents, so that one that is cut off favours no class by its name.
    """
    for place in range(max(map(len, lists), default=0)):
        turn = [rows[place] for rows in lists if place < len(rows)]
        yield from sorted(turn, key=attrgetter("content"))
