"""A run of the recipe ``cnn``."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.checkpoint import Checkpoints
from candid.data import Prepared
from candid.evaluation.assessing import Ground, Learnt, assess
from candid.evaluation.figures import proportion
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.unpaired import unpaired_tax
from candid.images import decode, read_file
from candid.model import Model
from candid.outputs import Outputs
from candid.owned_folder import scratch_folder
from candid.progress import Progress
from candid.recipes import Trained, cnn
from candid.recipes.abstaining_head import Answers
from candid.recipes.finishing import finish
from candid.split import PARTS, Split
from candid.training.options import TrainOptions
from candid.training.random_split import deal_at_random
from candid.training.result import Result

_SCRATCH = "candid-tax-"
_AT_ONCE = 16  # decoded pictures in memory


def train_cnn(
    prepared: Prepared, dealt: Split, options: TrainOptions, folder: Path, progress: Progress
) -> Result:
    """Train the network on the train part, calibrate it on val, measure it on test."""
    ground = Ground(prepared.features, dealt, options.rule, options.split.seed)
    checkpoints = Checkpoints(folder.parent)
    train = partial(_train, prepared, options=options, progress=progress, checkpoints=checkpoints)
    trained = train(dealt, folder=folder)
    said = _Said(prepared, trained)
    data = ground.data
    learnt_from, held_out = dealt.places("train"), dealt.places("val")
    seen = said.of(learnt_from)
    finished = finish(
        trained.model,
        (seen, data.labels[learnt_from]),
        (said.of(held_out), data.labels[held_out], data.units[held_out]),
    )
    raw = said.of(dealt.places("test")).probabilities
    final = _Said(prepared, replace(trained, model=finished.model)).of(dealt.places("test"))
    answers = Answers(final.probabilities, raw, None, None)
    if finished.abstention is not None and final.novelty is not None:
        answers = replace(
            answers,
            possible=finished.abstention.possible(final.probabilities),
            familiarity=finished.abstention.familiarity(final.novelty),
        )
    learnt = Learnt(finished.temperature, finished.abstention, None)
    # A training that was broken off is not held against one that was not.
    taxed = options.leak_tax and trained.complete
    tax = _leak_tax(ground, answers, prepared, options, train, progress) if taxed else None
    checkpoints.mark_spent(folder)
    settings = {**trained.settings, "temperature": finished.temperature}
    trained = replace(trained, model=finished.model, settings=settings)
    assessed = assess(ground, answers, learnt, progress=progress, leak_tax=tax)
    return Result(trained, learnt, assessed, learnt_from, seen.embedding)


def _train(
    prepared: Prepared,
    dealt: Split,
    *,
    folder: Path,
    options: TrainOptions,
    progress: Progress,
    checkpoints: Checkpoints,
) -> Trained:
    return cnn.train(
        prepared.catalog,
        dealt,
        folder=folder,
        epochs=options.epochs,
        seed=options.split.seed,
        progress=progress,
        checkpoints=checkpoints,
    )


class _Said:
    """What a trained network says of photos of the catalog."""

    def __init__(self, prepared: Prepared, trained: Trained) -> None:
        self._catalog = prepared.catalog
        self._contract = trained.contract
        self._model = Model(trained.model, prepared.catalog.classes, trained.contract)

    def of(self, places: NDArray[np.int64]) -> Outputs:
        """Run it on photos, a few at a time."""
        parts = [self._some(places[i : i + _AT_ONCE]) for i in range(0, len(places), _AT_ONCE)]
        if not parts:
            nothing = np.empty((0, len(self._catalog.classes)), np.float32)
            return Outputs(nothing, np.empty((0, 0), np.float32))
        novelty = [part.novelty for part in parts if part.novelty is not None]
        return Outputs(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.embedding for part in parts]),
            np.concatenate(novelty) if novelty else None,
        )

    def _some(self, places: NDArray[np.int64]) -> Outputs:
        def see(place: np.int64) -> NDArray[np.uint8]:
            file = self._catalog.file(self._catalog.photos[place])
            return decode(read_file(file), self._contract)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return self._model.run(np.stack(list(pool.map(see, places))))


def _leak_tax(
    ground: Ground,
    honest: Answers,
    prepared: Prepared,
    options: TrainOptions,
    train: Callable[..., Trained],
    progress: Progress,
) -> LeakTax | None:
    """Train a second time, on photos dealt one by one, and hold both test parts together."""
    data, placed = ground.data, ground.dealt.places(*PARTS)
    num_copies = len(placed) - len(np.unique(data.units[placed]))
    if not num_copies:
        return None
    dealt = deal_at_random(ground.dealt, seed=options.split.seed)
    with scratch_folder(_SCRATCH) as scratch:
        trained = train(dealt, folder=scratch)
    if not trained.complete:
        progress.say("the second training was broken off, so there is no leak tax")
        return None
    tested, naive_tested = ground.dealt.places("test"), dealt.places("test")
    claimed = _Said(prepared, trained).of(naive_tested).probabilities

    def hits(places: NDArray[np.int64], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        # Of the likeliest class on both sides, whatever the rule is.
        return np.asarray(probabilities.argmax(axis=1) == data.labels[places], np.bool_)

    return unpaired_tax(
        proportion(hits(naive_tested, claimed), data.units[naive_tested]),
        proportion(hits(tested, honest.probabilities), data.units[tested]),
        estimate="test part",
        num_copies=num_copies,
        num_images=len(placed),
    )
