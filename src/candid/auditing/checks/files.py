"""Checks of files: unreadable, truncated, of the wrong suffix, and those that are not photos.

Every skipped file is reported by exactly one of `UNREADABLE`, `TRUNCATED` and `OTHER_FILES`, unless
a decision dropped it.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from pathlib import PurePosixPath
from typing import Literal

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.core.text import plural, plural_are
from candid.data.catalog import DROPPED, HIDDEN_FOLDER, NO_LABEL, NOT_IMAGES, OUTSIDE
from candid.data.sources.parquet import Cell
from candid.features.properties import Properties

#: ``unreadable``: an image, by its suffix or content, that can't be decoded. ``truncated``: one
#: whose end is missing. ``other``: a file or hidden folder that is not meant to be classified.
Kind = Literal["unreadable", "truncated", "other"]


def kind_of(reason: str) -> Kind | None:
    """Kind of a skipped file, by the reason; None if a decision dropped it."""
    if reason == DROPPED:
        return None
    if reason in NOT_IMAGES or reason in (OUTSIDE, NO_LABEL):
        return "other"
    return "truncated" if reason.startswith("truncated") else "unreadable"


def _skipped_by_reason(evidence: Evidence, kind: Kind) -> dict[str, list[str]]:
    """Paths of the skipped files of a kind by reason, in order of path."""
    paths: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(evidence.features.catalog.skipped, key=lambda row: row.path):
        if kind_of(row.reason) == kind:
            paths[row.reason].append(row.path)
    return paths


def _finding_of(paths: list[str], reason: str) -> Finding:
    return Finding.of([Item(path, reason) for path in paths], reason)


def _run_unreadable(evidence: Evidence) -> Outcome:
    skipped = _skipped_by_reason(evidence, "unreadable")
    ranked = sorted(skipped.items(), key=lambda row: -len(row[1]))
    findings = [_finding_of(paths, reason) for reason, paths in ranked]
    number = sum(map(len, skipped.values()))
    verb = "is" if number == 1 else "are"
    summary = f"{plural(number, 'file')} can't be read, and {verb} left out"
    return Outcome.from_findings(summary, findings)


UNREADABLE = Check(
    code="unreadable",
    title="Unreadable files",
    severity=Severity.error,
    remedy="Get them again from their source, or save them as JPEG or PNG with the program that "
    "made them. Until then they are left out.",
    run=_run_unreadable,
    to_decide=False,
)


def _run_truncated(evidence: Evidence) -> Outcome:
    """Report truncated images, and the share of each that can be decoded."""
    paths = sorted(chain(*_skipped_by_reason(evidence, "truncated").values()))
    if not paths:
        return Outcome.clean()
    known = {photo.path: evidence.properties_of(photo) for photo in evidence.scanned.photos}
    items = [Item(path, _describe_share(known.get(path))) for path in paths]
    summary = f"{plural_are(len(items), 'file')} cut off, and left out"
    return Outcome.from_findings(summary, [Finding.of(items, "cut off")])


def _describe_share(properties: Properties | None) -> str:
    share = properties.decodable_share if properties else 0.0
    if properties is None or share == 0:
        return "no part of it can be decoded"
    if share == 1:
        return "all of it can be decoded, but only at low quality"
    percent = f"{int(100 * share)} %" if share >= 0.01 else "less than 1 %"
    # The last rows stored are missing; after rotation these may be at another side.
    if properties.orientation in (1, 2):
        return f"the upper {percent} can be decoded"
    return f"{percent} of it can be decoded"


TRUNCATED = Check(
    code="truncated",
    title="Truncated files",
    severity=Severity.error,
    remedy="Copy or download them again; the end of each is missing. Until then they are left out.",
    run=_run_truncated,
    to_decide=False,
)


#: The right suffixes of each format, the usual one first. Camera raw files are TIFF; an MPO starts
#: as a JPEG; AVIF is a kind of HEIF.
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff", ".dng", ".nef", ".nrw", ".cr2", ".arw", ".pef", ".srw"),
    "AVIF": (".avif", ".avifs", ".heif", ".heifs", ".hif"),
    "HEIF": (".heic", ".heics", ".heif", ".heifs", ".hif"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "DICOM": (".dcm", ".dicom"),
}
_MAX_SUFFIX_LENGTH = 8  # longer ones are names with a dot in them


def _run_wrong_suffix(evidence: Evidence) -> Outcome:
    formats = _formats(evidence)
    if not formats:
        return Outcome.not_applicable("the format of no file could be identified")
    wrong: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for path, name in formats.items():
        suffix = PurePosixPath(path).suffix.lower()
        if suffix not in _SUFFIXES[name]:
            is_suffix = len(suffix) <= _MAX_SUFFIX_LENGTH and suffix[1:].isalnum()
            wrong[suffix if is_suffix else "", name].append(path)
    findings = []
    for (suffix, name), paths in sorted(wrong.items(), key=lambda row: (-len(row[1]), row[0])):
        named = f"named {suffix}" if suffix else "without a suffix"
        what = f"{plural(len(paths), 'file')} {named}, but {name} by content"
        note = f"{name}, {named}; expected {_SUFFIXES[name][0]}"
        findings.append(Finding.naming(what, [Item(path, note) for path in paths]))
    number = sum(map(len, wrong.values()))
    verb = "does" if number == 1 else "do"
    summary = f"{plural(number, 'file')} {verb} not have the suffix of the content"
    return Outcome.from_findings(summary, findings)


def _formats(evidence: Evidence) -> dict[str, str]:
    """Formats by path, of the readable and truncated files with a valid header.

    Without cells of tables, whose names are no names of files.
    """
    paths = {photo.path for photo in evidence.photos}.union(
        *_skipped_by_reason(evidence, "truncated").values()
    )
    known = {photo.path: evidence.properties_of(photo) for photo in evidence.scanned.photos}
    return {
        path: properties.format
        for path, properties in known.items()
        if path in paths
        and properties is not None
        and properties.format in _SUFFIXES
        and not isinstance(evidence.scanned.find(path), Cell)
    }


WRONG_SUFFIX = Check(
    code="wrong-suffix",
    title="Suffix does not match the content",
    severity=Severity.warning,
    remedy="Rename them. Candid identifies files by content; programs that go by the suffix skip "
    "such files, or fail on them.",
    run=_run_wrong_suffix,
)


def _run_other_files(evidence: Evidence) -> Outcome:
    """Report all other skipped files and hidden folders, so that every file is accounted for."""
    skipped = _skipped_by_reason(evidence, "other")
    # Files outside the class folders come first: they may be misplaced photos.
    order = sorted(skipped, key=lambda reason: (reason != OUTSIDE, reason))
    number = sum(map(len, skipped.values()))
    num_folders = len(skipped.get(HIDDEN_FOLDER, ()))
    counts = [plural(number - num_folders, "file")] if number > num_folders else []
    counts += [plural(num_folders, "hidden folder")] if num_folders else []
    summary = f"{' and '.join(counts)} {'belongs' if number == 1 else 'belong'} to no class"
    return Outcome.from_findings(
        summary, [_finding_of(skipped[reason], reason) for reason in order]
    )


OTHER_FILES = Check(
    code="other-files",
    title="Files that are not photos of a class",
    severity=Severity.info,
    remedy="Nothing has to be done: they are left out. Photos outside the class folders belong to "
    "no class; move those that you want into one.",
    run=_run_other_files,
    to_decide=False,
)
