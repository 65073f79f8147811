"""A run of the recipe ``cnn``.

The split that everybody else makes: photos dealt one by one, copies wherever they fall.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Progress
from candid.core.temp_dir import temp_dir
from candid.data.images import decode, read_file
from candid.evaluation.assess import EvalContext, FittedState, assess
from candid.evaluation.estimate import proportion
from candid.evaluation.leak_tax import LeakTax, unpaired_tax
from candid.models.checkpoint import Checkpoints
from candid.models.outputs import Outputs
from candid.models.recipes import Trained, cnn
from candid.models.recipes.abstaining_head import Answers
from candid.models.recipes.cnn import fit_posthoc
from candid.runs.onnx_session import Model
from candid.splits.grouped_split import count_by_group, split_groups
from candid.splits.prepare import Prepared
from candid.splits.split import PARTS, SHARES, Split
from candid.training.options import Result, TrainOptions


def random_split(dealt: Split, *, seed: int) -> Split:
    """Deal the photos of a split anew, one by one, 70 / 20 / 10 and stratified.

    Args:
        dealt: A split whose parts keep copies together.
        seed: Another seed, another deal.

    Returns:
        The same rows; those that are in no part stay out.
    """
    places = dealt.places(*PARTS)
    names = sorted({dealt.rows[place].label for place in places})
    labels = np.array([names.index(dealt.rows[place].label) for place in places], np.int64)
    units = np.arange(len(places))
    keys = [f"{dealt.rows[place].content}:{dealt.rows[place].path}" for place in places]
    parts = split_groups(count_by_group(labels, units), keys, SHARES, seed=seed)
    rows = list(dealt.rows)
    for place, part in zip(places, parts, strict=True):
        rows[place] = replace(rows[place], part=PARTS[part])
    return replace(dealt, rows=tuple(rows))


_SCRATCH = "candid-tax-"
_AT_ONCE = 16  # decoded pictures in memory


def train_cnn(
    prepared: Prepared, dealt: Split, options: TrainOptions, folder: Path, progress: Progress
) -> Result:
    """Train the network on the train part, calibrate it on val, measure it on test."""
    ground = EvalContext(prepared.features, dealt, options.rule, options.split.seed)
    checkpoints = Checkpoints(folder.parent)
    train = partial(_train, prepared, options=options, progress=progress, checkpoints=checkpoints)
    trained = train(dealt, folder=folder)
    said = _Said(prepared, trained)
    data = ground.data
    learnt_from, held_out = dealt.places("train"), dealt.places("val")
    seen = said.of(learnt_from)
    finished = fit_posthoc(
        trained.model,
        (seen, data.labels[learnt_from]),
        (said.of(held_out), data.labels[held_out], data.groups[held_out]),
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
    learnt = FittedState(finished.temperature, finished.abstention, None)
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
    ground: EvalContext,
    honest: Answers,
    prepared: Prepared,
    options: TrainOptions,
    train: Callable[..., Trained],
    progress: Progress,
) -> LeakTax | None:
    """Train a second time, on photos dealt one by one, and hold both test parts together."""
    data, placed = ground.data, ground.dealt.places(*PARTS)
    num_copies = len(placed) - len(np.unique(data.groups[placed]))
    if not num_copies:
        return None
    dealt = random_split(ground.dealt, seed=options.split.seed)
    with temp_dir(_SCRATCH) as scratch:
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
        proportion(hits(naive_tested, claimed), data.groups[naive_tested]),
        proportion(hits(tested, honest.probabilities), data.groups[tested]),
        estimate="test part",
        num_copies=num_copies,
        num_images=len(placed),
    )
