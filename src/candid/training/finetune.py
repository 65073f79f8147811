"""The recipe ``finetune``: tune a network for each fold that the time allows, then the final one.

The tuned network is kept if it gets at least as many of the held-out photos right as the frozen one
with a linear head; both are judged on the same photos of the train and val parts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import import_tensorflow
from candid.core.progress import Advance, Progress, Silent
from candid.core.threads import map_ahead, num_cores
from candid.data.images import PixelContract, decode, read_file
from candid.errors import ImageError, UsageError
from candid.evaluation.assess import EvalContext, FittedState, assess_held_out
from candid.evaluation.evaluation import Refits
from candid.features.backbones.onnx_graph import build_onnx
from candid.features.backbones.tail import with_twins
from candid.features.backbones.weights import Weights, load_weights
from candid.models.checkpoint import Checkpoints
from candid.models.ood import fit_novelty_held_out
from candid.models.outputs import Outputs, Trained
from candid.models.recipes import finetune
from candid.models.recipes.abstaining_head import Answers
from candid.models.recipes.finetune import DIVISION, History, Plan, Tuner, compute_views
from candid.models.recipes.folded import (
    FoldAnswers,
    calibrate,
    choose_share,
    join_answers,
    join_folds,
)
from candid.models.recipes.linear_head import LinearHead
from candid.models.recipes.transfer import append_head
from candid.models.temperature import with_temperature
from candid.runs.onnx_session import Model
from candid.splits.grouped_split import Labelled
from candid.training.options import Result
from candid.training.quality import Candidate, Clock, context_of

if TYPE_CHECKING:
    from candid.core.linalg import Rows
    from candid.data.catalog import Photo
    from candid.models.recipes.finetune_keras import Tail

_WRITING_S: Final = 4.0  # what the pages and files of a run take
_PER_PHOTO_S: Final = 0.05  # what an answer of the final model takes
_FURTHER: Final = 2.5  # a further fold and the final network take so many times a fold
_NUM_TRIED: Final = 8  # photos, to measure the machine with


def tune(
    frozen: Candidate, clock: Clock, folder: Path, progress: Progress
) -> tuple[Candidate | None, str]:
    """Tune the last blocks on the photos that a frozen network was trained on.

    Args:
        frozen: Of the recipe ``transfer``; its parts, folds and options are used.
        clock: The time that is left.
        folder: The unfinished run, beside which checkpoints are kept.
        progress: Progress callback.

    Returns:
        The tuned network; its result is the frozen one's if it is not kept. And what to tell if
        there is none.
    """
    checkpoints = Checkpoints(folder.parent)
    try:
        tuned, line = _Job(frozen, clock, checkpoints, progress).run()
    except _OutOfTimeError:
        return None, f"tried finetune: it was not finished within {clock.seconds:g} s"
    except (ImageError, UsageError) as error:  # a photo was removed, or the disk is full
        return None, f"finetune was not tried: {error}"
    except KeyboardInterrupt:
        return None, "tried finetune: interrupted; the same command goes on from there"
    checkpoints.mark_spent(folder)
    return tuned, line


class _OutOfTimeError(Exception):
    """The time is up in the middle of a tuning."""


class _Stopwatch(Silent):
    """Notes when each item of a step is done, in seconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        yield lambda _: self.times.append(time.monotonic())


