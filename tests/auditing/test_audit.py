"""The audit as a whole: every check ends in one status, and no file is changed."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import candid
from candid.auditing import checks
from candid.auditing.audit import AuditOptions, audit, run_checks, without_kept
from candid.auditing.finding import Finding, Item, Outcome
from candid.cli.demo import SampleSet
from candid.core.cache import Cache
from candid.core.progress import Silent
from candid.data.decisions import Decision, to_csv
from candid.errors import DataError, DependencyError, UsageError
from tests.auditing.made import make_check, make_evidence

STATUSES = {"found", "clean", "not applicable", "skipped", "failed"}
#: The smaller backbone, for speed; the tests don't depend on it.
BACKBONE = "efficientnet-lite0"
SMALL = AuditOptions(backbone=BACKBONE)


@pytest.fixture(scope="module")
def audited(faces: SampleSet, own_cache: Path) -> candid.Audit:
    del own_cache
    return candid.audit(faces.folder, options=SMALL)


def test_every_check_of_every_run_ends_in_one_status(audited: candid.Audit) -> None:
    assert [row.check.code for row in audited.checked] == [check.code for check in checks.ALL]
    assert {row.outcome.status for row in audited.checked} <= STATUSES
    assert not [row for row in audited.checked if row.outcome.status == "failed"]


def test_codes_are_unique_and_every_check_is_listed() -> None:
    codes = [check.code for check in checks.ALL]
    assert len(set(codes)) == len(codes)
    folder = Path(checks.__file__).parent
    defined = [
        name
        for file in folder.glob("*.py")
        for name in re.findall(r"^(\w+) = Check\(", file.read_text(), re.MULTILINE)
    ]
    assert sorted(check.code.replace("-", "_").upper() for check in checks.ALL) == sorted(defined)


def test_every_check_is_tested_when_it_fires_and_when_it_stays_quiet() -> None:
    """The tests of a check ``x-y`` are in a class ``TestXY``, in the file of its module."""
    tested: dict[str, str] = {}
    for file in (Path(__file__).parent / "checks").glob("test_*.py"):
        for block in re.split(r"^class Test", file.read_text(), flags=re.MULTILINE)[1:]:
            name, _, body = block.partition(":")
            tested[name] = body
    for check in checks.ALL:
        body = tested[check.code.title().replace("-", "")]
        assert f"{check.code.replace('-', '_').upper()}.run(" in body, check.code
        assert '"clean"' in body, check.code
        assert body.count("def test_") >= 3, check.code


def test_errors_come_first() -> None:
    severities = [check.severity for check in checks.ALL]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)


def test_injected_defects_are_found(audited: candid.Audit, faces: SampleSet) -> None:
    named = {item.path: check.code for check, _, item in audited.items()}
    codes = {row.check.code for row in audited.found}
    assert {"two-classes", "near-copies", "exact-copies", "truncated", "other-files"} <= codes
    assert [path for path in injected(faces) if path not in named] == []


def injected(faces: SampleSet) -> list[str]:
    """Files with defects, but for wrong labels: these may be missed among sixty faces."""
    return [plant.path.as_posix() for plant in faces.defects if plant.kind != "wrong_label"]


def test_again_it_gives_the_same_touches_no_file_and_leaves_the_cache_open(
    audited: candid.Audit, faces: SampleSet, state_of: Callable[[Path], object], memory: Cache
) -> None:
    before = state_of(faces.folder)
    for _ in range(2):
        again = audit(faces.folder, options=SMALL, cache=memory)
    assert again.to_json() == audited.to_json()
    assert state_of(faces.folder) == before


def test_a_check_that_raises_does_not_stop_the_others() -> None:
    def broken(evidence: object) -> Outcome:
        del evidence
        raise IndexError("out of range\nat all")

    good, bad = make_check("good"), dataclasses.replace(make_check("bad"), run=broken)
    rows = run_checks(make_evidence(["a", "b"]), (bad, good), (), (), Silent())
    assert [row.outcome.status for row in rows] == ["failed", "clean"]
    assert rows[0].outcome.summary.startswith("IndexError: out of range;")


def test_checks_that_learn_run_beside_the_others() -> None:
    begun, seen = threading.Event(), []

    def learn(evidence: object) -> Outcome:
        del evidence
        seen.append(begun.wait(5))
        return Outcome.clean()

    def look(evidence: object) -> Outcome:
        del evidence
        begun.set()
        seen.append(threading.current_thread() is threading.main_thread())  # that of the cache
        return Outcome.clean("seen")

    learning = dataclasses.replace(make_check("learning"), run=learn, learns=True)
    others = [dataclasses.replace(make_check(code), run=look) for code in ("a", "b")]
    checks = [others[0], learning, others[1]]
    rows = run_checks(make_evidence(["a", "b"]), checks, ("b",), (), Silent())
    assert [row.check.code for row in rows] == ["a", "learning", "b"]
    assert [row.outcome.status for row in rows] == ["clean", "clean", "skipped"]
    assert seen == [True, True]


def test_a_missing_package_skips_a_check_and_says_why() -> None:
    def needy(evidence: object) -> Outcome:
        del evidence
        raise DependencyError("needs x. Run: pip install x")

    check = dataclasses.replace(make_check(), run=needy)
    ((row,),) = (run_checks(make_evidence(["a"]), (check,), (), (), Silent()),)
    assert (row.outcome.status, row.outcome.summary) == ("skipped", "needs x. Run: pip install x")


def test_an_excluded_check_is_not_run(faces: SampleSet) -> None:
    options = dataclasses.replace(SMALL, skip=frozenset({"label-suspects"}))
    (row,) = (
        row
        for row in candid.audit(faces.folder, options=options).checked
        if row.check.code == "label-suspects"
    )
    assert row.outcome == Outcome("skipped", "excluded by the skip option")


def test_an_audit_imports_neither_scikit_learn_nor_pandas(
    audited: candid.Audit, faces: SampleSet
) -> None:
    del audited  # whose embeddings are in the cache
    program = (
        "import sys, candid; from candid.auditing.audit import AuditOptions;"
        f"candid.audit({str(faces.folder)!r}, options=AuditOptions(backbone={SMALL.backbone!r}));"
        "print(sorted({'cleanlab', 'sklearn', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_check_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"no check blury; expected some of .*blurred"):
        AuditOptions(skip=frozenset({"blury"}))


def test_findings_kept_by_decision_are_left_out() -> None:
    evidence = make_evidence(["a", "b"])
    photo = evidence.photos[0]

    def finds(evidence: object) -> Outcome:
        del evidence
        return Outcome.from_findings("some", [Finding("x", (Item(photo.path),))])

    check = dataclasses.replace(make_check("dark"), run=finds)
    kept = {(photo.path, photo.content, "dark")}
    (row,) = run_checks(evidence, (check,), (), kept, Silent())
    assert (row.outcome.status, row.outcome.summary) == ("clean", "1 finding kept by decision")


def test_decisions_are_applied(audited: candid.Audit, faces: SampleSet, tmp_path: Path) -> None:
    exact = next(row for row in audited.found if row.check.code == "exact-copies")
    rows = [
        Decision(item.path, audited.contents[item.path], "exact-copies", "", item.suggestion)
        for finding in exact.outcome.findings
        for item in finding.items
    ]
    (tmp_path / "decisions.csv").write_text(to_csv(rows))
    again = candid.audit(
        faces.folder, options=dataclasses.replace(SMALL, decisions=tmp_path / "decisions.csv")
    )
    assert "exact-copies" not in {row.check.code for row in again.found}
    assert again.num_photos < audited.num_photos
    assert again.num_files < audited.num_files
    assert again.decided == tuple(rows)


def test_a_folder_of_nothing_readable_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "x.jpg").write_bytes(b"\xff\xd8\xff no")
    with pytest.raises(DataError, match=r"none of the 1 photos .* can be read; a/x\.jpg: "):
        candid.audit(tmp_path / "data", options=SMALL)


def test_one_class_is_audited_too(tmp_path: Path, write_picture: Callable[..., Path]) -> None:
    for number in range(3):
        write_picture(tmp_path / "data" / "a" / f"{number}.png", seed=number)
    result = candid.audit(tmp_path / "data", options=SMALL)
    by_code = {row.check.code: row.outcome.status for row in result.checked}
    assert by_code["label-suspects"] == "not applicable"
    assert by_code["shortcuts"] == "not applicable"


def test_a_folder_with_its_own_parts_is_audited(
    tmp_path: Path, write_picture: Callable[..., Path]
) -> None:
    for number in range(6):
        for part, label in (("Training", "a"), ("Training", "b"), ("test_set", "a")):
            seed = number if part == "Training" else 100 + number * (number > 1)
            seed += 50 * (label == "b")
            write_picture(tmp_path / "data" / part / label / f"{number}.png", seed=seed)
    shared = write_picture(tmp_path / "data" / "test_set" / "a" / "again.png", seed=3)
    result = candid.audit(tmp_path / "data", options=SMALL)
    assert result.parts == ("Training", "test_set")
    assert [row.name for row in result.classes] == ["a", "b"]
    across = next(row for row in result.found if row.check.code == "across-parts")
    paths = {item.path for finding in across.outcome.findings for item in finding.items}
    assert paths == {"Training/a/3.png", shared.relative_to(tmp_path / "data").as_posix()}


CONTENTS = {"a/1": "x", "a/2": "x", "a/3": "y"}
COPIES = Finding("copies", (Item("a/1"), Item("a/2")))
OTHER = Finding("other", (Item("a/3"),))
TWO_FINDINGS = Outcome.from_findings("2 things", [COPIES, OTHER])


def keep(*paths: str, code: str = "blank", severity: str = "warning") -> Outcome:
    kept = {(path, CONTENTS[path], code) for path in paths}
    return without_kept(make_check(severity=severity), TWO_FINDINGS, CONTENTS, kept)


def test_a_finding_goes_when_all_of_its_files_are_kept() -> None:
    outcome = keep("a/1", "a/2")
    assert outcome.findings == (OTHER,)
    assert outcome.summary == "2 things; 1 of 2 findings kept by decision"


@pytest.mark.parametrize("paths", [(), ("a/1",), ("a/2",)])
def test_it_stays_while_one_is_undecided_though_the_bytes_are_the_same(
    paths: tuple[str, ...],
) -> None:
    assert keep(*paths) == TWO_FINDINGS


def test_nothing_left_is_clean_and_says_why() -> None:
    outcome = keep("a/1", "a/2", "a/3")
    assert (outcome.status, outcome.findings) == ("clean", ())
    assert outcome.summary == "2 findings kept by decision"


def test_decisions_about_another_check_keep_nothing() -> None:
    assert keep("a/1", "a/2", "a/3", code="dark") == TWO_FINDINGS


def test_an_error_is_reported_for_as_long_as_it_is_there() -> None:
    assert keep("a/1", "a/2", "a/3", severity="error") == TWO_FINDINGS


def test_a_finding_about_no_file_can_not_be_kept() -> None:
    outcome = Outcome.from_findings("all", [Finding("most are dark")])
    assert without_kept(make_check(), outcome, {}, {("", "", "blank")}) == outcome


def test_a_finding_about_all_photos_is_kept_by_its_own_row() -> None:
    size = Finding("file size alone: 0.9", about="*: file size")
    outcome = Outcome.from_findings("two", [size, Finding("colour", about="*: colour")])
    left = without_kept(make_check(), outcome, {}, {("*: file size", "", "blank")})
    assert [finding.about for finding in left.findings] == ["*: colour"]
    assert left.num_kept == 1
    both = {(about, "", "blank") for about in ("*: file size", "*: colour")}
    assert without_kept(make_check(), outcome, {}, both).status == "clean"
    assert without_kept(make_check(), outcome, {}, {("*: colour", "", "dark")}) == outcome
