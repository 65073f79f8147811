"""The recipe ``cnn``: train on the train part, calibrate on val, evaluate on test.

With the option ``leak_tax`` the network is trained a second time, on a random split of single
photos, to measure how much accuracy copies on both sides of a split pretend.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Progress
from candid.core.temp_dir import temp_dir
from candid.data.catalog import PARTS
from candid.data.images import decode, read_file
from candid.evaluation.assess import EvalContext, FittedState, assess
from candid.evaluation.estimate import Estimate, proportion
from candid.evaluation.leak_tax import LeakTax, unpaired_tax
from candid.models.checkpoint import Checkpoints
from candid.models.conformal import Abstention
from candid.models.outputs import Outputs
from candid.models.recipes import Trained, cnn
from candid.models.recipes.abstaining_head import Answers
from candid.runs.onnx_session import Model
from candid.splits.grouped_split import SHARES, count_by_group, split_groups
from candid.splits.prepare import Prepared
from candid.splits.split import Split
from candid.training.options import Result, TrainOptions

_TEMP_PREFIX: Final = "candid-tax-"
_BATCH: Final = 16  # decoded photos in memory


def train_cnn(
    prepared: Prepared, split: Split, options: TrainOptions, folder: Path, progress: Progress
) -> Result:
    """Train, calibrate and evaluate the network; Keras writes its own files to ``folder``."""
    context = EvalContext(prepared.features, split, options.rule, options.split.seed)
    data, train_places, val_places = context.data, split.places("train"), split.places("val")
    checkpoints = Checkpoints(folder.parent)
    train = partial(
        cnn.train,
        prepared.catalog,
        epochs=options.epochs,
        seed=options.split.seed,
        reading=prepared.features.contract,
        progress=progress,
        checkpoints=checkpoints,
    )
    trained = train(split, folder=folder)
    network = _Network(prepared, trained)
    outputs = network.run(train_places)
    posthoc = cnn.fit_posthoc(
        trained.model,
        (outputs, data.labels[train_places]),
        (network.run(val_places), data.labels[val_places], data.groups[val_places]),
    )
    settings = {**trained.settings, "temperature": posthoc.temperature}
    calibrated = replace(trained, model=posthoc.model, settings=settings)
    fitted = FittedState(posthoc.temperature, posthoc.abstention, None)
    answers = _answer_test(split, network, _Network(prepared, calibrated), posthoc.abstention)
    # An interrupted training is not comparable with a complete one.
    taxed = options.leak_tax and trained.complete
    tax = _leak_tax(context, answers, prepared, train, progress) if taxed else None
    checkpoints.mark_spent(folder)
    assessed = assess(context, answers, fitted, progress=progress, leak_tax=tax)
    return Result(
        prepared, split, options, calibrated, fitted, assessed, train_places, outputs.embedding
    )


class _Network:
    """A trained graph, run on photos of the catalog."""

    def __init__(self, prepared: Prepared, trained: Trained) -> None:
        self._catalog = prepared.catalog
        self._contract = trained.contract
        self._model = Model(trained.model, prepared.catalog.classes, trained.contract)

    def run(self, places: NDArray[np.int64]) -> Outputs:
        """Outputs for the photos at n places of the catalog."""
        if not len(places):
            empty = np.empty((0, len(self._catalog.classes)), np.float32)
            return Outputs(empty, np.empty((0, 0), np.float32))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            batches = [
                self._model.run(np.stack(list(pool.map(self._decode, places[i : i + _BATCH]))))
                for i in range(0, len(places), _BATCH)
            ]
        novelty = [batch.novelty for batch in batches if batch.novelty is not None]
        return Outputs(
            np.concatenate([batch.probabilities for batch in batches]),
            np.concatenate([batch.embedding for batch in batches]),
            np.concatenate(novelty) if novelty else None,
        )

    def _decode(self, place: np.int64) -> NDArray[np.uint8]:
        return decode(read_file(self._catalog.file(self._catalog.photos[place])), self._contract)


def _answer_test(
    split: Split, network: _Network, calibrated: _Network, abstention: Abstention | None
) -> Answers:
    """Answers for the test part."""
    raw, final = (each.run(split.places("test")) for each in (network, calibrated))
    if abstention is None or final.novelty is None:
        return Answers(final.probabilities, raw.probabilities, None, None)
    return Answers(
        final.probabilities,
        raw.probabilities,
        abstention.possible(final.probabilities),
        abstention.familiarity(final.novelty),
    )


def random_split(split: Split, *, seed: int) -> Split:
    """Split the same photos one by one, 70 / 20 / 10 and stratified, wherever copies fall.

    Args:
        split: A split whose parts keep copies together; rows in no part stay in none.
        seed: Random seed; change it to draw another split.
    """
    places = split.places(*PARTS)
    names = sorted({split.rows[place].label for place in places})
    labels = np.array([names.index(split.rows[place].label) for place in places], np.int64)
    keys = [f"{split.rows[place].content}:{split.rows[place].path}" for place in places]
    counts = count_by_group(labels, np.arange(len(places)))
    parts = split_groups(counts, keys, SHARES, seed=seed)
    rows = list(split.rows)
    for place, part in zip(places, parts, strict=True):
        rows[place] = replace(rows[place], part=PARTS[part])
    return replace(split, rows=tuple(rows))


def _leak_tax(
    context: EvalContext,
    honest: Answers,
    prepared: Prepared,
    train: Callable[..., Trained],
    progress: Progress,
) -> LeakTax | None:
    """Train again on a random split and compare the accuracies on both test parts."""
    data, split = context.data, context.split
    placed = split.places(*PARTS)
    num_copies = len(placed) - len(np.unique(data.groups[placed]))
    if not num_copies:
        return None
    naive_split = random_split(split, seed=context.seed)
    with temp_dir(_TEMP_PREFIX) as folder:
        trained = train(naive_split, folder=folder)
    if not trained.complete:
        progress.say("the second training was interrupted, so no leak tax is reported")
        return None
    tested, naive_tested = split.places("test"), naive_split.places("test")
    naive = _Network(prepared, trained).run(naive_tested)

    def accuracy(places: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Estimate | None:
        # Of the likeliest class on both sides, whatever the rule is.
        hits = np.asarray(probabilities.argmax(axis=1) == data.labels[places], np.bool_)
        return proportion(hits, data.groups[places])

    return unpaired_tax(
        accuracy(naive_tested, naive.probabilities),
        accuracy(tested, honest.probabilities),
        estimate="test part",
        num_copies=num_copies,
        num_images=len(placed),
    )
