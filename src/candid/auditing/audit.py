"""Gathers the evidence of a folder and runs all checks on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from candid._version import __version__
from candid.auditing.checks import ALL
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.auditing.result import Audit, Checked, ClassCount
from candid.core.cache import Cache, default_folder
from candid.core.progress import Progress, for_python
from candid.core.text import first_line, plural, sanitize
from candid.core.threads import joint_pool
from candid.data.catalog import DROPPED, HIDDEN_FOLDER
from candid.data.images import Reading, ResizeMode
from candid.data.source import DataSource
from candid.engines import LOCAL, open_engine, require_engine
from candid.errors import DataError, DependencyError, UsageError
from candid.features.backbones import DEFAULT
from candid.features.properties import measure
from candid.splits.prepare import Prepared, prepare

_NUM_REASONS = 3
_NUM_TYPICAL = 6


@dataclass(frozen=True)
class AuditOptions:
    """Options of an audit.

    Attributes:
        backbone: Name or ONNX path of the backbone; embeddings are shared with training.
        fit: How photos are made square, likewise.
        seed: Random seed of the cross-validation folds.
        decisions: A filled-in decisions.csv: its photos are dropped and relabelled first, and
            findings that it keeps are not reported again.
        skip: Codes of checks not to run.
        rehash: Whether to read all photos, including those of unchanged size and times.
        reading: What of a file becomes a picture: page, bands, range of deep samples.
        engine: Where photos are decoded and embedded: ``local``, ``ray`` or ``ray://host:port``.

    Raises:
        UsageError: A code in ``skip``, or the engine, is unknown.
        DependencyError: Ray is not installed.
    """

    backbone: str = DEFAULT
    fit: ResizeMode = "squash"
    seed: int = 0
    decisions: Path | None = None
    skip: frozenset[str] = frozenset()
    rehash: bool = False
    reading: Reading = field(default_factory=Reading)
    engine: str = LOCAL

    def __post_init__(self) -> None:
        require_engine(self.engine)
        codes = [check.code for check in ALL]
        unknown = sorted(self.skip - set(codes))
        if unknown:
            raise UsageError(
                f"there is no check {', '.join(unknown)}; expected some of {', '.join(codes)}."
            )


def audit(
    data: str | Path | DataSource,
    *,
    options: AuditOptions | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Check a folder of photos for problems. Nothing is written, and no file is changed.

    Args:
        data: A folder with one sub-folder of photos per class, or with such folders below its own
            ``train``, ``val`` and ``test``; or a NumPy archive in MedMNIST's layout.
        options: Backbone, seed, decisions.
        cache: Cache of embeddings and properties; by default the user's own.
        progress: Progress callback; by default a bar in a notebook or at a prompt.

    Returns:
        The outcome of every check. `candid.write_audit` writes it to files.

    Raises:
        DataError: The folder is missing, or no photo in it can be read.
        UsageError: The decisions are invalid.

    Example:
        >>> [row.check.code for row in candid.audit("data").found]  # doctest: +SKIP
        ['two-classes', 'exact-copies', 'near-copies', 'label-suspects']
    """
    options, progress = options or AuditOptions(), progress or for_python()
    with nullcontext(cache) if cache else Cache(default_folder()) as cache:
        evidence, prepared = _gather(data, options, cache, progress)
        kept = prepared.decided.applied.kept if prepared.decided else frozenset()
        checked = run_checks(evidence, ALL, options.skip, kept, progress)
    return _summarise(evidence, checked, options, prepared)


def _gather(
    data: str | Path | DataSource, options: AuditOptions, cache: Cache, progress: Progress
) -> tuple[Evidence, Prepared]:
    with open_engine(options.engine, progress) as engine:
        prepared = prepare(
            data,
            backbone=options.backbone,
            fit=options.fit,
            reading=options.reading,
            decisions=options.decisions,
            rehash=options.rehash,
            to_train=False,
            cache=cache,
            engine=engine,
            progress=progress,
        )
    scanned, features = prepared.scanned, prepared.features
    if not features.catalog.photos:
        reasons = [f"{row.path}: {row.reason}" for row in features.catalog.skipped[-_NUM_REASONS:]]
        raise DataError(
            f"none of the {len(scanned.photos)} photos in {data} can be read; "
            f"{sanitize('; '.join(reasons))}."
        )
    properties = measure(scanned, contract=features.contract, cache=cache, progress=progress)
    return Evidence(scanned, features, prepared.groups, properties, options.seed), prepared


