"""Suffixes that lie about the content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.auditing.left_out import left_out
from candid.wording import count, count_are, name_some

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


def run(evidence: Evidence) -> Outcome:
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
    return Outcome.found(f"{count_are(number, 'file')} not what the suffix says", findings)


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
    what = f"{count(len(paths), 'file')} {named}, but {name} by content"
    note = f"{name}, {named}; {_RIGHT[name][0]} would be right"
    return Finding(f"{what}: {name_some(paths)}", tuple(Item(path, note) for path in paths))


CHECK = Check(
    code="wrong-suffix",
    title="Suffix that lies about the content",
    severity=Severity.warning,
    remedy="Rename them. Candid goes by the content, but programs that go by the suffix leave such "
    "files out, or fail on them.",
    run=run,
)
