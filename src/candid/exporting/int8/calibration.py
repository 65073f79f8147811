"""The photos of an int8 export (to calibrate and to evaluate it), and its activation ranges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import start_onnx
from candid.core.onnx_network import opset_of
from candid.core.onnx_quantiser import ActivationStats
from candid.core.progress import Advance
from candid.data.images import PixelContract, decode
from candid.errors import DataError, ImageError
from candid.exporting.samples import BATCH_SIZE, read_unchanged
from candid.exporting.source import Source
from candid.splits.split import Row, Split

if TYPE_CHECKING:
    import onnx

#: Number of calibration photos; more change the ranges little and take time.
MAX_PHOTOS: Final = 100
_MIN_PHOTOS: Final = 8
#: The axes of a tensor, by their number, that are not channels.
_REDUCED_AXES: Final = {2: [0], 4: [0, 2, 3]}
#: From this operator set on, ReduceMean's axes are an input and not an attribute.
_OPSET_WITH_AXES_INPUT: Final = 18


def read_calibration(source: Source, split: Split) -> NDArray[np.uint8]:
    """Read training photos, as many of each class as possible, at most 100 in all.

    The choice depends only on the photos' contents, also where there are more than 100 classes.

    Returns:
        uint8 ``(n, s, s, 3)`` RGB, n from 8.

    Raises:
        DataError: They are gone, or too few are unchanged.
    """
    by_class: dict[str, dict[str, Row]] = {}
    for row in split.rows:
        if row.part == "train":
            by_class.setdefault(row.label, {}).setdefault(row.content, row)
    lists = [[rows[content] for content in sorted(rows)] for _, rows in sorted(by_class.items())]
    contract = source.classifier.contract
    images: list[NDArray[np.uint8]] = []
    for row in _round_robin(lists):
        image = _decode_unchanged(source.data_folder, row, contract)
        images += [] if image is None else [image]
        if len(images) == MAX_PHOTOS:
            break
    if len(images) < _MIN_PHOTOS:
        raise DataError(_too_few(len(images), sum(map(len, lists)), source.data_folder))
    return np.stack(images)


def _too_few(num_found: int, num_listed: int, folder: Path) -> str:
    expected = f"--int8 needs {_MIN_PHOTOS} photos of the training part or more to calibrate"
    if num_listed < _MIN_PHOTOS:
        return f"{expected}; the run has {num_listed}. Export without --int8, or train with more."
    return (
        f"{expected}; {num_found} of {num_listed} are unchanged in {folder}. "
        "Bring the photos back, or export without --int8."
    )


def _round_robin(lists: Sequence[Sequence[Row]]) -> Iterator[Row]:
    """The first of each list, then the second of each, and so on.

    Each round is sorted by content, so that one that is cut off favours no class by its name.
    """
    for place in range(max(map(len, lists), default=0)):
        turn = [rows[place] for rows in lists if place < len(rows)]
        yield from sorted(turn, key=attrgetter("content"))


@dataclass(frozen=True)
class LabelledImages:
    """Images that were not used for calibration."""

    pixels: NDArray[np.uint8]  # uint8 ``(n, s, s, 3)`` RGB, n from 1
    labels: NDArray[np.int64]  # int64 ``(n,)``, class numbers; -1 where unknown
    groups: NDArray[np.int64]  # int64 ``(n,)``; images of one group show the same picture
    is_test: NDArray[np.bool_]  # bool ``(n,)``, whether they belong to the test part


def read_labelled(source: Source, rows: Sequence[Row]) -> Iterator[LabelledImages]:
    """Read photos of a run's classes in batches, leaving out those that are gone or changed."""
    classes, contract = source.classifier.classes, source.classifier.contract
    names = sorted({row.group for row in rows})
    numbers = {name: number for number, name in enumerate(names)}
    for start in range(0, len(rows), BATCH_SIZE):
        batch = rows[start : start + BATCH_SIZE]
        read = [(row, _decode_unchanged(source.data_folder, row, contract)) for row in batch]
        found = [(row, image) for row, image in read if image is not None]
        if found:
            yield LabelledImages(
                np.stack([image for _, image in found]),
                np.array([classes.index(row.label) for row, _ in found], np.int64),
                np.array([numbers[row.group] for row, _ in found], np.int64),
                np.array([row.part == "test" for row, _ in found], np.bool_),
            )


def _decode_unchanged(folder: Path, row: Row, contract: PixelContract) -> NDArray[np.uint8] | None:
    data = read_unchanged(folder, row)
    try:
        return None if data is None else decode(data, contract)
    except ImageError:
        return None


def collect_activation_stats(
    model: onnx.ModelProto,
    ranks: dict[str, int],
    pixels: NDArray[np.uint8],
    advance: Advance = lambda _: None,
) -> dict[str, ActivationStats]:
    """Run a graph on photos, one by one, and collect the statistics of some tensors.

    Args:
        model: A graph that takes ``image``; it is not changed.
        ranks: Names of float32 tensors ``(n, c)`` or ``(n, c, h, w)``, and their number of axes.
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        advance: Called with the number of photos just processed.
    """
    extended, outputs = _add_statistics(model, ranks)
    session = start_onnx(extended.SerializeToString())
    rows: list[Sequence[NDArray[np.float32]]] = []
    for place in range(len(pixels)):
        rows.append(session.run(outputs, {"image": pixels[place : place + 1]}))
        advance(1)
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    by_kind = columns[::3], columns[1::3], columns[2::3]
    return {
        name: ActivationStats(
            float(low.min()),
            float(high.max()),
            np.asarray(means.mean(axis=0, dtype=np.float64), np.float32),
        )
        for name, low, high, means in zip(ranks, *by_kind, strict=True)
    }


def _add_statistics(
    model: onnx.ModelProto, ranks: dict[str, int]
) -> tuple[onnx.ModelProto, list[str]]:
    """A copy of the graph with minimum, maximum and means of some tensors as further outputs."""
    import onnx
    from onnx import helper, numpy_helper

    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    graph = extended.graph
    has_axes_input = opset_of(model) >= _OPSET_WITH_AXES_INPUT
    axes_names = {rank: f"candid.axes_of_{rank}" for rank in ranks.values()}
    if has_axes_input:
        for rank, name in axes_names.items():
            axes = numpy_helper.from_array(np.array(_REDUCED_AXES[rank]), name)
            graph.initializer.append(axes)
    outputs = []
    for name, rank in ranks.items():
        attributes = {} if has_axes_input else {"axes": _REDUCED_AXES[rank]}
        for kind, op, inputs, options in (
            ("low", "ReduceMin", [name], {}),
            ("high", "ReduceMax", [name], {}),
            ("means", "ReduceMean", [name, axes_names[rank]][: 1 + has_axes_input], attributes),
        ):
            output = f"{name}.{kind}"
            node = helper.make_node(op, inputs, [output], name=output, keepdims=0, **options)
            graph.node.append(node)
            graph.output.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
            outputs.append(output)
    return extended, outputs
