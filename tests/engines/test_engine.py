"""What an engine is asked for, and the one of this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from candid.auditing.audit import AuditOptions
from candid.core import extras
from candid.core.progress import Silent
from candid.data.location import Stamp
from candid.engines import Local, Row, open_engine
from candid.errors import CandidError, DependencyError, ImageError, UsageError
from candid.evaluation.evaluate import evaluate_run
from candid.training import Run, TrainOptions


@dataclass(frozen=True)
class Broken:
    """Bytes that can't be read."""

    address: str
    error: type[OSError] = OSError

    def stamp(self) -> Stamp | None:
        return None

    def read(self, most: int) -> bytes:
        raise self.error(5, f"Input/output error of {most} bytes")


def measure(key: str, content: object) -> int:
    if key == "odd":
        raise ImageError("damaged header")
    return len(bytes(content))  # type: ignore[call-overload]


def test_every_photo_has_one_row_in_order_with_the_class_of_its_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"four")
    items = [
        ("file", tmp_path / "file"),
        ("odd", b"x"),
        ("bytes", b"three"),
        ("gone", tmp_path / "gone"),
        ("flaky", Broken("s3://x/y")),
    ]
    rows = list(Local().map(measure, items))
    assert rows == [
        Row("file", 4),
        Row("odd", None, "decode", "damaged header"),
        Row("bytes", 5),
        Row("gone", None, "decode", "no such file"),
        Row("flaky", None, "read", "can't be read: Input/output error of 536870913 bytes"),
    ]
    assert [row.status for row in rows] == ["ok", "failed", "ok", "failed", "failed"]


@pytest.mark.parametrize("name", ["Ray", "ray://", "ray://host", "ray:10001", "dask", ""])
@pytest.mark.parametrize(
    "door",
    [
        lambda name: TrainOptions(engine=name),
        lambda name: AuditOptions(engine=name),
        lambda name: evaluate_run("no-run", engine=name),
        lambda name: open_engine(name, Silent()).__enter__(),
    ],
)
def test_an_engine_that_does_not_exist_is_refused(name: str, door: Callable[[str], object]) -> None:
    with pytest.raises(UsageError, match=r"must be local, ray, or ray://host:port"):
        door(name)


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=r'pip install "candid-image\[ray\]"'):
        TrainOptions(engine="ray://host:10001")
    TrainOptions(engine="local")


def test_a_command_names_the_engines_in_one_line(candid: Callable[..., object]) -> None:
    done = candid("predict", "photo.jpg", "--engine", "spark")
    assert done.returncode == 2  # type: ignore[attr-defined]
    assert done.stderr.count("\n") == 1  # type: ignore[attr-defined]


def test_ray_is_never_imported_where_it_is_not_asked_for(trained: Run, tmp_path: Path) -> None:
    code = (
        "import sys; from candid.cli.main import main\n"
        f"sys.argv = ['candid', 'predict', {str(tmp_path)!r}, '--run', {str(trained.folder)!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('ray' in sys.modules, 'candid.engines.engine' in sys.modules)"
    )
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(b"no photo")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False True"


class TestStopping:
    def test_decoding_that_fails_never_ends_a_run(self) -> None:
        from candid.engines.flow import Tally, watched

        rows = [Row(str(n), None, "decode", "truncated") for n in range(300)]
        assert list(watched(iter(rows), Tally())) == rows

    def test_some_reads_that_fail_end_no_run_but_half_of_the_latest_do(self) -> None:
        from candid.engines.flow import Tally, watched

        some = [Row(str(n), None, "read" if n % 3 else "", "timed out") for n in range(30)]
        few = [Row(str(n), None, "" if n % 3 else "read", "timed out") for n in range(3000)]
        assert len(list(watched(iter(few + some), Tally()))) == 3030
        many = [Row(str(n), None, "read", "timed out") for n in range(100)]
        with pytest.raises(CandidError, match="51 of the latest 100 photos could not be read"):
            list(watched(iter(few[:100] + many), Tally()))
