"""The recipe ``cnn``: train on the train part, calibrate on val, evaluate on test.

With the option ``leak_tax`` the network is trained a second time, on a random split of single
photos, to measure how much accuracy copies on both sides of a split pretend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Progress
from candid.core.temp_dir import temp_dir
from candid.core.threads import map_ahead, num_cores
from candid.data.parts import PARTS
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


def train_cnn(
    prepared: Prepared,
    split: Split,
    options: TrainOptions,
    folder: Path,
    progress: Progress,
    *,
    on_workers: bool = False,
) -> Result:
    """Train, calibrate and evaluate the network; Keras writes its own files to ``folder``.

    With ``on_workers`` it is trained on all nodes of the Ray cluster that this process is part of.
    """
    context = EvalContext(prepared.features, split, options.rule, options.split.seed)
    data, train_places, val_places = context.data, split.places("train"), split.places("val")
    checkpoints = Checkpoints(folder.parent)
    reading = prepared.features.contract
    started = cnn.start(len(prepared.catalog.classes), seed=options.split.seed)
    with cnn.decode_photos(
        prepared.catalog, split.places(*PARTS), reading=reading, progress=progress
    ) as photos:
        train = partial(
            cnn.train,
            photos,
            options=cnn.Options(
                options.epochs,
                seed=options.split.seed,
                augment=options.augment,
                early_stop=options.early_stop,
                best_epoch=options.best_epoch,
            ),
            progress=progress,
            checkpoints=checkpoints,
            on_workers=on_workers,
        )
        trained = train(split, folder=folder, started=started)
        network = _Network(photos, trained)
        outputs = network.run(train_places)
        posthoc = cnn.fit_posthoc(
            trained.model,
            (outputs, data.labels[train_places]),
            (network.run(val_places), data.labels[val_places], data.groups[val_places]),
        )
        settings = {**trained.settings, "temperature": posthoc.temperature}
        calibrated = replace(trained, model=posthoc.model, settings=settings)
        fitted = FittedState(posthoc.temperature, posthoc.abstention, None)
        answers = _answer_test(split, network, _Network(photos, calibrated), posthoc.abstention)
        # An interrupted training is not comparable with a complete one.
        taxed = options.leak_tax and trained.complete
        tax = _leak_tax(context, answers, photos, train, progress) if taxed else None
    checkpoints.mark_spent(folder)
    assessed = assess(context, answers, fitted, progress=progress, leak_tax=tax)
    return Result(
        prepared, split, options, calibrated, fitted, assessed, train_places, outputs.embedding
    )


class _Network:
    """A trained graph, run on decoded photos."""

    def __init__(self, photos: cnn.Decoded, trained: Trained) -> None:
        self._photos = photos
        self._model = Model(trained.model, photos.catalog.classes, trained.contract, num_threads=1)

    def run(self, places: NDArray[np.int64]) -> Outputs:
        """Outputs for the photos at n places of the catalog."""
        if not len(places):
            empty = np.empty((0, len(self._photos.catalog.classes)), np.float32)
            return Outputs(empty, np.empty((0, 0), np.float32))
        pixels = (self._photos.pixels[[place]] for place in places)
        batches = list(map_ahead(self._model.run, pixels, num_ahead=2 * num_cores()))
        novelty = [batch.novelty for batch in batches if batch.novelty is not None]
        return Outputs(
            np.concatenate([batch.probabilities for batch in batches]),
            np.concatenate([batch.embedding for batch in batches]),
            np.concatenate(novelty) if novelty else None,
        )


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
    photos: cnn.Decoded,
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
    naive = _Network(photos, trained).run(naive_tested)

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
