"""Write PyTorch's legacy checkpoint format byte by byte, valid or damaged."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
EMPTY_DICT = b"ccollections\nOrderedDict\n)R"


@dataclass(frozen=True)
class Entry:
    """A tensor of the state dict, and the storage that it declares."""

    name: str
    key: str
    num_elements: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    storage: str = "FloatStorage"

    def pickled(self) -> bytes:
        storage_id = b"".join(
            [
                b"(",
                text("storage"),
                f"ctorch\n{self.storage}\n".encode(),
                text(self.key),
                text("cpu"),
                number(self.num_elements),
                b"Nt",
            ]
        )
        arguments = number(self.offset) + row(self.shape) + row(self.strides) + b"\x89"
        rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
        return text(self.name) + rebuild + b"(" + storage_id + b"Q" + arguments + EMPTY_DICT + b"tR"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    return b"I%d\n" % value


def row(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(number(value) for value in values) + b"t"


def state_dict(*entries: Entry) -> bytes:
    return b"\x80\x02" + EMPTY_DICT + b"(" + b"".join(e.pickled() for e in entries) + b"u."


def legacy_file(
    state: bytes,
    storages: dict[str, NDArray[np.generic]],
    *,
    magic: object = MAGIC,
    protocol: int = 1001,
    system: object = SYSTEM,
) -> bytes:
    parts = [pickle.dumps(part, protocol=2) for part in (magic, protocol, system)]
    parts += [state, pickle.dumps(sorted(storages), protocol=2)]
    for key in sorted(storages):
        parts += [struct.pack("<q", storages[key].size), storages[key].tobytes()]
    return b"".join(parts)
