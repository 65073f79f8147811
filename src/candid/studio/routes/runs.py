"""Trained runs: how good they are, and two of them side by side."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from itertools import count
from typing import Any, Final, get_args

from fastapi import APIRouter
from pydantic import BaseModel

from candid.evaluation.comparing import compare_runs
from candid.studio.bursts import GROUPS, Bursts
from candid.studio.decided import DECISIONS, Decided
from candid.studio.jobs import Jobs
from candid.studio.judged import describe_run, judge_run
from candid.studio.judgements import Judgements
from candid.studio.studio import Studio
from candid.training.options import Quality
from candid.training.quality import expected_seconds

#: Options whose file is in the state folder, if there is one.
_FILES: Final = (("--decisions", DECISIONS), ("--group-by", GROUPS))


class TrainingWish(BaseModel):
    """What a person chooses before training."""

    quality: Quality = "fast"


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
            }
        }

    studio.adds_to_state(describe)

    @router.get("/runs")
    def runs() -> dict[str, Any]:
        """All runs on the photos, the newest first, and what a training would take."""
        project, judgements = studio.project, studio.part(Judgements)
        return {
            "runs": [describe_run(run) for run in judgements.runs()],
            "qualities": [
                {
                    "name": name,
                    "command": shlex.join(["candid", *_words(studio, name)]),
                    "seconds": expected_seconds(len(project.present), name),
                }
                for name in get_args(Quality)
            ],
        }

    @router.post("/runs")
    def start(wish: TrainingWish) -> dict[str, Any]:
        """Train, by the command that is shown."""
        judgements = studio.part(Judgements)
        words = _words(studio, wish.quality)
        job = studio.part(Jobs).start("train", words)
        judgements.choose(None)
        return {"job": job.to_json()}

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

    @router.get("/runs/{earlier}/against/{later}")
    def compare(earlier: int, later: int) -> dict[str, Any]:
        """Whether the difference between two runs is real, and in which photos it lies."""
        judgements = studio.part(Judgements)
        folders = [judgements.run(number).folder for number in (earlier, later)]
        comparison = compare_runs(folders)
        believed = comparison.believed
        right, wrong = believed.only(right=1, wrong=0), believed.only(right=0, wrong=1)
        numbers = judgements.numbers_of({*right, *wrong})
        return {
            **believed.pairs[0].to_json(),
            "accuracies": [asdict(accuracy) for accuracy in believed.accuracies],
            "num_images": believed.num_images,
            "notes": list(comparison.notes),
            "newly_right": [numbers[content] for content in right if content in numbers],
            "newly_wrong": [numbers[content] for content in wrong if content in numbers],
            "command": shlex.join(["candid", "compare", *map(str, folders)]),
        }

    return router


def _words(studio: Studio, quality: Quality) -> list[str]:
    """What is typed after ``candid`` to train on the project."""
    project, home = studio.project, studio.part(Judgements).home
    names = (f"{project.folder.name or 'run'}-{number}" for number in count(1))
    run = next(file for file in (home / name for name in names) if not file.exists())
    words = ["train", str(project.folder)]
    is_grouped = Bursts(project).are_needed(studio.part(Decided).current)
    for option, name in _FILES:
        if (project.state / name).is_file() and (name != GROUPS or is_grouped):
            words += [option, str(project.state / name)]
    if quality != "fast":
        words += ["--quality", quality]
    return [*words, "--run", str(run)]
