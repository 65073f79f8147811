"""Class names that look like two spellings of one class, and names easily misread in answers.

    Cloudy  cloudy    hot dog  hot_dog    cats  cat    façade  facade    01  1    daffodil  dafodil

Names that differ by a number, by a letter at the end or in short words count as two classes:
``class1`` and ``class2``, ``type A`` and ``type B``, ``cat`` and ``car``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.core.text import join_names, plural
from candid.runs.class_names import REMEDY, misread
from candid.splits.duplicates import connect

#: Letters that a word needs for a swapped, missing or doubled letter to count as a typing error.
MIN_LETTERS = 5
_MIN_FOR_SUBSTITUTION = 7  # horse and house are two classes, and castle and cattle
_MIN_FOR_LAST_LETTER = 7  # plane and planet, too
_MIN_FOR_PLURAL = 4

_PARTS = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")  # numbers, words, and single signs
_SEPARATORS = frozenset("-.")


def _run_similar_names(evidence: Evidence) -> Outcome:
    names = evidence.classes
    if len(names) < 2:
        return Outcome.not_applicable("there is only one class")
    pairs = list(find_similar(names))
    component = connect(len(names), pairs)
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for index in sorted({index for pair in pairs for index in pair}):
        groups[int(component[index])].append(names[index])
    findings = []
    for group in groups.values():
        numbers = [sum(photo.label == name for photo in evidence.photos) for name in group]
        named = [f"{name} ({plural(n, 'photo')})" for name, n in zip(group, numbers, strict=True)]
        findings.append(Finding(f"{join_names(named, most=6)} look like the same class"))
    verb = "looks" if len(findings) == 1 else "look"
    summary = f"{plural(len(findings), 'class', 'classes')} {verb} spelled in more than one way"
    return Outcome.from_findings(summary, findings)


def find_similar(names: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Index pairs of names that look like spellings of one."""
    split = [_split(name) for name in names]
    by_form: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    by_initials: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, words in enumerate(split):
        for form in _forms(_merge(words)):
            by_form[form].append(index)
        # A typing error changes neither the numbers nor the first letters of the words.
        by_initials[tuple(word[0] if word.isalpha() else word for word in words)].append(index)
    for indices in by_form.values():
        yield from combinations(indices, 2)
    for indices in by_initials.values():
        for one, other in combinations(indices, 2):
            parts = zip(split[one], split[other], strict=True)
            different = [(a, b) for a, b in parts if a != b]
            if len(different) == 1 and is_typo(*different[0]):
                yield one, other


def _split(name: str) -> tuple[str, ...]:
    """Words without case and accents, numbers without leading zeros, and signs; no separators."""
    text = unicodedata.normalize("NFKC", name)
    letters = sum(character.isalpha() for character in text)
    if letters > 1:  # single letters, such as `A` and `a`, or `e` and `é`, may be two classes
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(c for c in decomposed if not unicodedata.combining(c))
        text = unicodedata.normalize("NFC", text)
    minus = text.startswith("-") and text[1:2].isdigit()
    parts = [part for part in _PARTS.findall(text) if part not in _SEPARATORS]
    numbers = [part.lstrip("0") or "0" if part.isdecimal() else part for part in parts]
    return ("-", *numbers) if minus else tuple(numbers)


def _merge(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Join neighbouring words: ``hot dog`` becomes ``hotdog``."""
    merged: list[str] = []
    for part in parts:
        if merged and part.isalpha() and merged[-1].isalpha():
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def _forms(parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A name and its possible singulars; two names that share a form are similar."""
    yield parts
    word = parts[-1] if parts else ""
    if len(word) < _MIN_FOR_PLURAL or word.endswith("ss") or not word.endswith("s"):
        return
    yield (*parts[:-1], word[:-1])
    if word.endswith("ies"):
        yield (*parts[:-1], word[:-3] + "y")
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        yield (*parts[:-1], word[:-2])


def is_typo(first: str, second: str) -> bool:
    """Whether two lower-case words differ by one typing error.

    One letter is swapped with the next, missing, added or replaced (Damerau, 1964), after the first
    letter, where errors are rare and other words common: typical and atypical.
    """
    short, long = sorted((first, second), key=len)
    if len(short) < MIN_LETTERS or len(long) - len(short) > 1 or short[0] != long[0]:
        return False
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), None)
    if start is None:  # a letter is missing at the end, which is a numeral in gradeI and gradeII
        return len(long) >= _MIN_FOR_LAST_LETTER and long[-1] not in "ivx"
    if len(long) > len(short):
        return short[start:] == long[start + 1 :]
    if short[start + 1 :] == long[start + 1 :]:
        at_end = start == len(short) - 1
        sound_alike = {short[start], long[start]} == {"i", "y"}
        return sound_alike or (len(short) >= _MIN_FOR_SUBSTITUTION and not at_end)
    return short[start : start + 2] == long[start : start + 2][::-1] and (
        short[start + 2 :] == long[start + 2 :]
    )


SIMILAR_NAMES = Check(
    code="similar-names",
    title="Similar class names",
    severity=Severity.warning,
    remedy="If they are the same class, move the photos into one folder. If they are two classes, "
    "nothing has to be done.",
    run=_run_similar_names,
    to_decide=False,
)


def _run_misread_names(evidence: Evidence) -> Outcome:
    findings = [Finding(f"{name} {reason}") for name, reason in misread(evidence.classes)]
    have = "class has a name that is" if len(findings) == 1 else "classes have names that are"
    return Outcome.from_findings(f"{len(findings)} {have} easily misread in answers", findings)


MISREAD_NAMES = Check(
    code="misread-names",
    title="Class names easily misread",
    severity=Severity.warning,
    remedy=REMEDY,
    run=_run_misread_names,
    to_decide=False,
)