def run_checks(
    evidence: Evidence,
    checks: Collection[Check],
    skip: Collection[str],
    kept: Collection[tuple[str, str, str]],
    progress: Progress,
) -> tuple[Checked, ...]:
    """Run checks; each ends in exactly one status, even if it raises.

    Those that fit models run in threads beside the others. ``skip`` has codes of checks; for
    ``kept`` see `without_kept`.
    """
    contents = {photo.path: photo.content for photo in evidence.scanned.photos}
    outcomes = dict.fromkeys(checks, Outcome("skipped", "excluded by the skip option"))
    wanted = [check for check in checks if check.code not in skip]
    learning = [check for check in wanted if check.learns]
    with (
        progress.step("Checking", 0) as advance,  # a few take nearly all of the time
        joint_pool(max(1, len(learning))) as pool,
    ):
        done = pool.map(partial(_run, evidence=evidence), learning)
        for check in wanted:
            if not check.learns:
                outcomes[check] = _run(check, evidence)
                advance(1)
        for check, outcome in zip(learning, done, strict=True):
            outcomes[check] = outcome
            advance(1)
    return tuple(
        Checked(check, without_kept(check, outcome, contents, kept))
        for check, outcome in outcomes.items()
    )


def _run(check: Check, evidence: Evidence) -> Outcome:
    """Run one check. A bug in it must not lose the findings of the others."""
    try:
        return check.run(evidence)
    except DependencyError as error:
        return Outcome("skipped", str(error))
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        return Outcome("failed", f"{reason}; this is a bug in Candid, please report it")


def without_kept(
    check: Check,
    outcome: Outcome,
    contents: Mapping[str, str],
    kept: Collection[tuple[str, str, str]],
) -> Outcome:
    """Remove findings whose files are all kept by decision; errors are always reported.

    A finding about the whole folder is kept by its own row. ``contents`` are SHA-256 by path;
    ``kept`` is path, content and code of each decision to keep.
    """
    if check.severity is Severity.error:
        return outcome

    def is_kept(finding: Finding) -> bool:
        keys = [(i.path, contents.get(i.path, ""), check.code) for i in finding.items]
        if finding.about:
            keys.append((finding.about, "", check.code))
        return bool(keys) and all(key in kept for key in keys)

    left = tuple(finding for finding in outcome.findings if not is_kept(finding))
    num_kept = len(outcome.findings) - len(left)
    if not num_kept:
        return outcome
    if not left:
        summary = f"{plural(num_kept, 'finding')} kept by decision"
        return Outcome("clean", summary, (), outcome.chart, num_kept)
    summary = f"{outcome.summary}; {num_kept} of {len(outcome.findings)} findings kept by decision"
    return replace(outcome, findings=left, summary=summary, num_kept=num_kept)


def _summarise(
    evidence: Evidence,
    checked: tuple[Checked, ...],
    options: AuditOptions,
    prepared: Prepared,
) -> Audit:
    catalog, decided = prepared.catalog, prepared.decided
    named = {item.path for row in checked for f in row.outcome.findings for item in f.items}
    photos = sorted((p for p in evidence.scanned.photos if p.path in named), key=lambda p: p.path)
    not_files = sum(row.reason in (DROPPED, HIDDEN_FOLDER) for row in catalog.skipped)
    pictures = [
        evidence.groups.of_photo[evidence.labels == i] for i in range(len(evidence.classes))
    ]
    return Audit(
        data=catalog.source,
        find=catalog.find,
        classes=tuple(
            ClassCount(name, len(some), len(np.unique(some)))
            for name, some in zip(evidence.classes, pictures, strict=True)
        ),
        parts=catalog.parts,
        num_files=len(catalog.photos) + len(catalog.skipped) - not_files,
        num_photos=len(catalog.photos),
        num_pictures=evidence.groups.num_pictures,
        checked=checked,
        settings={
            "candid_version": __version__,
            "backbone": options.backbone,
            "fit": options.fit,
            "seed": options.seed,
        },
        contents={photo.path: photo.content for photo in photos},
        labels={photo.path: photo.label for photo in photos},
        typical=evidence.typical(_NUM_TYPICAL),
        notes=(*prepared.reading_notes, *(decided.notes if decided else ())),
        decided=tuple(row for row in decided.file.rows if row.decision) if decided else (),
        reading=evidence.features.contract,
    )
