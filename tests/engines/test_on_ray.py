"""On Ray the results are those of this process, whatever dies on the way.

One cluster of two nodes with one core each serves all tests. Times are generous: others may use
the machine too.
"""

from __future__ import annotations

import csv
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import BACKBONE

from candid.auditing.audit import AuditOptions, audit
from candid.cli.demo import SampleSet
from candid.core.cache import Cache
from candid.core.progress import Advance, Silent
from candid.data.location import Stamp
from candid.engines import Engine, Local, Row, flow, open_engine
from candid.errors import CandidError, DependencyError, ImageError, UsageError
from candid.evaluation.evaluate import evaluate_run
from candid.runs.artifact import PREDICTIONS, SPLIT
from candid.runs.classifier import load
from candid.training import Run, TrainOptions, train

# Where this user has a token, some processes of Ray ask for it by default, and others send none.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
ray = pytest.importorskip("ray", reason="Ray is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = [
    # Ray leaves sockets and processes' pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
_STORE = {"object_store_memory": 100 * 1024**2}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each; the workers take what is defined here by value."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        head = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": port}
        nodes = cluster_utils.Cluster(initialize_head=True, head_node_args=head | _STORE)
        nodes.add_node(num_cpus=1, **_STORE)
        nodes.client = f"ray://127.0.0.1:{port}"
        patch.setenv("RAY_ADDRESS", nodes.address)
        yield nodes
        ray.shutdown()
        nodes.shutdown()


class Said(Silent):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[str] = []

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        self.steps.append(title)
        with super().step(title, total) as advance:
            yield advance

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def engine(cluster: Any, said: Said) -> Iterator[Engine]:
    del cluster
    with open_engine("ray", said) as opened:
        yield opened


@dataclass(frozen=True)
class Sums:
    """A slow sum of bytes, and where it was computed."""

    here: int = 0
    deadly: str = ""

    def __call__(self, key: str, content: object) -> tuple[int, int, str]:
        if key == "odd":
            raise ImageError("damaged header")
        if key == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        return sum(bytes(content)), os.getpid(), node  # type: ignore[call-overload]


def some_items(count: int = 160) -> list[tuple[str, object]]:
    return [("odd" if n == 7 else str(n), bytes([n])) for n in range(count)]


def values(rows: list[Row[tuple[int, int, str]]]) -> list[object]:
    """Rows without the process that made them."""
    return [row._replace(value=row.value and row.value[0]) for row in rows]


def expected(items: list[tuple[str, object]]) -> list[object]:
    return values(list(Local().map(Sums(), items)))


def predictions_of(folder: Path) -> tuple[list[list[str]], np.ndarray]:
    """Words and numbers of predictions.csv."""
    with (folder / PREDICTIONS).open(encoding="utf-8", newline="") as stream:
        head, *rows = csv.reader(stream)
    shares = [n for n, name in enumerate(head) if name.startswith("p(") or name == "familiarity"]
    words = [[cell for n, cell in enumerate(row) if n not in shares] for row in rows]
    return words, np.array([[float(row[n] or "nan") for n in shares] for row in rows])


def test_train_audit_evaluate_and_predict_give_what_the_local_engine_gives(
    cluster: Any,
    faces: SampleSet,
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del cluster
    local = audit(faces.folder, options=AuditOptions(backbone=BACKBONE)).to_json()
    here = evaluate_run(trained.folder).evaluation.to_json()
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "cache"))  # an empty one
    options = TrainOptions(backbone=BACKBONE, engine="ray")
    run = train(faces.folder, run=tmp_path / "run", options=options)
    assert (run.folder / SPLIT).read_bytes() == (trained.folder / SPLIT).read_bytes()
    (words, shares), (local_words, local_shares) = map(predictions_of, (run.folder, trained.folder))
    assert words == local_words
    np.testing.assert_allclose(shares, local_shares, atol=1e-5, rtol=0)
    manifests = [load(one.folder).require_manifest() for one in (run, trained)]
    assert manifests[0].settings == manifests[1].settings

    with Cache(tmp_path / "other") as cache:
        found = audit(
            faces.folder, options=AuditOptions(backbone=BACKBONE, engine="ray"), cache=cache
        )
    assert found.to_json() == local
    assert evaluate_run(trained.folder, engine="ray").evaluation.to_json() == here

    classifier, files = load(trained.folder), sorted(faces.folder.rglob("*.*"))
    with open_engine("ray", Silent()) as engine:
        answers = [p.to_json() for p in classifier.stream(files, engine=engine)]
        with pytest.raises(UsageError, match="explained on this machine only"):
            next(classifier.stream(files, engine=engine, explain=True))
    assert answers == [p.to_json() for p in classifier.stream(files)]
    assert {p["verdict"] for p in answers} >= {"unreadable", "sure"}


