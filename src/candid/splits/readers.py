"""How Keras, torchvision, fastai, Ultralytics and Hugging Face read a tree of parts and classes.

Versions and figures: ``benchmarks/readers.py``, where each really reads one.
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from candid.core.text import escape_markdown, fence, join_names, plural, sanitize_line
from candid.data.parts import PARTS


@dataclass(frozen=True)
class TreeFile:
    """A file of the tree, with its suffix in lower case."""

    part: str
    label: str
    suffix: str
    is_turned: bool = False  # by EXIF
    is_deep: bool = False  # more than 8 bits a sample
    is_clear: bool = False  # with transparency


@dataclass(frozen=True)
class Reader:
    """A library that reads such trees.

    Attributes:
        name: What it is called.
        code: Python that reads ``tree``.
        why: Why that code, in a sentence.
        suffixes: The suffixes that it reads.
        refused: Those of them that it fails on, unless a plugin is installed.
        turns: Whether it applies the EXIF orientation.
        deep: What it makes of more than 8 bits a sample.
    """

    name: str
    code: str
    why: str
    suffixes: frozenset[str]
    refused: frozenset[str] = frozenset()
    turns: bool = False
    deep: str = "keeps the upper byte of"

    def differences(self, files: Sequence[TreeFile]) -> Iterator[str]:
        """What it passes over, refuses or shows otherwise than Candid."""
        seen = [file for file in files if file.suffix in self.suffixes - self.refused]
        over = [file.suffix for file in files if file.suffix not in self.suffixes]
        refused = [file.suffix for file in files if file.suffix in self.suffixes & self.refused]
        if over:
            yield f"passes over {_count(over)}"
        if refused:
            yield f"fails on {_count(refused)} without a plugin for HEIF"
        turned = sum(file.is_turned for file in seen)
        if turned and not self.turns:
            yield f"does not turn {plural(turned, 'photo')} that EXIF turns"
        if clear := sum(file.is_clear for file in seen):
            yield f"does not put {plural(clear, 'transparent photo')} on white"
        deep = sum(file.is_deep for file in seen)
        if deep:
            yield f"{self.deep} {plural(deep, 'photo')} of more than 8 bits"


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


def _mime_images() -> frozenset[str]:
    mimetypes.init()
    return frozenset(k for k, kind in mimetypes.types_map.items() if kind.startswith("image/"))


_HEIF: Final = _suffixes("heic heif")
#: What Hugging Face calls the parts.
_HF_NAMES: Final = {"train": "train", "val": "validation", "test": "test"}
_PILLOW_CLIPS: Final = "makes every grey above 255 white in"

KERAS: Final = Reader(
    "Keras",
    'keras.utils.image_dataset_from_directory(f"{tree}/train")',
    "The same for val and test. `validation_split=` would draw the parts anew and put copies on "
    "both sides.",
    _suffixes("bmp gif jpeg jpg png"),
)
TORCHVISION: Final = Reader(
    "torchvision",
    'torchvision.datasets.ImageFolder(f"{tree}/train")',
    "The same for val and test.",
    _suffixes("bmp jpeg jpg pgm png ppm tif tiff webp"),
    deep=_PILLOW_CLIPS,
)
FASTAI: Final = Reader(
    "fastai",
    'ImageDataLoaders.from_folder(tree, valid="val", item_tfms=Resize(224))\n'
    'get_image_files(f"{tree}/test")',
    'Without `valid="val"` it looks for a folder `valid` and has no validation photos.',
    _mime_images(),  # as it does itself, so that it depends on the machine
    refused=_HEIF,
    deep=_PILLOW_CLIPS,
)
ULTRALYTICS: Final = Reader(
    "Ultralytics",
    'YOLO("yolo11n-cls.pt").train(data=tree)',
    "It finds train, val and test by their names.",
    _suffixes("avif bmp heic heif jp2 jpeg jpg mpo png tif tiff webp"),
    refused=_HEIF,
    turns=True,
)
HUGGING_FACE: Final = Reader(
    "Hugging Face",
    'datasets.load_dataset("imagefolder", data_files={FILES})',
    "`data_files`, as it takes the part from any folder name otherwise, a class's too; "
    "`load_dataset(tree)` is right by the README.md in the tree.",
    _suffixes("bmp gif j2k jp2 jpeg jpg pbm pgm png ppm tif tiff webp"),
    turns=True,
    deep='gives samples up to 65535, white after `convert("RGB")`, of',
)


def _readers(classes: Sequence[str], files: Sequence[TreeFile]) -> tuple[Reader, ...]:
    """The readers, with code that fits a tree of these files."""
    filled = {(file.part, file.label) for file in files}
    torchvision = TORCHVISION
    if len(filled) < len(PARTS) * len(classes):
        code = torchvision.code.replace(")", ", allow_empty=True)")
        why = f"{torchvision.why} `allow_empty`, as some class has no photo in some part."
        torchvision = replace(torchvision, code=code, why=why)
    parts = [part for part in PARTS if any(part == where for where, _ in filled)]
    data_files = ", ".join(f'"{_HF_NAMES[part]}": f"{{tree}}/{part}/**"' for part in parts)
    code = HUGGING_FACE.code.replace("FILES", data_files)
    return KERAS, torchvision, FASTAI, ULTRALYTICS, replace(HUGGING_FACE, code=code)


# Folder names that Hugging Face's reader takes for a part: the word between these separators.
_SPLIT_WORD: Final = re.compile(
    r"(?:^|[-._ 0-9])(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)"
    r"(?=$|[-._ 0-9])"
)


def describe(tree: Path, classes: Sequence[str], files: Sequence[TreeFile]) -> list[str]:
    """Lines for a terminal: the code for each reader, why, and what it reads otherwise."""
    lines = [f"tree = {json.dumps(str(tree), ensure_ascii=False)}"]
    for reader in _readers(classes, files):
        lines += ["", f"{reader.name}: {reader.why}", *reader.code.split("\n")]
        lines += [f"# it {row}" for row in reader.differences(files)]
    return [sanitize_line(line) for line in lines]


def warnings(classes: Sequence[str], files: Sequence[TreeFile]) -> list[str]:
    """Notes on what readers would get wrong."""
    notes = []
    if words := [name for name in classes if _SPLIT_WORD.search(name)]:
        notes.append(
            f"Hugging Face's reader takes {join_names(words)} for a part and mixes the parts; use "
            "data_files=, or load_dataset(tree), which follows the README.md in the tree"
        )
    named = [reader.name for reader in _readers(classes, files) if any(reader.differences(files))]
    if named:
        notes.append(
            f"{join_names(named, len(named))} would pass over photos or show them otherwise, as "
            "listed; --materialize writes photos that all five read alike"
        )
    return notes


def write_readme(classes: Sequence[str], files: Sequence[TreeFile]) -> str:
    """The README.md of a tree: for people, and in its head for Hugging Face's reader."""
    counts = Counter(file.part for file in files)
    paths = [f"  - split: {_HF_NAMES[part]}\n    path: {part}/**" for part in PARTS if counts[part]]
    configs = "configs:\n- config_name: default\n  drop_labels: false\n  data_files:"
    sections = [
        "\n".join(["---", configs, *paths, "---"]),
        "# Photos in parts",
        f"Written by `candid split`: {', '.join(f'{counts[part]:,} {part}' for part in PARTS)}. "
        f"Classes: {join_names([escape_markdown(name) for name in classes], len(classes))}. "
        "`tree` is this folder.",
    ]
    for reader in _readers(classes, files):
        sections += [f"## {reader.name}", fence(reader.code, "python"), reader.why]
        if rows := [f"- It {row}." for row in reader.differences(files)]:
            sections.append("\n".join(rows))
    return "\n\n".join(sections) + "\n"


def _count(suffixes: Sequence[str]) -> str:
    """``16 files (8 gif, 8 avif)``."""
    rows = Counter(suffixes).most_common()
    counts = ", ".join(
        f"{n:,} {suffix.removeprefix('.') or 'without suffix'}" for suffix, n in rows
    )
    return f"{plural(len(suffixes), 'file')} ({counts})"
