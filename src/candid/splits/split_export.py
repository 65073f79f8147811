"""A split written out for other tools: `Catalog` and `Split` → ``train/ val/ test/`` trees.

    to/train/cat/1.jpg   to/val/cat/7.jpg   to/test/cat/4.jpg
    to/train/dog/2.jpg   ...

`write_links` makes trees of links, `write_pixels` of small decoded pictures. Both appear whole or
not at all, and nothing in the user's folder is touched.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from candid.core.progress import Advance
from candid.core.temp_dir import locked_dir
from candid.data.catalog import Catalog, Photo, Skipped
from candid.data.images import SUFFIXES, PixelContract, decode, identify, read_file
from candid.errors import DataError, ImageError, SplitError
from candid.splits.split import PARTS, Split

# The suffixes by which other tools know a format; the first is given where a file has none of them.
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif"),
}
#: The suffixes that ``keras.utils.image_dataset_from_directory`` reads; it passes others over.
KERAS_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif"})

_MAX_NAME_BYTES = 200  # file systems allow 255; what tools append has to fit too


@dataclass(frozen=True)
class SplitTree:
    """What was written.

    Attributes:
        folder: Where the trees lie.
        counts: How many files each of `candid.splits.split.PARTS` has.
        num_unread_by_keras: Files that Keras' loader passes over: WebP, TIFF, AVIF, HEIF.
        skipped: Photos that gave no pixels, each with a reason.
    """

    folder: Path
    counts: dict[str, int]
    num_unread_by_keras: int
    skipped: tuple[Skipped, ...] = ()


def write_links(
    catalog: Catalog, split: Split, to: Path, *, advance: Advance = lambda _: None
) -> SplitTree:
    """Write a split as trees of links to the photos as they are.

    A link is symbolic; where that is not possible it is a hard link, or else a copy. Its suffix is
    the one of the file's content. Folders below a class's folder become part of the name.

    Args:
        catalog: The photos.
        split: Its deal; photos in no part are left out.
        to: The folder to make. It must not exist, or be empty, and lie outside of the data.
        advance: Called with the number of photos just done.

    Returns:
        What was written.

    Raises:
        DataError: ``to`` has files, lies in the data folder or can't be written.
        SplitError: The split is not of this catalog.
    """
    with _fresh_folder(to, catalog) as folder:
        names = _names(catalog, split, PARTS, lambda photo: _suffix(catalog, photo))
        for photo, name in names:
            _link(catalog.file(photo).resolve(), folder / name)
            advance(1)
    return _layout(to, [name for _, name in names])


def write_pixels(
    catalog: Catalog,
    split: Split,
    contract: PixelContract,
    to: Path,
    *,
    parts: Sequence[str] = PARTS,
    advance: Advance = lambda _: None,
) -> SplitTree:
    """Write a split as trees of BMP files, each photo decoded once by the pixel contract.

    BMP, because TensorFlow reads it three times as fast as PNG, and both hold the same pixels.

    Args:
        catalog: The photos.
        split: Its deal; photos in no part are left out.
        contract: How photos become pixels.
        to: The folder to make. It must not exist, or be empty, and lie outside of the data.
        parts: The parts to write; the folders of all are made.
        advance: Called with the number of photos just done.

    Returns:
        What was written. A photo that gives no pixels is among ``skipped``.

    Raises:
        DataError: ``to`` has files, lies in the data folder or can't be written.
        SplitError: The split is not of this catalog.
    """
    skipped: list[Skipped] = []
    written: list[PurePosixPath] = []
    with _fresh_folder(to, catalog) as folder, _threads() as pool:
        names = _names(catalog, split, parts, lambda _: ".bmp")
        rows = pool.map(lambda row: _decode_to(catalog, row[0], contract, folder / row[1]), names)
        for (_, name), problem in zip(names, rows, strict=True):
            if problem is None:
                written.append(name)
            else:
                skipped.append(problem)
            advance(1)
    return _layout(to, written, tuple(skipped))


def _names(
    catalog: Catalog, split: Split, parts: Sequence[str], suffix: Callable[[Photo], str]
) -> list[tuple[Photo, PurePosixPath]]:
    """Give each photo of some parts its place, ``train/cat/a__b.jpg``; no two get the same."""
    taken: set[str] = set()
    names = []
    for photo, row in zip(catalog.photos, split.rows, strict=False):
        if row.path != photo.path:
            raise SplitError(
                f"the split is not of this folder: expected {photo.path}, received {row.path}. "
                "Split the folder anew."
            )
        if row.part in parts:
            # fastai takes the last folder for the class, so the tree is flat below the class
            stem = "__".join(PurePosixPath(photo.path).parts[1:])
            stem = stem.removesuffix(_own_suffix(photo))
            if len(stem.encode()) > _MAX_NAME_BYTES:
                stem = photo.content[:32]
            folder = PurePosixPath(row.part, photo.label)
            names.append((photo, _unused(folder, stem, suffix(photo), taken)))
    return names


def _unused(folder: PurePosixPath, stem: str, suffix: str, taken: set[str]) -> PurePosixPath:
    name, number = folder / f"{stem}{suffix}", 1
    while str(name).casefold() in taken:  # not every file system tells A from a
        number += 1
        name = folder / f"{stem}-{number}{suffix}"
    taken.add(str(name).casefold())
    return name


def _suffix(catalog: Catalog, photo: Photo) -> str:
    """Give the photo's own suffix, or its format's where that one lies, is rare or is missing."""
    try:
        with catalog.file(photo).open("rb") as file:
            fitting = _SUFFIXES.get(identify(file.read(64)) or "")
    except OSError as error:
        raise DataError(
            f"{photo.path} can't be read any more: {error.strerror}. Run the command again."
        ) from error
    own = _own_suffix(photo)
    return own if fitting is None or own.lower() in fitting else fitting[0]


def _own_suffix(photo: Photo) -> str:
    """Give the suffix if it is an image's, so that ``holiday.2024`` keeps its year."""
    suffix = PurePosixPath(photo.path).suffix
    return suffix if suffix.lower() in SUFFIXES else ""


