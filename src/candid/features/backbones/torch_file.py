"""Read the tensors of a PyTorch checkpoint safely, without PyTorch.

PyTorch is a two-gigabyte dependency, and its checkpoints are pickles, which may call any function.
This reader constructs tensors only, from the format before version 1.6 ("legacy", not a zip
archive):

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
# Raised by `pickle` on damaged data, and on wrong calls of an allowed name.
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
    """A flat array of elements after the pickles, as declared in a pickle."""

    key: str
    dtype: str
    num_elements: int


@dataclass(frozen=True)
class _View:
    """A tensor: a view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RebuildTensor:
    """Stands for ``torch._utils._rebuild_tensor_v2``."""

    # Without a `__dict__`, the pickle's BUILD instruction can't modify it.
    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or not len(shape) == len(strides) <= _MAX_DIMENSIONS:
            raise pickle.UnpicklingError("a tensor without storage, or with odd strides")
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise pickle.UnpicklingError(f"a tensor of shape {shape} and strides {strides}")
        return _View(storage, offset, tuple(shape), tuple(strides))


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler that allows only the names that a state dict needs."""

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
        path: A ``.pth`` file written by ``torch.save(model.state_dict(), path)``.

    Returns:
        The tensors by name, in the order of the file: read-only C-contiguous arrays of the shape
        and type (float16 to float64, int8 to int64, uint8) in the file.

    Raises:
        ArtifactError: The file has another format, is damaged, or holds more than tensors.
        OSError: The file can't be opened.
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
        f"received {received}. Reinstall the package that contains it."
    )


def _load(stream: io.BytesIO, path: Path) -> tuple[Any, dict[str, _Storage]]:
    """Read one pickle and the storages that it refers to."""
    try:
        _check_memo(stream)
        unpickler = _TensorUnpickler(stream)
        return unpickler.load(), unpickler.storages
    except _PICKLE_ERRORS as error:
        _refuse(path, f"a pickle that is damaged or not of tensors ({error})")


def _check_memo(stream: io.BytesIO) -> None:
    """Refuse memo indices larger than the file.

    CPython's memo table is as long as the largest index: seven bytes could allocate gigabytes.
    """
    start = stream.tell()
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name.endswith("PUT") and int(argument or 0) > stream.getbuffer().nbytes:
            raise pickle.UnpicklingError(f"its memo index {argument} is too large")
    stream.seek(start)


def _read_header(stream: io.BytesIO, path: Path) -> None:
    if _load(stream, path)[0] != _MAGIC:
        _refuse(path, "another magic number")
    if (protocol := _load(stream, path)[0]) != _PROTOCOL:
        _refuse(path, f"protocol {protocol!r} instead of {_PROTOCOL}")
    system = _load(stream, path)[0]
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        _refuse(path, "numbers that are not little-endian")


def _read_storages(
    data: bytes, stream: io.BytesIO, storages: dict[str, _Storage], path: Path
) -> dict[str, NDArray[Any]]:
    """The raw elements after the pickles; each length is checked against the file."""
    keys, _ = _load(stream, path)
    if not isinstance(keys, list) or keys != sorted(storages):
        _refuse(path, "a list of storages that does not fit its tensors")
    arrays = {}
    position = stream.tell()
    for key in keys:
        storage = storages[key]
        start = position + 8
        position = start + storage.num_elements * np.dtype(storage.dtype).itemsize
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
    """Read one tensor from its storage, with bounds checked and no element repeated."""
    size = math.prod(view.shape)
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if not 0 < size <= elements.size or last >= elements.size:
        _refuse(path, f"a tensor {name} {view.shape} that its storage does not hold")
    # The stride of a single element may have any value; NumPy refuses very large ones.
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
