"""Trained runs: how good they are, and two of them side by side."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from candid.evaluation.comparing import compare_runs
from candid.server.schemas import Problem
from candid.studio.decided import Decided
from candid.studio.judged import REPORT, changes_between, describe_run, judge_run
from candid.studio.judgements import Judgements
from candid.studio.studio import Studio
from candid.studio.trainings import Effort, Trainings, labels_of, seconds_to_train, words_to_train

#: A report is a page with a script of its own: it may not ask the studio for anything.
_POLICY: Final = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


class TrainingWish(BaseModel):
    """What a person chooses before training."""

    effort: Effort = "fast"


def routes(studio: Studio) -> APIRouter:
    """``/api/runs``."""
    router = APIRouter(prefix="/api")

    def describe() -> dict[str, Any]:
        runs, chosen = studio.part(Judgements).runs(), studio.part(Judgements).chosen
        newest = max((run.stamp for run in runs), default=0)
        return {
            "runs": {
                "num": len(runs),
                "stamp": f"{len(runs)}-{newest}",
                "chosen": None if chosen is None else chosen.number,
                "name": "" if chosen is None else chosen.folder.name,
            },
            "training": studio.part(Trainings).to_json(),
        }

    studio.adds_to_state(describe)

    @router.get("/runs")
    def runs() -> dict[str, Any]:
        """All runs on the photos, the newest first, and what a training would take."""
        labels = labels_of(studio.project, studio.part(Decided).current)
        return {
            "runs": [describe_run(run) for run in studio.part(Judgements).runs()],
            "classes": [
                {"name": name, "num": num} for name, num in sorted(Counter(labels.values()).items())
            ],
            "efforts": [
                {
                    "name": effort,
                    "command": shlex.join(["candid", *words]),
                    "seconds": seconds_to_train(len(labels), effort),
                }
                for effort, words in words_to_train(studio).items()
            ],
        }

    @router.post("/runs")
    def start(wish: TrainingWish) -> dict[str, Any]:
        """Train, by the command that is shown, as soon as the photos are read."""
        job = studio.part(Trainings).start(studio, wish.effort)
        return {"job": None if job is None else job.to_json()}

    @router.delete("/runs")
    def give_up() -> dict[str, Any]:
        """Stop waiting for the photos."""
        studio.part(Trainings).close()
        return describe()

    @router.post("/runs/{number}/choose")
    def choose(number: int) -> dict[str, Any]:
        """Let all screens show this run."""
        studio.part(Judgements).choose(number)
        return describe()

    @router.get("/runs/{number}")
    def judge(number: int) -> dict[str, Any]:
        """How good a run is: what its report begins with."""
        judgements = studio.part(Judgements)
        run = judgements.run(number)
        decided = studio.part(Decided).current
        return describe_run(run) | judge_run(studio.project, decided, judgements, run)

    @router.get("/runs/{number}/report")
    def report(number: int) -> Response:
        """The report of a run."""
        file = studio.part(Judgements).run(number).folder / REPORT
        if not file.is_file():
            raise Problem(404, "not_found", "this run has no report.")
        headers = {"Content-Security-Policy": _POLICY}
        return Response(file.read_bytes(), media_type="text/html", headers=headers)

    @router.get("/runs/{earlier}/against/{later}")
    def compare(earlier: int, later: int) -> dict[str, Any]:
        """Whether the difference between two runs is real, and in which photos it lies."""
        judgements = studio.part(Judgements)
        pair = [judgements.run(number) for number in (earlier, later)]
        folders = [run.folder for run in pair]
        comparison = compare_runs(folders)
        believed = comparison.believed
        right, wrong = believed.only(right=1, wrong=0), believed.only(right=0, wrong=1)
        numbers = judgements.numbers_of({*right, *wrong})
        return {
            **believed.pairs[0].to_json(),
            "accuracies": [asdict(accuracy) for accuracy in believed.accuracies],
            "num_images": believed.num_images,
            "notes": list(comparison.notes),
            "changed": changes_between(*(judgements.read(run) for run in pair)),
            "newly_right": [numbers[content] for content in right if content in numbers],
            "newly_wrong": [numbers[content] for content in wrong if content in numbers],
            "command": shlex.join(["candid", "compare", *map(str, folders)]),
        }

    return router
