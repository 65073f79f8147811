"""Reads the tensors of a PyTorch checkpoint without PyTorch, and constructs nothing else.

PyTorch is a two-gigabyte dependency, and its checkpoints are pickles: programs that may call any
function. This reader knows the format from before version 1.6 ("legacy", not a zip archive):

    pickles of: the magic number, the protocol version, the writer's word sizes,
                the state dict with its storages as persistent ids, the storage keys
    for each key: the number of elements as int64, then the raw little-endian elements

Format: ``_legacy_save`` in https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from candid.errors import ArtifactError

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_MAX_DIMENSIONS: Final = 8
_STORAGES: Final = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
}
# What `pickle` raises on bytes that are no pickle, or that call an allowed name in a wrong way.
_PICKLE_ERRORS: Final = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class _Storage:
    """A flat run of elements that follows the pickles, as the pickle announces it."""

    key: str
    dtype: str
    num_elements: int

    @property
    def num_bytes(self) -> int:
        return self.num_elements * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class _View:
    """A tensor: a window on a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RebuildTensor:
    """Stands for ``torch._utils._rebuild_tensor_v2``."""

    # Without a `__dict__` the pickle's BUILD instruction finds nothing on it to change.
    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or not len(shape) == len(strides) <= _MAX_DIMENSIONS:
            raise pickle.UnpicklingError("a tensor without storage, or with odd strides")
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise pickle.UnpicklingError(f"a tensor of shape {shape} and strides {strides}")
        return _View(storage, offset, tuple(shape), tuple(strides))


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler for which only the names that a state dict needs exist."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _RebuildTensor()
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no part of a tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(dtype), str(key), str(), int(num_elements), None):
                storage = _Storage(key, dtype, num_elements)
            case _:
                raise pickle.UnpicklingError(f"a reference to something else than storage: {pid!r}")
        if dtype not in _STORAGES.values() or num_elements < 0:
            raise pickle.UnpicklingError(f"storage of {num_elements} elements of type {dtype}")
        if self.storages.setdefault(key, storage) != storage:
            raise pickle.UnpicklingError(f"two different storages named {key}")
        return storage


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read every tensor of a legacy PyTorch state dict.

    Args:
        path: A ``.pth`` file that ``torch.save(model.state_dict(), path)`` wrote.

    Returns:
        The tensors by name, in the order of the file: read-only C-contiguous arrays of the shape
        and the type (float16 to float64, int8 to int64, uint8) that they have in the file.

    Raises:
        ArtifactError: If the file is not of this format, is damaged or truncated, or asks for
            anything but tensors.
        OSError: If the file can't be opened.
    """
    data = path.read_bytes()
    stream = io.BytesIO(data)
    _read_header(stream, path)
    state, storages = _load(stream, path)
    if not isinstance(state, OrderedDict):
        _refuse(path, f"a {type(state).__name__} instead of a state dict")
    arrays = _read_storages(data, stream, storages, path)
    tensors = {}
    for name, view in state.items():
        if not isinstance(name, str) or not isinstance(view, _View):
            _refuse(path, f"an entry {name!r} that is no named tensor")
        tensors[name] = _window(arrays[view.storage.key], view, name, path)
    return tensors


def _refuse(path: Path, received: str) -> NoReturn:
    raise ArtifactError(
        f"{path.name} can't be read: expected a PyTorch state dict in the format before 1.6, "
        f"received {received}. Install the package that brings it again."
    )


def _load(stream: io.BytesIO, path: Path) -> tuple[Any, dict[str, _Storage]]:
    """Read one pickle; returns what it holds and the storages that it refers to."""
    try:
        _check_memo(stream)
        unpickler = _TensorUnpickler(stream)
        return unpickler.load(), unpickler.storages
    except _PICKLE_ERRORS as error:
        _refuse(path, f"a pickle that is damaged or not of tensors ({error})")


def _check_memo(stream: io.BytesIO) -> None:
    """Hold the numbers under which a pickle remembers objects against the size of the file.

    CPython makes its table as long as the largest number: seven bytes could ask for gigabytes.
    """
    start = stream.tell()
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name.endswith("PUT") and int(argument or 0) > stream.getbuffer().nbytes:
            raise pickle.UnpicklingError(f"it remembers an object under the number {argument}")
    stream.seek(start)


def _read_header(stream: io.BytesIO, path: Path) -> None:
    magic, _ = _load(stream, path)
    if magic != _MAGIC:
        _refuse(path, "another magic number")
    protocol, _ = _load(stream, path)
    if protocol != _PROTOCOL:
        _refuse(path, f"protocol {protocol!r} instead of {_PROTOCOL}")
    system, _ = _load(stream, path)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        _refuse(path, "numbers that are not little-endian")


def _read_storages(
    data: bytes, stream: io.BytesIO, storages: dict[str, _Storage], path: Path
) -> dict[str, NDArray[Any]]:
    """View the raw elements behind the pickles, each announced length held against the file's."""
    keys, _ = _load(stream, path)
    if not isinstance(keys, list) or keys != sorted(storages):
        _refuse(path, "a list of storages that does not fit its tensors")
    arrays = {}
    position = stream.tell()
    for key in keys:
        storage = storages[key]
        start = position + 8
        position = start + storage.num_bytes
        if position > len(data):
            _refuse(path, f"{len(data):,} bytes where storage {key} ends at {position:,}")
        (num_elements,) = struct.unpack_from("<q", data, start - 8)
        if num_elements != storage.num_elements:
            _refuse(path, f"{num_elements} elements for a storage of {storage.num_elements}")
        arrays[key] = np.frombuffer(data, storage.dtype, storage.num_elements, start)
    if position != len(data):
        _refuse(path, f"{len(data) - position:,} bytes after the last tensor")
    return arrays


def _window(elements: NDArray[Any], view: _View, name: str, path: Path) -> NDArray[Any]:
    """Cut one tensor out of its storage, no element of it outside or repeated."""
    size = math.prod(view.shape)
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if not 0 < size <= elements.size or last >= elements.size:
        _refuse(path, f"a tensor {name} {view.shape} that its storage does not hold")
    # The stride of a single element may be anything; NumPy would refuse a very large one.
    strides = tuple(
        stride * elements.itemsize if n > 1 else 0
        for n, stride in zip(view.shape, view.strides, strict=True)
    )
    window = np.lib.stride_tricks.as_strided(
        elements[view.offset :], view.shape, strides, writeable=False
    )
    array = np.ascontiguousarray(window).reshape(view.shape)
    array.flags.writeable = False
    return array