@dataclass(frozen=True)
class _Job:
    candidate: Candidate
    clock: Clock
    checkpoints: Checkpoints
    progress: Progress

    @property
    def frozen(self) -> Result:
        return self.candidate.result

    @cached_property
    def context(self) -> EvalContext:
        return context_of(self.frozen)

    @cached_property
    def data(self) -> Labelled:
        """The photos to tune on, with the embeddings of the frozen recipe."""
        return self.context.data.take(self.frozen.fitted_on)

    @cached_property
    def contract(self) -> PixelContract:
        reading = self.context.features.contract
        return PixelContract.of(reading, DIVISION.spec.size_px, reading.fit)

    def run(self) -> tuple[Candidate | None, str]:
        start_s = self.clock.spent()
        with self.progress.step("Loading TensorFlow", 0):
            import_tensorflow(extra="train")
            from candid.models.recipes.finetune_keras import Schedule, Tail

            weights = load_weights(DIVISION.spec)
            tail = Tail(DIVISION, DIVISION.layers_of(weights), self.data.num_classes, Schedule(1))
            plan = self._plan(tail, weights)
        if plan is None:
            return None, f"finetune takes more than {self.clock.seconds:g} s here; not tried"
        tail.schedule = replace(tail.schedule, epochs=plan.epochs)
        places = self.frozen.fitted_on
        with compute_views(
            self.context.features.catalog,
            places,
            self.contract,
            weights,
            num_varied=plan.num_varied,
            progress=self.progress,
        ) as views:
            tuner = Tuner(
                tail,
                views.middle,
                replace(self.data, embeddings=views.embeddings, turned=None),
                self.context.seed,
                self.checkpoints,
                self.progress,
                self._tick,
            )
            return self._tune(tuner, weights, start_s)

    @property
    def _reserved_s(self) -> float:
        return _WRITING_S + _PER_PHOTO_S * len(self.frozen.split.places("test"))

    def _plan(self, tail: Tail, weights: Weights) -> Plan | None:
        """Measure what a view and a step take on this machine, and plan with it."""
        from candid.models.recipes.finetune_keras import Shown

        few, watch = self.frozen.fitted_on[:_NUM_TRIED], _Stopwatch()
        with compute_views(
            self.context.features.catalog,
            few,
            self.contract,
            weights,
            num_varied=0,
            progress=watch,
        ) as views:
            # From the second photo on: the runtime starts with the first.
            view_s = (watch.times[-1] - watch.times[0]) / max(1, 2 * (len(few) - 1))
            shown = Shown(views.middle, np.arange(len(few)), self.data.labels[: len(few)])
            step_s = tail.seconds_per_step(shown) / tail.schedule.batch_size
        left_s = self.clock.left() - self._reserved_s
        return finetune.plan(len(self.data.labels), left_s=left_s, view_s=view_s, step_s=step_s)

    def _tick(self) -> None:
        if self.clock.left() < self._reserved_s:
            raise _OutOfTimeError

    def _tune(self, tuner: Tuner, weights: Weights, start_s: float) -> tuple[Candidate | None, str]:
        held = self._hold_out(tuner)
        share = choose_share(held)
        places = np.concatenate([fold.places for fold in held])
        hits, held_out = np.zeros((2, len(self.data.labels)), np.bool_)
        held_out[places] = True
        for fold in held:
            hits[fold.places] = fold.raw(share).argmax(axis=1) == fold.labels
        spent_s = self.clock.spent() - start_s
        tuned = Candidate("finetune", self.frozen, hits, held_out, spent_s)
        if not share or not tuned.beats(self.candidate):
            return tuned, ""
        history, head = tuner.tune(np.arange(len(self.data.labels)), "Training the last blocks")
        both = [float(each.hits[held_out].mean()) for each in (tuned, self.candidate)]
        result = self._finish(tuner, weights, held, (history, head, share), both)
        spent_s = self.clock.spent() - start_s
        return replace(tuned, result=result, seconds=spent_s, is_kept=True), ""

    def _hold_out(self, tuner: Tuner) -> list[FoldAnswers]:
        """Tune without a fold, for as many folds as the time allows."""
        num_folds = self.data.num_folds()
        folds = self.data.folds(num_folds, seed=self.context.seed)
        held: list[FoldAnswers] = []
        for fold in range(num_folds):
            start = time.monotonic()
            held.append(tuner.held_out(folds, fold))
            took_s = time.monotonic() - start
            # One more fold, and the final network on more photos.
            if self.clock.left() - self._reserved_s < _FURTHER * took_s:
                break
        return held

    def _halves(self, held: list[FoldAnswers]) -> NDArray[np.int64]:
        """Two halves of the photos of the first fold."""
        return self.data.take(held[0].places).folds(2, seed=self.context.seed)

    def _finish(
        self,
        tuner: Tuner,
        weights: Weights,
        held: list[FoldAnswers],
        tuned: tuple[History, LinearHead, float],
        right: list[float],
    ) -> Result:
        """Calibrate the final network by the folds, and measure it."""
        (history, frozen, share), tail, data = tuned, tuner.tail, self.data
        embeddings, _ = tuner.answer(np.arange(len(data.labels)))
        detector, _ = fit_novelty_held_out(embeddings, data.labels, held[0].embeddings)
        held_out, novelty = join_folds(held, self._halves(held), detector, share)
        temperature, abstention = held_out.fit()
        head = frozen.beside(tail.head(), share).divided_by(temperature)
        graph = build_onnx(DIVISION.spec, with_twins(weights, tail.layers()), with_features=False)
        model = append_head(graph, head, novelty, with_heatmap=True)
        settings = {
            "backbone": DIVISION.spec.name,
            "first_block": DIVISION.first_block,
            "epochs": tail.schedule.epochs,
            "num_varied": len(tuner.middle) - 2,
            "share": share,
            "strength": self.frozen.fitted.strength,
            "folds": len(held),
            "num_folds": data.num_folds(),
            "held_out_accuracy": right[0],
            "frozen_accuracy": right[1],
            "temperature": temperature,
            "fitted_on": ["train", "val"],
            "num_images": len(data.labels),
            "seed": self.context.seed,
        }
        trained = Trained(model, self.contract, history, settings)
        fitted = FittedState(temperature, abstention, self.frozen.fitted.strength)
        test, placed = self._answer_test(trained, fitted), self.frozen.split.places("test")
        places = np.concatenate([self.frozen.fitted_on[held_out.places], placed])
        found = held_out.answers()
        # As `candid evaluate` reads it, from the file of predictions.
        found = replace(found, raw=with_temperature(found.probabilities, 1 / temperature))
        assessed = assess_held_out(
            self.context,
            test,
            (np.sort(places), join_answers([found, test], places)),
            fitted,
            self.frozen.evaluation,
            Refits(len(held), data.num_folds()),
        )
        options = replace(self.frozen.options, recipe="finetune")
        return replace(
            self.frozen,
            options=options,
            trained=trained,
            fitted=fitted,
            assessed=assessed,
            embeddings=embeddings,
        )

    def _answer_test(self, trained: Trained, fitted: FittedState) -> Answers:
        """Answers of the final model's own graph on the test part."""
        catalog = self.context.features.catalog
        model = Model(trained.model, catalog.classes, trained.contract, num_threads=1)
        photos = [catalog.photos[place] for place in self.frozen.split.places("test")]

        def answer(photo: Photo) -> Outputs:
            return model.run(decode(read_file(catalog.file(photo)), trained.contract)[None])

        outputs = []
        with self.progress.step("Measuring on the test part", len(photos)) as advance:
            for output in map_ahead(answer, photos, num_ahead=2 * num_cores()):
                outputs.append(output)
                advance(1)
        probabilities = np.concatenate([output.probabilities for output in outputs])
        novelty = np.concatenate([cast("Rows", output.novelty) for output in outputs])
        raw = with_temperature(probabilities, 1 / fitted.temperature)
        return calibrate(raw, novelty, fitted.temperature, fitted.abstention)
