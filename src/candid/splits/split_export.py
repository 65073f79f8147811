"""Write a split for other trainers as ``train/cat/1.jpg``, ``val/cat/7.jpg``, ``test/dog/4.jpg``.

`write_links` writes links to the photos, `write_photos` JPEG and PNG files that all readers show
alike. The tree appears whole or not at all, and nothing in the user's folder is changed.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Advance
from candid.core.temp_dir import locked_dir
from candid.core.threads import joint_pool, num_cores
from candid.data.catalog import Catalog, Photo, Skipped
from candid.data.images import (
    HEAD_BYTES,
    SUFFIXES,
    Reading,
    decode_whole,
    identify,
    inspect,
    read_file,
)
from candid.data.location import read_start
from candid.data.parts import PARTS
from candid.errors import DataError, ImageError, SplitError
from candid.splits.readers import TreeFile, write_readme
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
# Those that lose something anyway become JPEG again; all others become PNG.
_LOSSY = frozenset({"JPEG", "WEBP", "AVIF", "HEIF", "JPEG2000"})
# Enough of a JPEG or PNG for its header; in other formats, it may be anywhere.
_HEADER_BYTES = 1 << 20

_MAX_NAME_BYTES = 200  # file systems allow 255; leaves room for what tools append


@dataclass(frozen=True)
class SplitTree:
    """A written tree."""

    folder: Path
    files: tuple[TreeFile, ...]
    skipped: tuple[Skipped, ...] = ()  # photos that can't be decoded, each with a reason

    @property
    def counts(self) -> dict[str, int]:
        """Files in each part."""
        return {part: sum(file.part == part for file in self.files) for part in PARTS}


#: Writes a photo to a file of the tree; raises ImageError if it can't be decoded.
_Save = Callable[[Photo, Path], TreeFile]


def write_links(
    catalog: Catalog, split: Split, to: Path, *, advance: Advance = lambda _: None
) -> SplitTree:
    """Write a split as a tree of links to the original photos, and a README.md on how to read it.

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

    def save(photo: Photo, link: Path) -> TreeFile:
        target = catalog.file(photo)
        if isinstance(target, Path):
            _link(target.resolve(), link)
        else:
            link.write_bytes(read_file(target))
        return _look(link)

    return _write(catalog, split, to, save, lambda photo: _suffix(catalog, photo), advance=advance)


def write_photos(
    catalog: Catalog,
    split: Split,
    reading: Reading,
    to: Path,
    *,
    advance: Advance = lambda _: None,
) -> SplitTree:
    """Write a split as a tree of photos that every reader shows alike, and a README.md.

    They are upright, of 8 bits, without transparency, in full size: JPEG (quality 95, colours not
    subsampled) where the photo's own format is lossy, else PNG. A JPEG that is so already is
    copied. ``skipped`` has photos that can't be decoded.

    Args:
        catalog: The photos.
        split: Their parts; photos in no part are left out.
        reading: What of a file becomes a picture: page, bands, range of deep samples.
        to: The folder to make; see `write_links`, also for what is raised.
        advance: Called with the number of photos just done.
    """

    def save(photo: Photo, file: Path) -> TreeFile:
        data = read_file(catalog.file(photo))
        pixels = decode_whole(data, reading)
        found = inspect(data, max_pixels=reading.max_pixels)
        if found.format == "JPEG" and found.mode == "RGB" and found.orientation == 1:
            file.write_bytes(data)
        else:
            _encode(pixels, file)
        return _tree_file(file)

    def suffix(photo: Photo) -> str:
        return ".jpg" if _format(catalog, photo) in _LOSSY else ".png"

    return _write(catalog, split, to, save, suffix, advance=advance)


def _write(
    catalog: Catalog,
    split: Split,
    to: Path,
    save: _Save,
    suffix: Callable[[Photo], str],
    *,
    advance: Advance,
) -> SplitTree:
    """Write the photos in threads, under unique names."""

    def attempt(row: tuple[Photo, PurePosixPath]) -> TreeFile | Skipped:
        try:
            return save(row[0], folder / row[1])
        except ImageError as error:
            return Skipped(row[0].path, str(error))

    done: list[TreeFile | Skipped] = []
    with _fresh_folder(to, catalog) as folder, joint_pool(num_cores()) as pool:
        for written in pool.map(attempt, _names(catalog, split, suffix)):
            done.append(written)
            advance(1)
        files = tuple(row for row in done if isinstance(row, TreeFile))
        classes = _class_folders(catalog).values()
        (folder / "README.md").write_text(write_readme(tuple(classes), files), "utf-8")
    return SplitTree(to, files, tuple(row for row in done if isinstance(row, Skipped)))


