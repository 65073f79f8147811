"""Faults in the middle of runs on Ray: is each result that of a run without any?

    python benchmarks/faults.py [--runs 20] [--kinds worker node storage] [--photos 200]

Two nodes of one core each are started on this machine. In each run a drawn set is embedded, with an
empty cache, and predicted. In the middle, once two workers are busy, a fault of its kind happens: a
worker is killed (SIGKILL), or the second node; or one read in ten fails from the start. Embeddings,
colours, thumbnails and predictions are compared with those of this process. One line a run; exits
with 1 if one differs.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from candid.cli.demo import draw_sample
from candid.core.cache import Cache
from candid.core.progress import Silent
from candid.data.catalog import scan
from candid.data.file_reader import FileReader
from candid.data.location import Stamp
from candid.engines import Engine, Local, Row, open_engine
from candid.engines.engine import Item, Work
from candid.runs.classifier import Classifier, load
from candid.splits.prepare import extract_catalog
from candid.training import TrainOptions, train

BACKBONE = "efficientnet-lite0"
KINDS = ("worker", "node", "storage")
STORE = {"object_store_memory": 128 * 1024**2}


def main() -> None:
    """Start the nodes, and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["CANDID_CACHE"] = f"{scratch}/cache"
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
        folder = draw_sample(Path(scratch) / "faces", num_images=args.photos).folder
        options = TrainOptions(backbone=BACKBONE)
        classifier = load(train(folder, run=Path(scratch) / "run", options=options).folder)
        expected = work(folder, classifier, Local())
        nodes = Nodes()
        num_same = 0
        try:
            jobs = [(kind, number) for number in range(args.runs) for kind in args.kinds]
            for kind, number in jobs:
                rng = random.Random(f"{args.seed} {kind} {number}")
                num_same += run(kind, number, folder, classifier, expected, nodes, rng)
        finally:
            nodes.end()
    print(f"{num_same} of {len(jobs)} results are identical")
    sys.exit(num_same < len(jobs))


class Nodes:
    """A head and a second node, which can be lost."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "include_dashboard": False} | STORE
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        os.environ["RAY_ADDRESS"] = self._cluster.address
        self.add()

    def add(self) -> None:
        """Start the second node."""
        self._second = self._cluster.add_node(num_cpus=1, **STORE)

    def lose(self) -> None:
        """Kill the second node with all on it."""
        self._cluster.remove_node(self._second, allow_graceful=False)

    def end(self) -> None:
        """Stop all of it."""
        self._cluster.shutdown()


def workers() -> list[psutil.Process]:
    """The processes of this benchmark's actors."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] and "_Actor" in process.cmdline()[0]:
                found.append(process)
        except psutil.Error:  # it ended meanwhile
            continue
    return found


@dataclass(frozen=True)
class FailingFile:
    """A file of which one read in ten fails."""

    address: str

    def stamp(self) -> Stamp | None:
        """Unknown."""
        return None

    def read(self, most: int) -> bytes:
        """Its bytes, or an error."""
        if random.random() < 0.1:
            raise TimeoutError(110, "the storage did not answer")
        with Path(self.address).open("rb") as file:
            return file.read(most)


@dataclass
class Injecting:
    """An engine in whose middle a fault happens."""

    engine: Engine
    kind: str
    nodes: Nodes
    rng: random.Random
    done: list[str] = field(default_factory=list)

    def map(
        self, work: Work[Any], items: Iterable[Item], *, reader: FileReader | None = None, **_: Any
    ) -> Iterator[Row[Any]]:
        """Rows as of the engine; the fault comes once all workers are at work."""
        items = list(items)
        if self.kind == "storage":
            self.done.append("one read in ten")
            items = [(key, FailingFile(str(path))) for key, path in items]
        wait = self.rng.uniform(0.1, 0.5)
        for number, row in enumerate(self.engine.map(work, items, reader=reader)):
            yield row
            if number < wait * len(items) or len(self.done) or len(workers()) < 2:
                continue
            if self.kind == "worker":
                victim = self.rng.choice(workers())
                victim.kill()
                self.done.append(f"killed {victim.pid} after {number} photos")
            if self.kind == "node":
                self.nodes.lose()
                self.done.append(f"node lost after {number} photos")


class Told(Silent):
    """Remembers what was tried again."""

    line = "nothing was tried again"

    def say(self, line: str) -> None:
        """Remember a line."""
        self.line = line


def run(
    kind: str,
    number: int,
    folder: Path,
    classifier: Classifier,
    expected: dict[str, Any],
    nodes: Nodes,
    rng: random.Random,
) -> bool:
    """One run with a fault; whether the result is that of a run without."""
    told, begun = Told(), time.monotonic()
    with open_engine("ray", told) as engine:
        injecting = Injecting(engine, kind, nodes, rng)
        is_same = equal(work(folder, classifier, injecting), expected)
    if kind == "node" and injecting.done:
        nodes.add()
    verdict = "identical" if is_same else "DIFFERS"
    fault = injecting.done[0] if injecting.done else "no fault: it was too fast"
    seconds = time.monotonic() - begun
    print(f"{kind:7} {number:2}  {verdict}  {seconds:4.0f} s  {fault}; {told.line}", flush=True)
    return is_same and bool(injecting.done)


def work(folder: Path, classifier: Classifier, engine: Engine) -> dict[str, Any]:
    """Embed all photos, with an empty cache, and predict them."""
    catalog = scan(folder)
    with Cache(None) as cache:
        features = extract_catalog(catalog, backbone=BACKBONE, cache=cache, engine=engine)
        contents = [photo.content for photo in features.catalog.photos]
        thumbnails = features.thumbnails.get(contents)
    files = [folder / photo.path for photo in catalog.photos]
    answers = [prediction.to_json() for prediction in classifier.stream(files, engine=engine)]
    return {
        "paths": [photo.path for photo in features.catalog.photos],
        "skipped": sorted(map(str, features.catalog.skipped)),
        "embeddings": features.embeddings,
        "colours": features.colours,
        "thumbnails": thumbnails,
        "answers": [{**answer, "path": ""} for answer in answers],
    }


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether all is the same to the last bit."""
    return all(
        np.array_equal(value, other[name])
        if isinstance(value, np.ndarray)
        else value == other[name]
        for name, value in one.items()
    )


if __name__ == "__main__":
    main()