def _link(target: Path, link: Path) -> None:
    for make in (os.symlink, os.link, shutil.copyfile):
        # Windows refuses symbolic links to ordinary users, FAT and some network drives any link
        with suppress(OSError, NotImplementedError):
            make(target, link)
            return
    raise DataError(f"{link} can't be written: neither as a link nor as a copy of {target}.")


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield pool
        finally:  # Ctrl-C: what has not begun is not begun
            pool.shutdown(wait=True, cancel_futures=True)


def _decode_to(
    catalog: Catalog, photo: Photo, contract: PixelContract, file: Path
) -> Skipped | None:
    import cv2

    try:
        pixels = decode(read_file(catalog.file(photo)), contract)
    except ImageError as error:
        return Skipped(photo.path, str(error))
    # OpenCV writes by itself only where a path is of plain letters
    file.write_bytes(cv2.imencode(".bmp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes())
    return None


@contextmanager
def _fresh_folder(to: Path, catalog: Catalog) -> Iterator[Path]:
    """Give a folder beside ``to``, with all parts and classes, that becomes ``to`` at the end."""
    _require_free(to, catalog)
    to = to.absolute()
    prefix = f".{to.name}.partial-"
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with locked_dir(to.parent, prefix) as partial:
            for part in PARTS:
                for name in catalog.classes:
                    (partial / part / name).mkdir(parents=True)
            yield partial
            partial.chmod(0o755)
            if to.exists():
                to.rmdir()  # it is empty, and Windows does not rename onto it
            partial.replace(to)
    except OSError as error:
        advice = "free some disk space" if error.errno == errno.ENOSPC else "check its permissions"
        raise DataError(
            f"{to} can't be written: {error.strerror or error}. Choose another folder, or {advice}."
        ) from error


def _require_free(to: Path, catalog: Catalog) -> None:
    if to.resolve().is_relative_to(catalog.folder):
        raise DataError(
            f"{to} lies in the data folder {catalog.folder}, which is only read. "
            "Choose a folder outside of it."
        )
    if to.is_symlink() or to.is_file() or (to.is_dir() and any(to.iterdir())):
        raise DataError(
            f"{to} exists and is not an empty folder. Choose another name, or remove it first."
        )


def _layout(to: Path, names: list[PurePosixPath], skipped: tuple[Skipped, ...] = ()) -> SplitTree:
    counts = {part: sum(name.parts[0] == part for name in names) for part in PARTS}
    unread = sum(name.suffix.lower() not in KERAS_SUFFIXES for name in names)
    return SplitTree(to, counts, unread, skipped)
