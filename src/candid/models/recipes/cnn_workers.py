"""The recipe ``cnn`` on the nodes of a Ray cluster.

Ray Train starts a worker on each node, and all of them anew when one is lost; TensorFlow's
`MultiWorkerMirroredStrategy` sums their gradients. A worker decodes and keeps its share of the
photos. After each epoch the first one hands its state to a keeper beside this process, so that only
this process writes files, and a new start goes on after the last epoch.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Advance, Silent
from candid.core.temp_dir import mapped_array
from candid.core.text import first_line, plural
from candid.core.threads import map_ahead
from candid.data.images import PixelContract, decode, read_file
from candid.data.location import Location, PhotoFile
from candid.errors import CandidError
from candid.models.checkpoint import Checkpoint, Snapshot

_MOST_STARTS: Final = 5
_LOOK_EVERY_S: Final = 0.2
_SHIPPED_TOGETHER: Final = 256  # photos
_SCRATCH: Final = "candid-cnn-"


@dataclass(frozen=True)
class Job:
    """What the workers train on; the fields of `Photos`, and of `Training`.

    Attributes:
        files: Where the photo of each place in train and val is.
    """

    files: dict[int, PhotoFile]
    contract: PixelContract
    labels: NDArray[np.int32]
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    num_classes: int
    dtype: str


class _Keeper:
    """Holds the state after the last epoch."""

    def __init__(self, latest: Snapshot | None) -> None:
        self._latest = latest

    def write(self, snapshot: Snapshot) -> None:
        """Take the state after an epoch."""
        self._latest = snapshot

    def read(self, num_epochs: int = 0) -> Snapshot | None:
        """The state, if more epochs than these are done."""
        latest = self._latest
        return None if latest is None or len(latest.history) <= num_epochs else latest


def run_on_workers(
    job: Job, options: dict[str, Any], snapshot: Snapshot | None, advance: Advance
) -> Iterator[Snapshot]:
    """Run the epochs after a snapshot on all nodes of the cluster that this process is part of.

    Args:
        job: What is trained on.
        options: Of `cnn_keras.Loop`.
        snapshot: The state to begin with.
        advance: Progress callback.

    Yields:
        The state after epochs; where several end at once, after the last of them.

    Raises:
        CandidError: Workers failed again and again.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    num_nodes = sum(node["Alive"] and "CPU" in node["Resources"] for node in ray.nodes())
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    keeper = ray.remote(num_cpus=0, scheduling_strategy=here)(_Keeper).remote(snapshot)
    shares = [list(_ship(job, rank, num_nodes)) for rank in range(num_nodes)]
    facts = {"job": replace(job, files={}), "options": options, "keeper": keeper, "shares": shares}
    steps = -(-len(job.train) // options["batch_size"])
    num_done = 0 if snapshot is None else len(snapshot.history)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_start, facts, num_nodes)
        try:
            is_running = True
            while is_running:
                is_running = not running.done()
                found: Snapshot | None = ray.get(keeper.read.remote(num_done))
                if found is not None:
                    advance((len(found.history) - num_done) * steps)
                    num_done = len(found.history)
                    yield found
                elif is_running:
                    time.sleep(_LOOK_EVERY_S)
            running.result()
        except KeyboardInterrupt:
            ray.shutdown()  # which ends the workers
            raise


def _ship(job: Job, rank: int, num_workers: int) -> Iterator[Any]:
    """References to the share of a worker: bytes of files, and locations, which it reads itself."""
    import ray

    own = [place for place in job.files if place % num_workers == rank]
    for start in range(0, len(own), _SHIPPED_TOGETHER):
        places = own[start : start + _SHIPPED_TOGETHER]
        yield ray.put([(place, _shipped(job.files[place])) for place in places])


def _shipped(file: PhotoFile) -> bytes | Location:
    return file if isinstance(file, Location) else read_file(file)


def _start(facts: dict[str, Any], num_workers: int) -> None:
    """Start the workers, and again where one is lost, until all epochs are done."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as folder:
        try:
            TensorflowTrainer(
                _work,
                train_loop_config=facts,
                scaling_config=ScalingConfig(
                    num_workers=num_workers, placement_strategy="SPREAD", use_gpu=_has_gpus()
                ),
                run_config=RunConfig(
                    storage_path=folder, failure_config=FailureConfig(max_failures=_MOST_STARTS - 1)
                ),
            ).fit()
        except Exception as error:  # Ray Train wraps what a worker raises in errors of its own
            what = plural(num_workers, "worker")
            raise CandidError(
                f"{what} failed {_MOST_STARTS} times: {first_line(error)}. The epochs that ended "
                "are kept: run the same command again to go on."
            ) from error


def _has_gpus() -> bool:
    import ray

    return bool(ray.cluster_resources().get("GPU"))


def _work(facts: dict[str, Any]) -> None:
    """What a worker does: decode its share, and train beside the others."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import ray
    import ray.train

    from candid.models.recipes.cnn_keras import Loop, Photos, Training, run_epochs

    job: Job = facts["job"]
    is_first = ray.train.get_context().get_world_rank() == 0
    share = facts["shares"][ray.train.get_context().get_world_rank()]
    snapshot = ray.get(facts["keeper"].read.remote())
    training = Training(job.num_classes, seed=facts["options"]["seed"], dtype=job.dtype)
    if snapshot is not None:
        training.restore(snapshot)
    num_shares = len(facts["shares"])
    num_own = -(-len(job.labels) // num_shares)
    shape = (num_own, job.contract.size_px, job.contract.size_px, 3)
    with mapped_array(_SCRATCH, np.uint8, shape) as pixels:

        def load(shipped: tuple[int, bytes | Location]) -> None:
            place, data = shipped
            data = data if isinstance(data, bytes) else read_file(data)
            pixels[place // num_shares] = decode(data, job.contract)

        for reference in share:
            for _ in map_ahead(load, ray.get(reference)):
                pass
        photos = Photos(pixels, job.labels, job.train, job.val, num_shares)
        loop = Loop(**facts["options"], checkpoint=Checkpoint(None, print), progress=Silent())
        for made in run_epochs(training, photos, loop, snapshot, lambda _: None):
            if is_first:
                ray.get(facts["keeper"].write.remote(made))
