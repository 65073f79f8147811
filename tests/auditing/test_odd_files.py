"""Test images of other projects as two classes: every file is reported, without output."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from candid.auditing.checks.encoding import ANIMATION, COLOUR_MODE, EXIF_ROTATION
from candid.auditing.checks.files import OTHER_FILES, TRUNCATED, UNREADABLE, WRONG_SUFFIX
from candid.auditing.finding import Outcome

ODD = Path(__file__).parents[3] / "shared" / "odd_images"
needs_odd_images = pytest.mark.skipif(not ODD.is_dir(), reason=f"{ODD} is not here")

CHECKS = (
    UNREADABLE,
    TRUNCATED,
    OTHER_FILES,
    WRONG_SUFFIX,
    ANIMATION,
    EXIF_ROTATION,
    COLOUR_MODE,
)
ACCOUNTS = (UNREADABLE, TRUNCATED, OTHER_FILES)


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """Links to the files under different names, alternating between two classes."""
    for number, file in enumerate(sorted(path for path in ODD.rglob("*") if path.is_file())):
        link = tmp_path / "data" / ("even", "odd")[number % 2] / f"{number:03} {file.name}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return tmp_path / "data"


def paths_of(outcome: Outcome) -> list[str]:
    return [item.path for finding in outcome.findings for item in finding.items]


@needs_odd_images
def test_every_odd_file_is_a_photo_or_reported_by_exactly_one_check(
    gather, odd_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evidence = gather(odd_folder)
    outcomes = {check.code: check.run(evidence) for check in CHECKS}
    readable = [photo.path for photo in evidence.photos]
    left_out = [path for check in ACCOUNTS for path in paths_of(outcomes[check.code])]
    files = [path.relative_to(odd_folder).as_posix() for path in odd_folder.glob("*/*")]
    assert len(files) == 598
    assert Counter(readable + left_out) == Counter(files)
    assert len(readable) > 490
    assert all(evidence.properties_of(photo) is not None for photo in evidence.photos)
    assert {code: outcome.status for code, outcome in outcomes.items()} == {
        **dict.fromkeys((check.code for check in CHECKS), "found"),
        "wrong-suffix": "clean",
    }
    for outcome in outcomes.values():
        lines = [outcome.summary, *(finding.summary for finding in outcome.findings)]
        assert not any("\n" in line for line in lines)
    assert capfd.readouterr() == ("", "")


@needs_odd_images
def test_what_is_known_of_odd_files_is_found(gather, odd_folder: Path) -> None:
    evidence = gather(odd_folder)
    turned = paths_of(EXIF_ROTATION.run(evidence))
    assert sum("Landscape_" in path or "Portrait_" in path for path in turned) == 14
    moving = paths_of(ANIMATION.run(evidence))
    for name in ("apng__ball.png", "any-disposal.gif", "extended_images__anim.webp"):
        assert any(path.endswith(name) for path in moving), name
    # Its single frames, beside it, do not move.
    assert not any("anim_0" in path for path in moving)
    modes = {item.note for f in COLOUR_MODE.run(evidence).findings for item in f.items}
    assert modes >= {f"stored as {mode}" for mode in ("P", "RGBA", "L", "1", "CMYK", "I;16")}
    assert modes >= {f"stored as {mode}" for mode in ("RGB;16", "RGBA;16", "LA;16", "YCbCr")}


MEASURE_FOLDER = """
import sys
from candid.features.properties import measure
from candid.core.cache import Cache
from candid.data.scan import scan
with Cache(None) as cache:
    print(len(measure(scan(sys.argv[1], to_train=False), cache=cache)))
"""


@needs_odd_images
def test_measuring_odd_files_prints_nothing(odd_folder: Path) -> None:
    command = [sys.executable, "-W", "always", "-c", MEASURE_FOLDER, str(odd_folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert int(done.stdout) > 400
