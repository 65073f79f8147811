"""What a person decided to keep is not reported again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.wording import count


def without_kept(
    check: Check,
    outcome: Outcome,
    contents: Mapping[str, str],
    kept: Collection[tuple[str, str, str]],
) -> Outcome:
    """Leave out the findings all of whose files a person keeps.

    Args:
        check: The check; an error is reported for as long as it is there.
        outcome: How it ended.
        contents: SHA-256 by path.
        kept: Path, content and code of each row that says keep.

    Returns:
        The outcome; clean where nothing is left, and its summary says why.
    """
    if check.severity is Severity.error:
        return outcome

    def is_kept(finding: Finding) -> bool:
        marks = [(i.path, contents.get(i.path, ""), check.code) for i in finding.items]
        return bool(marks) and all(mark in kept for mark in marks)

    left = tuple(finding for finding in outcome.findings if not is_kept(finding))
    num_kept = len(outcome.findings) - len(left)
    if not num_kept:
        return outcome
    if not left:
        return Outcome.clean(f"{count(num_kept, 'finding')} kept by decision", chart=outcome.chart)
    told = f"{outcome.summary}; {num_kept} of {len(outcome.findings)} findings kept by decision"
    return replace(outcome, findings=left, summary=told)