def _names(
    catalog: Catalog, split: Split, suffix: Callable[[Photo], str]
) -> list[tuple[Photo, PurePosixPath]]:
    """The photos that are in a part, with their unique names, ``train/cat/a__b.jpg``."""
    taken: set[str] = set()
    names = []
    class_folders = _class_folders(catalog)
    for photo, row in zip(catalog.photos, split.rows, strict=False):
        if row.path != photo.path:
            raise SplitError(
                f"the split is not of this folder: expected {photo.path}, received {row.path}. "
                "Make a new split of the folder."
            )
        if row.part in PARTS:
            # fastai takes the last folder as the class, so the tree is flat below the class
            stem = "__".join(catalog.below_part(photo.path)[1:]) or photo.path
            stem = stem.removesuffix(_own_suffix(photo))
            if len(stem.encode()) > _MAX_NAME_BYTES:
                stem = photo.content[:32]
            folder = PurePosixPath(row.part, class_folders[photo.label])
            names.append((photo, _unique_name(folder, stem, suffix(photo), taken)))
    return names


def _class_folders(catalog: Catalog) -> dict[str, str]:
    """The name of each class's folder: tables are free to have slashes in a class, or ``..``.

    Raises:
        DataError: Two have the same.
    """
    names = {label: re.sub(r"[/\\\0]|^\.", "_", label) for label in catalog.classes}
    if len(set(names.values())) < len(names):
        raise DataError(
            f"{catalog.source} has classes that differ in slashes or a first dot only, so they "
            "can't be folders. Rename one."
        )
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
    fitting = _SUFFIXES.get(_format(catalog, photo))
    own = _own_suffix(photo)
    return own if fitting is None or own.lower() in fitting else fitting[0]


def _format(catalog: Catalog, photo: Photo) -> str:
    try:
        return identify(read_start(catalog.file(photo), HEAD_BYTES)) or ""
    except OSError as error:
        raise DataError(
            f"{photo.path} could be read before, but not now: {error.strerror or error}. "
            "Run the command again."
        ) from error


def _look(link: Path) -> TreeFile:
    """What readers may show otherwise, by the photo's header."""
    found = _tree_file(link)
    try:
        with link.open("rb") as file:
            data = file.read(_HEADER_BYTES)
            data += b"" if identify(data) in ("JPEG", "PNG") else file.read()
        details = inspect(data)
    except (OSError, ImageError):  # nothing is known of it
        return found
    # Pillow, which they use, turns TIFF itself
    is_turned = details.orientation != 1 and details.format not in ("TIFF", "HEIF")
    is_clear = details.mode.partition(";")[0] in ("LA", "PA", "RGBA")
    return replace(found, is_turned=is_turned, is_deep=details.is_deep, is_clear=is_clear)


def _tree_file(file: Path) -> TreeFile:
    return TreeFile(file.parts[-3], file.parts[-2], file.suffix.lower())


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


def _encode(pixels: NDArray[np.uint8], file: Path) -> None:
    """Write RGB pixels in the format of the suffix."""
    import cv2

    how = [cv2.IMWRITE_JPEG_QUALITY, 95]
    how += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    # OpenCV itself can't write to every path that is not ASCII
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(file.suffix, bgr, how if file.suffix == ".jpg" else [])[1]
    file.write_bytes(data.tobytes())


@contextmanager
def _fresh_folder(to: Path, catalog: Catalog) -> Iterator[Path]:
    """Yield a folder beside ``to``, with all parts and classes, that is renamed at the end."""
    folder = catalog.source.path
    if folder is not None and to.resolve().is_relative_to(folder):
        raise DataError(
            f"{to} lies in the data folder {folder}, which is only read. "
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
                for name in _class_folders(catalog).values():
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
