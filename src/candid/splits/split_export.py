"""Write a split for other trainers as ``train/cat/1.jpg``, ``val/cat/7.jpg``, ``test/dog/4.jpg``.

`write_links` writes links to the photos, `write_pixels` small decoded images. The tree appears
whole or not at all, and nothing in the user's folder is changed.
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
from candid.data.catalog import PARTS, Catalog, Photo, Skipped
from candid.data.images import HEAD_BYTES, SUFFIXES, PixelContract, decode, identify, read_file
from candid.errors import DataError, ImageError, SplitError
from candid.splits.split import Split

# The suffixes by which other tools recognise a format; a file with another one gets the first.
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif"),
    "JPEG2000": (".jp2", ".j2k"),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "DICOM": (".dcm", ".dicom"),
}
#: The suffixes that ``keras.utils.image_dataset_from_directory`` reads; it ignores others.
KERAS_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif"})

_MAX_NAME_BYTES = 200  # file systems allow 255; leaves room for what tools append


@dataclass(frozen=True)
class SplitTree:
    """A written tree."""

    folder: Path
    counts: dict[str, int]  # files in each part
    num_unread_by_keras: int  # files that Keras' loader ignores: WebP, TIFF, AVIF, HEIF
    skipped: tuple[Skipped, ...] = ()  # photos that can't be decoded, each with a reason


def write_links(
    catalog: Catalog, split: Split, to: Path, *, advance: Advance = lambda _: None
) -> SplitTree:
    """Write a split as a tree of links to the original photos.

    Links are symbolic; where those are not possible, hard links, or else copies. The suffix fits
    the file's content. Folders below a class's folder become part of the name.

    Args:
        catalog: The photos.
        split: Their parts; photos in no part are left out.
        to: The folder to make. It must not exist, or be empty, and lie outside of the data.
        advance: Called with the number of photos just done.

    Raises:
        DataError: ``to`` has files, lies in the data folder or can't be written.
        SplitError: The split is not of this catalog.
    """
    with _fresh_folder(to, catalog) as folder:
        names = _names(catalog, split, PARTS, lambda photo: _suffix(catalog, photo))
        for photo, name in names:
            _link(catalog.file(photo).resolve(), folder / name)
            advance(1)
    return _describe_tree(to, [name for _, name in names])


def write_pixels(
    catalog: Catalog,
    split: Split,
    contract: PixelContract,
    to: Path,
    *,
    parts: Sequence[str] = PARTS,
    advance: Advance = lambda _: None,
) -> SplitTree:
    """Write a split as a tree of BMP files; ``skipped`` has photos that can't be decoded.

    TensorFlow reads BMP three times as fast as PNG, and both are lossless.

    Args:
        catalog: The photos.
        split: Their parts; photos in no part are left out.
        contract: How photos become pixels.
        to: The folder to make; see `write_links`, also for what is raised.
        parts: The parts to write; folders are made for all of them.
        advance: Called with the number of photos just done.
    """
    skipped: list[Skipped] = []
    written: list[PurePosixPath] = []
    with _fresh_folder(to, catalog) as folder, _threads() as pool:
        names = _names(catalog, split, parts, lambda _: ".bmp")
        errors = pool.map(lambda row: _decode_to(catalog, row[0], contract, folder / row[1]), names)
        for (photo, name), error in zip(names, errors, strict=True):
            if error is None:
                written.append(name)
            else:
                skipped.append(Skipped(photo.path, str(error)))
            advance(1)
    return _describe_tree(to, written, tuple(skipped))


def _names(
    catalog: Catalog, split: Split, parts: Sequence[str], suffix: Callable[[Photo], str]
) -> list[tuple[Photo, PurePosixPath]]:
    """The photos of some parts with their unique names, ``train/cat/a__b.jpg``."""
    taken: set[str] = set()
    names = []
    for photo, row in zip(catalog.photos, split.rows, strict=False):
        if row.path != photo.path:
            raise SplitError(
                f"the split is not of this folder: expected {photo.path}, received {row.path}. "
                "Make a new split of the folder."
            )
        if row.part in parts:
            # fastai takes the last folder as the class, so the tree is flat below the class
            stem = "__".join(catalog.below_part(photo.path)[1:])
            stem = stem.removesuffix(_own_suffix(photo))
            if len(stem.encode()) > _MAX_NAME_BYTES:
                stem = photo.content[:32]
            folder = PurePosixPath(row.part, photo.label)
            names.append((photo, _unique_name(folder, stem, suffix(photo), taken)))
    return names


def _unique_name(folder: PurePosixPath, stem: str, suffix: str, taken: set[str]) -> PurePosixPath:
    name, number = folder / f"{stem}{suffix}", 1
    while str(name).casefold() in taken:  # some file systems ignore case
        number += 1
        name = folder / f"{stem}-{number}{suffix}"
    taken.add(str(name).casefold())
    return name


def _suffix(catalog: Catalog, photo: Photo) -> str:
    """The photo's own suffix, or its format's if that one is wrong, rare or missing."""
    try:
        with catalog.file(photo).open("rb") as file:
            fitting = _SUFFIXES.get(identify(file.read(HEAD_BYTES)) or "")
    except OSError as error:
        raise DataError(
            f"{photo.path} could be read before, but not now: {error.strerror}. "
            "Run the command again."
        ) from error
    own = _own_suffix(photo)
    return own if fitting is None or own.lower() in fitting else fitting[0]


def _own_suffix(photo: Photo) -> str:
    """The suffix if it is an image's, so that ``holiday.2024`` keeps its year."""
    suffix = PurePosixPath(photo.path).suffix
    return suffix if suffix.lower() in SUFFIXES else ""


def _link(target: Path, link: Path) -> None:
    for make in (os.symlink, os.link, shutil.copyfile):
        # Windows refuses symbolic links to ordinary users; FAT and some network drives all links
        with suppress(OSError, NotImplementedError):
            make(target, link)
            return
    raise DataError(
        f"{link} can't be written, neither as a link nor as a copy of {target}. "
        "Choose another folder, or check its permissions."
    )


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield pool
        finally:  # on Ctrl-C, don't start what is queued
            pool.shutdown(wait=True, cancel_futures=True)


def _decode_to(
    catalog: Catalog, photo: Photo, contract: PixelContract, file: Path
) -> ImageError | None:
    import cv2

    try:
        pixels = decode(read_file(catalog.file(photo)), contract)
    except ImageError as error:
        return error
    # OpenCV itself can't write to every path that is not ASCII
    file.write_bytes(cv2.imencode(".bmp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes())
    return None


@contextmanager
def _fresh_folder(to: Path, catalog: Catalog) -> Iterator[Path]:
    """Yield a folder beside ``to``, with all parts and classes, that is renamed at the end."""
    if to.resolve().is_relative_to(catalog.folder):
        raise DataError(
            f"{to} lies in the data folder {catalog.folder}, which is only read. "
            "Choose a folder outside of it."
        )
    if to.is_symlink() or to.is_file() or (to.is_dir() and any(to.iterdir())):
        raise DataError(
            f"{to} exists and is not an empty folder. Choose another name, or remove it first."
        )
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


def _describe_tree(
    to: Path, names: list[PurePosixPath], skipped: tuple[Skipped, ...] = ()
) -> SplitTree:
    counts = {part: sum(name.parts[0] == part for name in names) for part in PARTS}
    unread = sum(name.suffix.lower() not in KERAS_SUFFIXES for name in names)
    return SplitTree(to, counts, unread, skipped)
