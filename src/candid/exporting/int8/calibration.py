"""The photos of an int8 export (to calibrate and to evaluate it), and its activation ranges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import start_onnx
from candid.core.onnx_quantiser import ActivationStats
from candid.core.progress import Advance
from candid.data.images import PixelContract, decode
from candid.data.location import FindFile
from candid.data.source import DataSource
from candid.errors import DataError, ImageError
from candid.exporting.samples import BATCH_SIZE, find_if_there, read_unchanged, round_robin
from candid.exporting.source import Source
from candid.splits.split import Row, Split

if TYPE_CHECKING:
    import onnx

#: Number of calibration photos; more change the ranges little and take time.
MAX_PHOTOS: Final = 100
_MIN_PHOTOS: Final = 8


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
    contract, find = source.classifier.contract, find_if_there(source.data)
    images: list[NDArray[np.uint8]] = []
    for row in round_robin(lists):
        image = _decode_unchanged(find, row, contract)
        images += [] if image is None else [image]
        if len(images) == MAX_PHOTOS:
            break
    if len(images) < _MIN_PHOTOS:
        raise DataError(_too_few(len(images), sum(map(len, lists)), source.data))
    return np.stack(images)


def _too_few(num_found: int, num_listed: int, data: DataSource) -> str:
    expected = f"--int8 needs {_MIN_PHOTOS} photos of the training part or more to calibrate"
    if num_listed < _MIN_PHOTOS:
        return f"{expected}; the run has {num_listed}. Export without --int8, or train with more."
    return (
        f"{expected}; {num_found} of {num_listed} are unchanged in {data}. "
        "Bring the photos back, or export without --int8."
    )


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
    names, find = sorted({row.group for row in rows}), find_if_there(source.data)
    numbers = {name: number for number, name in enumerate(names)}
    for start in range(0, len(rows), BATCH_SIZE):
        batch = rows[start : start + BATCH_SIZE]
        read = [(row, _decode_unchanged(find, row, contract)) for row in batch]
        found = [(row, image) for row, image in read if image is not None]
        if found:
            yield LabelledImages(
                np.stack([image for _, image in found]),
                np.array([classes.index(row.label) for row, _ in found], np.int64),
                np.array([numbers[row.group] for row, _ in found], np.int64),
                np.array([row.part == "test" for row, _ in found], np.bool_),
            )


def _decode_unchanged(
    find: FindFile, row: Row, contract: PixelContract
) -> NDArray[np.uint8] | None:
    data = read_unchanged(find, row)
    try:
        return None if data is None else decode(data, contract)
    except ImageError:
        return None


def collect_activation_stats(
    model: onnx.ModelProto,
    names: Sequence[str],
    pixels: NDArray[np.uint8],
    advance: Advance = lambda _: None,
) -> dict[str, ActivationStats]:
    """Run a graph on photos, one by one, and collect the statistics of some tensors.

    Args:
        model: A graph that takes ``image``; it is not changed.
        names: Of float32 tensors ``(n, c)`` or ``(n, c, h, w)``, no outputs of the graph.
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        advance: Called with the number of photos just processed.
    """
    from onnx import TensorProto, helper

    extended = type(model)()
    extended.CopyFrom(model)
    extended.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    session = start_onnx(extended.SerializeToString())
    rows: list[list[tuple[float, float, NDArray[np.float64]]]] = []
    for place in range(len(pixels)):
        tensors = session.run(names, {"image": pixels[place : place + 1]})
        rows.append([(float(one.min()), float(one.max()), _channel_means(one)) for one in tensors])
        advance(1)
    return {
        name: ActivationStats(
            min(low for low, _, _ in column),
            max(high for _, high, _ in column),
            np.asarray(np.mean([means for _, _, means in column], axis=0), np.float32),
        )
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _channel_means(tensor: NDArray[np.float32]) -> NDArray[np.float64]:
    others = tuple(axis for axis in range(tensor.ndim) if axis != 1)
    means: NDArray[np.float64] = tensor.mean(axis=others, dtype=np.float64)
    return means
