"""Scan a folder with one sub-folder per class, or another source, into a `Catalog`.

Files are read, never changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

from candid.core.progress import Advance
from candid.core.text import plural, plural_are, plural_have, sanitize
from candid.core.threads import map_ahead
from candid.data.address import num_readers
from candid.data.catalog import (
    HIDDEN,
    HIDDEN_FOLDER,
    NO_IMAGE,
    NO_LABEL,
    OUTSIDE,
    UNLABELLED,
    Catalog,
    Photo,
    Skipped,
    note_foreign,
)
from candid.data.file_reader import FileReader
from candid.data.images import (
    HEAD_BYTES,
    MAX_BYTES,
    NO_FILE,
    SUFFIXES,
    identify_foreign,
    remedy,
)
from candid.data.listing import Listed, Listing
from candid.data.location import Location, PhotoFile, name_of
from candid.data.parts import find_parts, role_of
from candid.data.source import DataSource
from candid.data.sources import list_photos
from candid.data.walk import (
    STATE,
    AnyPath,
    ListedPath,
    is_folder,
    is_hidden,
    nested,
    visible_folders,
    walk,
)
from candid.errors import DataError, ImageError

_CLOSED = "a folder that can't be opened"
_DEAD_LINK = "a link that can't be followed"
_BESIDE = "in none of the parts"
_CHANGED: Final = "changed since the catalog was written"
_UNSUPPORTED: Final = " is not supported: "
_Item = TypeVar("_Item")
_FILES_AHEAD = 256
#: The footer of a TGA, which tells its format as the start of other files does.
_TAIL_BYTES: Final = 18


def scan(
    data: str | Path | DataSource,
    *,
    to_train: bool = True,
    allow_unlabelled: bool = False,
    reader: FileReader | None = None,
    advance: Advance = lambda _: None,
) -> Catalog:
    """Find the photos of a folder with one sub-folder per class, or of another source.

    Class folders are searched at any depth; links are followed, without loops. Images are
    recognised by content, not by suffix. The folder may have parts of its own, ``train/ val/
    test/`` or other usual names, each with one sub-folder per class; such a folder may be nested in
    another of its kind: ``seg_train/seg_train/cat``.

    Args:
        data: Root folder of the data set, or a source of another form, see `candid.data.sources`.
        to_train: Require two or more classes, all with photos, instead of any photo.
        allow_unlabelled: Let photos without a class be enough.
        reader: Reads the files; by default one without a cache.
        advance: Progress callback, called with the number of files just read.

    Returns:
        The catalog. Photos are not decoded yet, so damaged ones are included.

    Raises:
        DataError: The folder is missing, or has too few classes with photos.
    """
    source = DataSource.of(data)
    reader = reader or FileReader()
    listing = list_photos(source)
    is_listed = _is_listed(listing)
    read = _Rows(advance)
    if listing is None:
        root = source.path
        assert root is not None
        _require_folder(root, given=source.data)
        names, parts = _read_folder(root, reader, read)
    elif is_listed:
        names, parts = _read_listing(listing, reader, read)
    else:
        tree = ListedPath.tree({row.path: row.file for row in listing.rows if row.file})
        names, parts = _read_folder(tree, reader, read)
    classes, photos = tuple(sorted(names)), sorted(read.photos, key=lambda photo: photo.path)
    num_needed = 2 if to_train else 1
    if not (allow_unlabelled and read.unlabelled):
        _require_classes(
            str(source), classes, photos, read.skipped, num_needed=num_needed, is_listed=is_listed
        )
    unlabelled = sorted(read.unlabelled, key=lambda photo: photo.path)
    return Catalog(
        source, classes, tuple(photos), tuple(read.skipped), parts, listing, tuple(unlabelled)
    )


def require_classes(catalog: Catalog) -> None:
    """Require two or more classes, all with photos, of a scan whose unlabelled photos got some.

    Raises:
        DataError: It has too few, or one is empty.
    """
    _require_classes(
        str(catalog.source),
        catalog.classes,
        catalog.photos,
        list(catalog.skipped),
        num_needed=2,
        is_listed=_is_listed(catalog.listing),
    )


def _is_listed(listing: Listing | None) -> bool:
    """Whether a listing tells the classes, and not the folders of its photos."""
    return listing is not None and (bool(listing.classes) or not listing.is_folder)


class _Rows:
    """What was read so far."""

    def __init__(self, advance: Advance) -> None:
        self.photos: list[Photo] = []
        self.unlabelled: list[Photo] = []
        self.skipped: list[Skipped] = []
        self._advance = advance

    def add(self, row: Photo | Skipped) -> None:
        if isinstance(row, Photo):
            (self.photos if row.label else self.unlabelled).append(row)
            if not row.label:
                self.skipped.append(Skipped(row.path, _reason_of_unlabelled(row.path)))
        else:
            self.skipped.append(row)
        self._advance(1)


def _read_folder(
    root: AnyPath, reader: FileReader, read: _Rows
) -> tuple[set[str], tuple[str, ...]]:
    """Read the photos of a folder of class folders; gives the names of classes and parts."""
    parts = find_parts(root)
    chains: list[list[AnyPath]] = [nested(root / part, role_of) for part in parts] or [[root]]
    class_folders = [child for chain in chains for child in visible_folders(chain[-1])]
    beside = _beside(sum(chains, [root]), root)
    if not parts:  # in a folder with parts, they may be a test part without labels
        named: list[AnyPath] = [
            folder for folder in class_folders if folder.name.lower() in UNLABELLED
        ]
        class_folders = [folder for folder in class_folders if folder not in named]
        outside = [path for path, row in beside.items() if row.reason == OUTSIDE]
        unlabelled: list[AnyPath] = _images_among(outside, reader)
        for image in unlabelled:
            del beside[image]
        for folder in named:
            unlabelled += sorted(walk(folder))
        work = partial(_read, root=root, label="", reader=reader)
        _read_ahead(work, unlabelled, map(_to_file, unlabelled), reader, read)
    read.skipped += beside.values()
    if parts:
        others = [folder.name for folder in visible_folders(root) if folder.name not in parts]
        read.skipped += [Skipped(name, _BESIDE) for name in others]
    for class_folder in class_folders:
        paths = sorted(walk(class_folder))
        work = partial(_read, root=root, label=class_folder.name, reader=reader)
        _read_ahead(work, paths, map(_to_file, paths), reader, read)
    return {folder.name for folder in class_folders}, parts


def _read_listing(
    listing: Listing, reader: FileReader, read: _Rows
) -> tuple[set[str], tuple[str, ...]]:
    """Read the photos of a listing, unless their content is known."""
    parts = tuple(sorted({row.part for row in listing.rows if role_of(row.part)}))
    work = partial(_read_listed, reader, listing, has_parts=bool(parts))
    reader.note_deep(listing.deep)
    is_certain = not reader.rehash
    files = (row.file for row in listing.rows if not (is_certain and row.content) or row.only_if)
    _read_ahead(work, listing.rows, files, reader, read)
    return {*listing.classes, *(row.label for row in listing.rows if row.label)}, parts


def _read_ahead(
    work: Callable[[_Item], Photo | Skipped],
    items: Sequence[_Item],
    files: Iterable[PhotoFile | None],
    reader: FileReader,
    read: _Rows,
) -> None:
    """Read files in threads, and cache their hashes."""
    known = [file for file in files if file is not None]
    reader.recall(known)
    try:
        for row in map_ahead(work, items, num_ahead=_FILES_AHEAD, num_threads=num_readers(known)):
            read.add(row)
    finally:  # after Ctrl-C or an error too
        reader.keep()


def _read_listed(
    reader: FileReader, listing: Listing, row: Listed, *, has_parts: bool
) -> Photo | Skipped:
    reason = row.reason or ("" if row.label else NO_LABEL)
    reason = reason or (_BESIDE if has_parts and not role_of(row.part) else "")
    if reason or row.file is None:
        foreign, is_foreign, _ = reason.partition(_UNSUPPORTED)
        return Skipped(row.path, reason, row.content, foreign if is_foreign else "")
    if row.content and not reader.rehash and row.is_known():
        return Photo(row.path, row.label, row.content, row.group)
    try:
        content = reader.learn(row.file).content
    except ImageError as error:
        is_missing = str(error) == NO_FILE
        return Skipped(row.path, f"{error}{listing.explain(row.path) if is_missing else ''}")
    if row.content not in ("", content):
        return Skipped(row.path, _CHANGED)
    return Photo(row.path, row.label, content, row.group)


def _beside(parents: Iterable[AnyPath], root: AnyPath) -> dict[AnyPath, Skipped]:
    """Rows for files, hidden files and folders, and dead links beside the class folders."""
    found = {
        _name(path, root): path
        for parent in parents
        for path in parent.iterdir()
        if path.name != STATE
    }
    return {
        path: Skipped(name, _outside_reason(path))
        for name, path in sorted(found.items(), key=lambda item: item[0].split("/"))
        if is_hidden(path.name) or not is_folder(path)
    }


def _images_among(paths: Sequence[AnyPath], reader: FileReader) -> list[AnyPath]:
    """Those of the files beside the class folders that are photos, by their content."""
    found = []
    for path in paths:
        file = _to_file(path)
        with suppress(ImageError):
            if file is not None and reader.learn(file).is_image:
                found.append(path)
    return found


def _reason_of_unlabelled(path: str) -> str:
    return NO_LABEL if "/" in path else OUTSIDE


def _outside_reason(path: Path | ListedPath) -> str:
    if is_hidden(path.name):
        return HIDDEN_FOLDER if is_folder(path) else HIDDEN
    # The target of a dead link may have been a class.
    is_dead = isinstance(path, Path) and path.is_symlink() and not os.path.exists(path)  # noqa: PTH110
    return _DEAD_LINK if is_dead else OUTSIDE


def _name(path: AnyPath, root: AnyPath) -> str:
    """Relative to the root, with forward slashes."""
    return path.path if isinstance(path, ListedPath) else path.relative_to(root).as_posix()


def _to_file(path: Path | ListedPath) -> PhotoFile | None:
    return path.file if isinstance(path, ListedPath) else path


def _read(path: AnyPath, *, root: AnyPath, label: str, reader: FileReader) -> Photo | Skipped:
    name, file = _name(path, root), _to_file(path)
    if is_hidden(path.name) or file is None:
        return Skipped(name, HIDDEN_FOLDER if is_folder(path) else HIDDEN)
    try:
        known = reader.learn(file)
        if known.is_image or PurePosixPath(path.name).suffix.lower() in SUFFIXES:
            return Photo(name, label, known.content)
        reason = NO_IMAGE
    except ImageError as error:
        reason = _CLOSED if path.is_dir() else str(error)
        if isinstance(file, Location):  # it would be tried again
            return Skipped(name, reason)
    foreign = _foreign(file)
    if foreign:
        reason = f"{foreign}{_UNSUPPORTED}{remedy(foreign)}"
    return Skipped(name, reason, foreign=foreign)


def _foreign(file: PhotoFile) -> str:
    """The format of a picture or film that is not read; empty if there is none.

    Of archives, which documents are too, only those that are called so.
    """
    try:
        start, end = _ends(file)
    except OSError:
        return ""
    foreign = identify_foreign(start + end) or ""
    return "" if foreign == "ZIP" and not name_of(file).lower().endswith(".zip") else foreign


def _ends(path: PhotoFile) -> tuple[bytes, bytes]:
    """The first bytes of a file and its last; none of what is no regular file."""
    if isinstance(path, Location):
        data = path.read(MAX_BYTES)
        return data[:HEAD_BYTES], data[HEAD_BYTES:][-_TAIL_BYTES:]
    if not path.is_file():
        return b"", b""
    with path.open("rb") as file:
        start = file.read(HEAD_BYTES)
        file.seek(max(HEAD_BYTES, path.stat().st_size - _TAIL_BYTES))
        return start, file.read()


def _require_folder(root: Path, *, given: str | Path) -> None:
    if root.is_dir() and os.access(root, os.R_OK | os.X_OK):
        return
    what = "is a file" if root.is_file() else "does not exist"
    what = "can't be opened (permission denied)" if root.is_dir() else what
    raise DataError(
        f"{given} {what}; expected a folder with one sub-folder per class, "
        "such as data/happy and data/sad."
    )


def _explain_flat(root: str, skipped: list[Skipped]) -> str:
    """Advice if photos lie beside the class folders."""
    beside = [row.path for row in skipped if row.reason == OUTSIDE]
    num_photos = sum(Path(path).suffix.lower() in SUFFIXES for path in beside)
    if not num_photos:
        return ""
    return (
        f" {plural_have(num_photos, 'photo')} no sub-folder. If {root} is one class, give the "
        "folder above; else sort them."
    )


def _explain_left_out(skipped: list[Skipped]) -> str:
    """How many rows are left out, and why the first one is."""
    if not skipped:
        return ""
    first = f"{sanitize(skipped[0].path)}: {skipped[0].reason}"
    return f" {plural_are(len(skipped), 'row')} left out, the first: {first}."


def _explain_foreign(skipped: list[Skipped]) -> str:
    return "".join(f" {line}." for line in note_foreign(skipped))


def _require_classes(
    root: str,
    classes: tuple[str, ...],
    photos: Sequence[Photo],
    skipped: list[Skipped],
    *,
    num_needed: int,
    is_listed: bool = False,
) -> None:
    filled = {photo.label for photo in photos}
    if len(filled) < num_needed:
        found = ", ".join(sorted(filled)) or "none"
        expected = (
            f"{num_needed} or more.{_explain_left_out(skipped)}"
            if is_listed
            else f"{num_needed} or more sub-folders with photos in them, one per class."
            f"{_explain_flat(root, skipped)}{_explain_foreign(skipped)}"
        )
        raise DataError(
            f"{root} has {plural(len(filled), 'class', 'classes')} with photos ({found}); expected "
            f"{expected}"
        )
    empty = [name for name in classes if name not in filled]
    if empty and num_needed > 1:
        raise DataError(
            f"{root} has no photo in {', '.join(empty)}; add photos there or remove the "
            f"{'class' if is_listed else 'folder'}."
            f"{_explain_left_out(skipped) if is_listed else _explain_foreign(skipped)}"
        )
