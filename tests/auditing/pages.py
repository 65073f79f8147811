"""Synthetic audits and thumbnails, for tests of the page."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np

from candid.auditing.finding import Bar, Chart, Check, Finding, Item, Outcome, Severity
from candid.auditing.result import Audit, Checked, ClassCount
from candid.data.source import DataSource
from tests.auditing.made import ended, make_audit, make_check

SHORTCUT = Chart(
    "How often each guesses the label",
    (
        Bar("Image model", 0.86, 0.82, 0.9),
        Bar("Brightness and colour", 0.74, 0.69, 0.79, emphasis=True),
        Bar("Majority class", 0.505),
    ),
    "share",
)

#: Hostile file names: markup, quotes, direction marks, line breaks, bytes that are not UTF-8, and
#: the maximum length.
HOSTILE = (
    "happy/<script>alert(1)</script>.jpg",
    "happy/<img src=x onerror=alert(1)>.jpg",
    "happy/\"' onmouseover=alert(1) x='.jpg",
    "happy/&lt;b&gt; &amp; {{ 7 * 7 }} {% raw %}.jpg",
    "happy/</style></title></script><h1>owned.jpg",
    "happy/\u202egpj.exe",
    "happy/two\nlines\tand\x07a bell.jpg",
    "happy/\udcff\udcfe.jpg",
    f"happy/{'w' * 251}.jpg",
    "happy/صورة سعيدة.jpg",
)


def draw(paths: Iterable[str]) -> dict[str, bytes]:
    """A JPEG of smooth random colours, 160×120, for each path; none for broken files."""
    return {path: _draw(path) for path in paths if "broken" not in path}


def _draw(path: str) -> bytes:
    seed = zlib.crc32(path.encode("utf-8", "surrogateescape"))
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", pixels)[1])


def found(
    *findings: Finding, code: str = "copies", severity: str = "warning", chart: Chart | None = None
) -> Checked:
    check = make_check(code, severity=severity)
    return Checked(check, Outcome("found", f"{len(findings)} found.", tuple(findings), chart))


def copies(number: int, size: int) -> tuple[Finding, ...]:
    """Groups of copies: of group 3 the files ``happy/copy-3-0.jpg`` and on."""
    return tuple(
        Finding(
            f"group {group} of {size} copies",
            tuple(
                Item(
                    f"happy/copy-{group}-{place}.jpg", f"copy {place}", "drop" if place else "keep"
                )
                for place in range(size)
            ),
        )
        for group in range(number)
    )


def suspects(number: int) -> tuple[Finding, ...]:
    rows = [
        (f"sad/suspect-{place}.jpg", "labelled sad, predicted happy, 0.97")
        for place in range(number)
    ]
    return tuple(Finding(f"{path}: {note}", (Item(path, note, "happy"),)) for path, note in rows)


def small_audit() -> Audit:
    """An error, warnings, a note, and checks of every other status."""
    broken = Finding("sad/broken.jpg: empty file", (Item("sad/broken.jpg", "empty file", "drop"),))
    return make_audit(
        found(broken, code="unreadable", severity="error"),
        found(*copies(3, 2), code="copies"),
        found(*suspects(5), code="suspects"),
        found(code="shortcut", chart=SHORTCUT),
        found(Finding("class sad is small"), code="small-class", severity="info"),
        ended("clean", "dark", chart=Chart("Pictures", (Bar("happy", 2), Bar("sad", 2)), "count")),
        ended("clean", "blurred"),
        ended("not applicable", "parts"),
        ended("skipped", "unlike"),
        ended("failed", "tiny"),
    )


def hostile_audit() -> Audit:
    """Hostile names in every place."""
    findings = tuple(Finding(f"{path} is odd", (Item(path, path, path),)) for path in HOSTILE)
    pairs = tuple(Finding(path, (Item(path, path, path), Item(path))) for path in HOSTILE)
    bars = tuple(Bar(path, 0.5, 0.4, 0.6) for path in HOSTILE)
    check = Check(HOSTILE[0], HOSTILE[1], Severity.error, HOSTILE[2], make_check().run)
    audit = make_audit(
        Checked(check, Outcome("found", HOSTILE[3], findings, Chart(HOSTILE[4], bars, "share"))),
        found(*pairs, code="pairs"),
        found(*(pairs * 4), code="more"),
        Checked(make_check("late"), Outcome("skipped", HOSTILE[0])),
    )
    return replace(
        audit,
        data=DataSource(f"{audit.data}/{HOSTILE[7]}"),
        classes=tuple(ClassCount(path, 3, 2) for path in HOSTILE),
        parts=HOSTILE,
        settings={HOSTILE[0]: HOSTILE[1]},
        notes=HOSTILE,
    )


def large_audit(num_images: int = 10_000) -> Audit:
    """Thousands of findings of many kinds, some with many files."""
    return replace(
        make_audit(
            found(*copies(num_images // 4, 2), code="copies", severity="error"),
            found(*copies(200, 40), code="many-copies"),
            found(*suspects(num_images // 2), code="suspects"),
            *(found(*suspects(num_images // 8), code=f"kind-{kind}") for kind in range(15)),
            found(copies(1, num_images)[0], code="turned", severity="info"),
        ),
        num_files=num_images,
        num_photos=num_images,
    )