def test_a_worker_that_is_killed_changes_no_row_and_is_named_in_one_line(
    cluster: Any, said: Said, capfd: pytest.CaptureFixture[str]
) -> None:
    del cluster
    items = some_items()
    with open_engine("ray", said) as engine:
        stream = engine.map(Sums(), items)
        rows = [next(stream)]
        assert rows[0].value is not None
        os.kill(rows[0].value[1], signal.SIGKILL)
        rows += stream
    assert values(rows) == expected(items)
    assert len({row.value[1] for row in rows if row.value}) >= 2
    (line,) = said.lines
    assert "tried again" in line
    assert line.endswith("of photos, as 1 worker of Ray died; in the end all were read")
    assert said.steps == ["Starting Ray"]
    assert capfd.readouterr().out == ""  # where CSV and JSON go


def test_a_node_that_is_removed_changes_no_row(cluster: Any, engine: Engine, said: Said) -> None:
    lost = cluster.add_node(num_cpus=1, **_STORE)
    is_removed, items = False, some_items()

    def until_removed() -> Iterator[tuple[str, object]]:
        while not is_removed:
            yield from items
        yield from items

    rows: list[Row[tuple[int, int, str]]] = []
    for row in engine.map(Sums(), until_removed()):
        rows.append(row)
        if not is_removed and row.value and row.value[2] == lost.node_id:
            cluster.remove_node(lost, allow_graceful=False)
            is_removed = True
    assert len(rows) % len(items) == 0
    assert values(rows) == expected(items) * (len(rows) // len(items))
    engine.say_what_was_tried_again()  # type: ignore[attr-defined]
    (line,) = said.lines
    assert "of photos, as 1 worker of Ray died" in line


@dataclass(frozen=True)
class Flaky:
    """Bytes whose first read fails."""

    address: str
    data: bytes
    marks: Path
    fails: int = 1

    def stamp(self) -> Stamp | None:
        return None

    def read(self, most: int) -> bytes:
        for number in range(self.fails):
            mark = self.marks / f"{Path(self.address).name}-{number}"
            if not mark.exists():
                mark.touch()
                raise TimeoutError(110, "timed out")
        return self.data[:most]


def test_reads_that_fail_are_tried_again_where_locations_are_read(
    engine: Engine, said: Said, tmp_path: Path
) -> None:
    items = some_items()
    flaky: list[tuple[str, object]] = [
        (key, Flaky(f"s3://photos/{n}", bytes(content), tmp_path, fails=n % 10 == 0))  # type: ignore[call-overload]
        for n, (key, content) in enumerate(items)
    ]
    flaky += [
        ("down", Flaky("s3://photos/down", b"", tmp_path, fails=100)),
        ("empty", Flaky("s3://photos/e", b"", tmp_path, fails=0)),
    ]
    rows = list(engine.map(Sums(), flaky))
    assert values(rows[:-2]) == expected(items)
    assert rows[-2:] == [
        Row("down", None, "read", "can't be read: timed out"),
        Row("empty", None, "decode", "empty file"),
    ]
    assert len(list(tmp_path.glob("down-*"))) == flow._READ_TRIES
    engine.say_what_was_tried_again()  # type: ignore[attr-defined]
    assert said.lines == [
        f"tried again: {16 + flow._READ_TRIES - 1} reads; in the end 1 photo could not be read"
    ]


def test_a_photo_that_kills_its_worker_is_one_row_and_the_others_are_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_BATCH_TRIES", 1)
    items = some_items(40)
    rows = list(engine.map(Sums(deadly="20"), items))
    assert rows[20] == Row("20", None, "worker", "the process that read it died, 1 times")
    assert values(rows[:20] + rows[21:]) == expected(items[:20] + items[21:])


def test_what_is_in_flight_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_AHEAD", 1)
    num_read = 0

    def watched() -> Iterator[tuple[str, object]]:
        nonlocal num_read
        for num_read, item in enumerate(some_items(250) * 4):  # noqa: B007
            yield item

    stream = engine.map(Sums(), watched())
    next(stream)
    assert num_read < 200
    stream.close()  # type: ignore[attr-defined]
    assert values(list(engine.map(Sums(), some_items(20)))) == expected(some_items(20))


def test_workers_of_another_version_are_refused_in_one_line(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "__version__", "99.0")
    with pytest.raises(DependencyError, match=r"Ray's workers have Candid .*, this is 99\.0"):
        list(engine.map(Sums(), some_items(20)))


def faulty(key: str, content: object) -> None:
    """Raise what no photo is to blame for."""
    raise CandidError(f"the graph is another one: {key}, {content}")


def test_a_fault_of_the_work_itself_ends_the_run_as_it_does_locally(engine: Engine) -> None:
    for one in (engine, Local()):
        with pytest.raises(CandidError, match="the graph is another one"):
            list(one.map(faulty, some_items(20)))


def test_a_client_of_a_cluster_elsewhere_gets_the_same_rows(cluster: Any, said: Said) -> None:
    items = some_items(40)
    with open_engine(cluster.client, said) as engine:
        assert values(list(engine.map(Sums(), items))) == expected(items)


def test_a_cluster_that_does_not_answer_is_named_in_one_line(said: Said) -> None:
    with (
        pytest.raises(UsageError, match=r"no Ray cluster answers at ray://127.0.0.1:9:"),
        open_engine("ray://127.0.0.1:9", said) as engine,
    ):
        list(engine.map(Sums(), some_items(2)))
