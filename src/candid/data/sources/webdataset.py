"""WebDataset: tar files whose members of one key are a sample, such as ``a.jpg`` and ``a.cls``.

https://github.com/webdataset/webdataset. A photo is located within its tar file, which is not
unpacked. As there, a key ends at the first dot of the base name, and suffixes have no case; unlike
there, members of a sample need not lie side by side.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from candid.core.text import cut, first_line, join_names, sanitize
from candid.data.images import SUFFIXES as IMAGE_SUFFIXES
from candid.data.listing import Listed, Listing
from candid.data.parts import part_of_file
from candid.data.source import COMPRESSED, DataSource
from candid.data.sources.columns import Columns
from candid.data.sources.root import Root
from candid.data.walk import is_hidden
from candid.errors import DataError

_CLASS: Final = "cls"
_JSON: Final = "json"
_LABEL: Final = "label"
_MOST_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    start: int
    num_bytes: int


@dataclass(slots=True)
class _Sample:
    """The members of one key, by suffix, and why it can't be used."""

    images: dict[str, _Member] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    problem: str = ""


def list_shards(
    source: DataSource, root: Root, names: Sequence[str], *, labelled: bool = True
) -> Listing:
    """List the samples of tar files.

    Args:
        source: ``image_column`` is the suffix of the photo; ``label_column`` that of the class, or
            a key in ``json``.
        root: Of the files.
        names: The files. Of several, each may be of a part: ``train-000.tar``.
        labelled: Whether a class is needed.

    Raises:
        DataError: A file can't be read, or no sample has a class.
    """
    notes: list[str] = []
    rows: list[Listed] = []
    for name in names:
        samples, damage = _read_shard(source, root, name)
        notes += filter(None, [damage])
        part = "" if len(names) == 1 else part_of_file(name)
        folder = "" if len(names) == 1 else f"{name}/"
        for key, sample in samples.items():
            rows.append(_to_listed(source, root, name, folder, part, key, sample))
    if not rows:
        wanted = f".{source.image_column}" if source.image_column else ".jpg or of another image"
        raise DataError(f"{root}/{names[0]} has no photo, that is no member {sanitize(wanted)}.")
    if labelled and not any(row.label or row.reason for row in rows):
        raise DataError(_explain_unlabelled(f"{root}/{names[0]}", source))
    return Listing.of(rows, notes=notes)


def _read_shard(source: DataSource, root: Root, name: str) -> tuple[dict[str, _Sample], str]:
    """The samples of a tar file by key, and what is damaged, empty for nothing.

    Raises:
        DataError: Nothing of it can be read.
    """
    where = f"{root}/{name}"
    samples: dict[str, _Sample] = {}
    try:
        with root.open(name) as file:
            num_bytes = file.seek(0, os.SEEK_END)
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for member in archive:
                    archive.members = []  # type: ignore[attr-defined]  # else it keeps all of them
                    if member.offset_data + member.size > num_bytes:
                        raise tarfile.ReadError("unexpected end of data")
                    _add(source, samples, archive, member)
                file.seek(archive.offset)
                if samples and file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("it has no end, so it may have been cut off")
    except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = cut(sanitize(first_line(error)), 100)
        if not samples:
            raise DataError(
                f"{where} can't be read as a tar file: {reason}. Restore it."
            ) from error
        return (
            samples,
            f"{where} is damaged: {reason}; what comes before has {len(samples):,} samples",
        )
    return samples, ""


def require_unpacked(root: Root, names: Sequence[str]) -> None:
    """Refuse what is compressed as a whole, as nothing in it has an offset.

    Raises:
        DataError: By its name, one is compressed.
    """
    found = [name for name in names if name.lower().endswith(COMPRESSED)]
    if found:
        raise DataError(
            f"{root}/{found[0]} is compressed as a whole, so photos in it can't be located. Unpack "
            "it, or write a plain .tar: photos are compressed already."
        )


def _add(
    source: DataSource,
    samples: dict[str, _Sample],
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
) -> None:
    """Add a member to its sample, if it is a photo or says the class of one."""
    folders, _, base = member.name.rpartition("/")
    stem, _, suffix = base.partition(".")
    suffix = suffix.lower()
    is_text = suffix in (_JSON, _CLASS, source.label_column.lower())
    is_image = suffix == source.image_column.lower().lstrip(".") or (
        not source.image_column and f".{suffix.rpartition('.')[2]}" in IMAGE_SUFFIXES
    )
    if not member.isreg() or is_hidden(base) or not (is_text or is_image):
        return
    sample = samples.setdefault(f"{folders}/{stem}".lstrip("./"), _Sample())
    if suffix in sample.images or suffix in sample.texts:
        sample.problem = f"two members called {sanitize(member.name)}"
    elif member.issparse():
        sample.problem = "stored with holes, as a sparse file"
    elif is_image:
        sample.images[suffix] = _Member(member.name, member.offset_data, member.size)
    elif member.size > _MOST_BYTES:
        sample.problem = f"its .{suffix} has {member.size:,} bytes; expected a class"
    else:
        file = archive.extractfile(member)
        sample.texts[suffix] = file.read() if file else b""


def _to_listed(
    source: DataSource, root: Root, name: str, folder: str, part: str, key: str, sample: _Sample
) -> Listed:
    label, reason = _label(source, sample)
    reason = sample.problem or reason
    if len(sample.images) != 1:
        suffixes = join_names([f".{suffix}" for suffix in sample.images])
        found = f"{len(sample.images)} photos of one key ({suffixes}), which ends at the first dot"
        reason = f"{found}; choose one with --image-column" if sample.images else "without a photo"
        return Listed(f"{folder}{key}", label, None, part, reason=reason)
    (image,) = sample.images.values()
    located = root.locate(name, image.start, image.num_bytes)
    return Listed(f"{folder}{image.name.lstrip('./')}", label, located, part, reason=reason)


def _label(source: DataSource, sample: _Sample) -> tuple[str, str]:
    """The class of a sample, and why it has none."""
    named = source.label_column.lower() or _CLASS
    if named in sample.texts and named != _JSON:
        try:
            return sample.texts[named].decode("utf-8-sig").strip(), ""
        except UnicodeDecodeError:
            return "", f"its .{named} is no text in UTF-8"
    if _JSON not in sample.texts:
        return "", ""
    try:
        values = json.loads(sample.texts[_JSON])
    except (ValueError, RecursionError) as error:
        return "", f"its .json can't be read: {cut(sanitize(first_line(error)), 80)}"
    if not isinstance(values, dict):
        return "", "its .json is no object"
    labels = tuple(name.strip() for name in (source.label_column or _LABEL).split(","))
    return Columns("", labels).label(values)


def _explain_unlabelled(where: str, source: DataSource) -> str:
    if source.label_column:
        wanted = f"member .{source.label_column} and no key {source.label_column} in its .json"
    else:
        wanted = "member .cls and no key label in its .json"
    return sanitize(
        f"{where} has no class: no photo has a {wanted}. Name another suffix or key with "
        "--label-column; to take the names of folders in it, unpack it."
    )
