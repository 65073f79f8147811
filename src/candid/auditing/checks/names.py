"""Names of classes that look like the same class spelled twice.

    Cloudy  cloudy    hot dog  hot_dog    cats  cat    façade  facade    01  1    daffodil  dafodil

What differs by a number, by a letter at the end or in short words is taken for two classes:
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
from candid.splits.duplicates import connect

#: Letters that a word needs for a swapped, missing or doubled letter in it to be a slip.
LEAST_LETTERS = 5
_LEAST_FOR_ANOTHER_LETTER = 7  # horse and house are two classes, and castle and cattle
_LEAST_FOR_THE_END = 7  # plane and planet, too
_LEAST_FOR_A_PLURAL = 4

_PARTS = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")  # numbers, words, and signs one by one
_SEPARATORS = frozenset("-.")


def _run(evidence: Evidence) -> Outcome:
    """Compare the names of all classes with one another."""
    names = evidence.classes
    if len(names) < 2:
        return Outcome.not_applicable("there is only one class")
    pairs = list(find_alike(names))
    if not pairs:
        return Outcome.clean()
    component = connect(len(names), pairs)
    groups: dict[int, list[str]] = defaultdict(list)
    for place in sorted({place for pair in pairs for place in pair}):
        groups[int(component[place])].append(names[place])
    findings = [Finding(_told(group, evidence)) for group in groups.values()]
    verb = "looks" if len(findings) == 1 else "look"
    summary = f"{plural(len(findings), 'class', 'classes')} {verb} spelled in more than one way"
    return Outcome.found(summary, findings)


def find_alike(names: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Pairs of names, by place, that look like spellings of one."""
    parts = [_split(name) for name in names]
    merged: dict[tuple[str, ...], list[int]] = defaultdict(list)
    shaped: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(parts):
        for form in _forms(_merge(row)):
            merged[form].append(place)
        # A slip changes neither the numbers nor the first letters of the words.
        shaped[tuple(part[0] if part.isalpha() else part for part in row)].append(place)
    for places in merged.values():
        yield from combinations(places, 2)
    for places in shaped.values():
        for a, b in combinations(places, 2):
            if _slip(parts[a], parts[b]):
                yield a, b


def _split(name: str) -> tuple[str, ...]:
    """Words without case and accents, numbers without leading zeros, and signs; no separators."""
    text = unicodedata.normalize("NFKC", name)
    letters = sum(character.isalpha() for character in text)
    if letters > 1:  # of single letters, `A` and `a`, or `e` and `é`, may well be two classes
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(c for c in decomposed if not unicodedata.combining(c))
        text = unicodedata.normalize("NFC", text)
    minus = text.startswith("-") and text[1:2].isdigit()
    parts = [part for part in _PARTS.findall(text) if part not in _SEPARATORS]
    numbers = [part.lstrip("0") or "0" if part.isdecimal() else part for part in parts]
    return ("-", *numbers) if minus else tuple(numbers)


def _merge(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The same with neighbouring words as one: ``hot dog`` is ``hotdog``."""
    merged: list[str] = []
    for part in parts:
        if merged and part.isalpha() and merged[-1].isalpha():
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def _forms(parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A name, and what it may be the plural of; two that share a form are alike."""
    yield parts
    word = parts[-1] if parts else ""
    if len(word) < _LEAST_FOR_A_PLURAL or word.endswith("ss") or not word.endswith("s"):
        return
    yield (*parts[:-1], word[:-1])
    if word.endswith("ies"):
        yield (*parts[:-1], word[:-3] + "y")
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        yield (*parts[:-1], word[:-2])


def _slip(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Whether two names of as many parts differ in one word only, by a slip."""
    different = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    return len(different) == 1 and is_slip(*different[0])


def is_slip(first: str, second: str) -> bool:
    """Whether two words differ by a slip of the pen or the keyboard.

    One letter is swapped with the next, missing, added or another (Damerau, 1964), after the first
    letter, where slips are rare and other words common: typical and atypical.

    Args:
        first: A word in small letters.
        second: Another one.
    """
    short, long = sorted((first, second), key=len)
    if len(short) < LEAST_LETTERS or len(long) - len(short) > 1 or short[0] != long[0]:
        return False
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), None)
    if start is None:  # a letter is missing at the end, which is a numeral in gradeI and gradeII
        return len(long) >= _LEAST_FOR_THE_END and long[-1] not in "ivx"
    if len(long) > len(short):
        return short[start:] == long[start + 1 :]
    if short[start + 1 :] == long[start + 1 :]:
        at_end = start == len(short) - 1
        sound_alike = {short[start], long[start]} == {"i", "y"}
        return sound_alike or (len(short) >= _LEAST_FOR_ANOTHER_LETTER and not at_end)
    return short[start : start + 2] == long[start : start + 2][::-1] and (
        short[start + 2 :] == long[start + 2 :]
    )


def _told(group: list[str], evidence: Evidence) -> str:
    numbers = [sum(photo.label == name for photo in evidence.photos) for name in group]
    named = [f"{name} ({plural(n, 'photo')})" for name, n in zip(group, numbers, strict=True)]
    return f"{join_names(named, most=6)} look like the same class"


SIMILAR_NAMES = Check(
    code="similar-names",
    title="One class under two names",
    severity=Severity.warning,
    remedy="If they are the same class, move the photos into one folder. If they are two classes, "
    "all is well.",
    run=_run,
    to_decide=False,
)
