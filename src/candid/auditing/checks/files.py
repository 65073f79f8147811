"""What is no photo of any class: hidden things, other kinds of files, and what lies outside.

What is not among the photos: three kinds, each the matter of exactly one check.

Images that give no pixels.

Images whose end is missing.

Suffixes that lie about the content.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.auditing.properties import Properties
from candid.core.text import join_names, plural, plural_are
from candid.data.catalog import DROPPED, HIDDEN_FOLDER, NOT_IMAGES, OUTSIDE, Skipped

#: ``unreadable``: an image, by its suffix or content, that gives no pixels. ``truncated``: one that
#: breaks off. ``other``: a file or hidden folder that nobody would expect to be classified.
Kind = Literal["unreadable", "truncated", "other"]


def left_out(evidence: Evidence, kind: Kind) -> list[Skipped]:
    """Give the files of a kind, in order of path."""
    rows = [row for row in evidence.features.catalog.skipped if kind_of(row.reason) == kind]
    return sorted(rows, key=lambda row: row.path)


def kind_of(reason: str) -> Kind | None:
    """Tell the kind of a file by the reason why it is left out.

    Returns:
        Its kind, or None where a person decided so.
    """
    if reason == DROPPED:
        return None
    if reason in NOT_IMAGES or reason == OUTSIDE:
        return "other"
    return "truncated" if reason.startswith("truncated") else "unreadable"


def _run_unreadable(evidence: Evidence) -> Outcome:
    """Name the images that were left out because nothing can be made of them, by reason."""
    paths: dict[str, list[str]] = {}
    for row in left_out(evidence, "unreadable"):
        paths.setdefault(row.reason, []).append(row.path)
    if not paths:
        return Outcome.clean()
    findings = [
        Finding.of([Item(path, reason) for path in some], reason)
        for reason, some in sorted(paths.items(), key=lambda row: -len(row[1]))
    ]
    number = sum(map(len, paths.values()))
    verb = "is" if number == 1 else "are"
    return Outcome.found(f"{plural(number, 'file')} can't be read, and {verb} left out", findings)


UNREADABLE = Check(
    code="unreadable",
    title="Unreadable files",
    severity=Severity.error,
    remedy="Get them again from where they came from, or save them as JPEG or PNG with the program "
    "that made them. Until then they are left out.",
    run=_run_unreadable,
    to_decide=False,
)


def _run_truncated(evidence: Evidence) -> Outcome:
    """Name the images that break off, and say how much of each can be decoded."""
    rows = left_out(evidence, "truncated")
    if not rows:
        return Outcome.clean()
    photos = {photo.path: photo for photo in evidence.scanned.photos}
    items = []
    for row in rows:
        photo = photos.get(row.path)
        properties = evidence.properties_of(photo) if photo else None
        items.append(Item(row.path, _note(properties)))
    return Outcome.found(
        f"{plural_are(len(rows), 'file')} cut off, and left out", [Finding.of(items, "cut off")]
    )


def _note(properties: Properties | None) -> str:
    share = properties.decodable_share if properties else 0.0
    if properties is None or share == 0:
        return "no part of it can be decoded"
    if share == 1:
        return "all of it can be decoded, but only coarsely"
    percent = f"{int(100 * share)} %" if share >= 0.01 else "less than 1 %"
    # Rows are missing below as the file stores them, which may be another side as it is seen.
    if properties.orientation in (1, 2):
        return f"the upper {percent} can be decoded"
    return f"{percent} of it can be decoded"


TRUNCATED = Check(
    code="truncated",
    title="Truncated files",
    severity=Severity.error,
    remedy="Copy or download them again: they were cut off on the way. Until then they are left "
    "out.",
    run=_run_truncated,
    to_decide=False,
)


#: The suffixes that are right for a format, the usual one first. A camera's raw file is a TIFF; an
#: MPO begins as a JPEG; AVIF is a kind of HEIF.
_RIGHT = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff", ".dng", ".nef", ".nrw", ".cr2", ".arw", ".pef", ".srw"),
    "AVIF": (".avif", ".avifs", ".heif", ".heifs", ".hif"),
    "HEIF": (".heic", ".heics", ".heif", ".heifs", ".hif"),
}
_LONGEST_SUFFIX = 8  # characters; what is longer is a name with a dot in it


def _run_wrong_suffix(evidence: Evidence) -> Outcome:
    """Compare the suffixes of readable and truncated images with what they are."""
    formats = dict(_formats(evidence))
    if not formats:
        return Outcome.not_applicable("no file says what it is")
    lies: dict[tuple[str, str], list[str]] = {}
    for path, name in formats.items():
        if PurePosixPath(path).suffix.lower() not in _RIGHT[name]:
            lies.setdefault((_suffix(path), name), []).append(path)
    if not lies:
        return Outcome.clean()
    findings = [
        _finding(suffix, name, paths)
        for (suffix, name), paths in sorted(lies.items(), key=lambda row: (-len(row[1]), row[0]))
    ]
    number = sum(map(len, lies.values()))
    return Outcome.found(f"{plural_are(number, 'file')} not what the suffix says", findings)


def _formats(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Paths with formats, of the files whose header makes sense."""
    wanted = {photo.path for photo in evidence.photos}
    wanted |= {row.path for row in left_out(evidence, "truncated")}
    for photo in evidence.scanned.photos:
        properties = evidence.properties_of(photo)
        if photo.path in wanted and properties is not None and properties.format in _RIGHT:
            yield photo.path, properties.format


def _suffix(path: str) -> str:
    """The suffix in lower case; empty where there is none that could be meant as one."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix if len(suffix) <= _LONGEST_SUFFIX and suffix[1:].isalnum() else ""


def _finding(suffix: str, name: str, paths: list[str]) -> Finding:
    named = f"named {suffix}" if suffix else "without a suffix"
    what = f"{plural(len(paths), 'file')} {named}, but {name} by content"
    note = f"{name}, {named}; {_RIGHT[name][0]} would be right"
    return Finding(f"{what}: {join_names(paths)}", tuple(Item(path, note) for path in paths))


WRONG_SUFFIX = Check(
    code="wrong-suffix",
    title="Suffix that lies about the content",
    severity=Severity.warning,
    remedy="Rename them. Candid goes by the content, but programs that go by the suffix leave such "
    "files out, or fail on them.",
    run=_run_wrong_suffix,
)


def _run_other_files(evidence: Evidence) -> Outcome:
    """Name them, so that all that is in the folder is accounted for."""
    paths: dict[str, list[str]] = {}
    for row in left_out(evidence, "other"):
        paths.setdefault(row.reason, []).append(row.path)
    if not paths:
        return Outcome.clean()
    # What lies outside may be photos that somebody misses.
    order = sorted(paths, key=lambda reason: (reason != OUTSIDE, reason))
    findings = [Finding.of([Item(path, r) for path in paths[r]], r) for r in order]
    return Outcome.found(_counted({reason: len(some) for reason, some in paths.items()}), findings)


def _counted(numbers: dict[str, int]) -> str:
    number = sum(numbers.values())
    num_folders = numbers.get(HIDDEN_FOLDER, 0)
    told = [plural(number - num_folders, "file")] if number > num_folders else []
    told += [plural(num_folders, "hidden folder")] if num_folders else []
    return f"{' and '.join(told)} {'belongs' if number == 1 else 'belong'} to no class"


OTHER_FILES = Check(
    code="other-files",
    title="Files that are no photos of a class",
    severity=Severity.info,
    remedy="Nothing has to be done: they are left out. Photos outside the class folders belong to "
    "no class; move those that you want into one.",
    run=_run_other_files,
    to_decide=False,
)
