"""Small photos, and archives and tables of them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from candid.data.catalog import Catalog


def png(number: int) -> bytes:
    """A photo of one grey."""
    return cv2.imencode(".png", np.full((8, 8, 3), number, np.uint8))[1].tobytes()


def write_tar(file: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A tar file of members in this order."""
    with tarfile.open(file, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def write_parquet(
    file: Path,
    columns: Mapping[str, Sequence[Any]],
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    **options: Any,
) -> Path:
    """A Parquet file, with class names as Hugging Face writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(dict(columns))
    if names:
        features = {key: {"names": list(row), "_type": "ClassLabel"} for key, row in names.items()}
        info = json.dumps({"info": {"features": {"image": {"_type": "Image"}, **features}}})
        table = table.replace_schema_metadata({"huggingface": info})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, **options)
    return file


def labels(catalog: Catalog) -> dict[str, str]:
    """The class of each photo."""
    return {photo.path: photo.label for photo in catalog.photos}


def reasons(catalog: Catalog) -> dict[str, str]:
    """Why each other one is left out."""
    return {row.path: row.reason for row in catalog.skipped}
