"""Arguments that several commands take, and the choices of some."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class RecipeName(StrEnum):
    """A recipe to choose."""

    transfer = "transfer"
    cnn = "cnn"


class FailOn(StrEnum):
    """From which severity on a finding makes the exit code 1."""

    error = "error"
    warning = "warning"


class FitName(StrEnum):
    """How a photo is brought to a square."""

    squash = "squash"
    crop = "crop"
    pad = "pad"


Data = Annotated[Path, typer.Argument(help="A folder with one sub-folder of photos per class.")]
Seed = Annotated[int, typer.Option(help="Another seed, another deal of the photos.")]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="Photos that belong together (a patient, a session): a regular expression on the "
        "path, or a CSV file with the columns path and group."
    ),
]
Decisions = Annotated[
    Path | None,
    typer.Option(
        help="A filled-in decisions.csv of candid audit: photos to drop, right labels of others."
    ),
]
Rehash = Annotated[
    bool,
    typer.Option(
        "--rehash",
        help="Read every photo again, those too whose size and times of change are as they were.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(help="efficientnet-lite2 (the default), efficientnet-lite0, or an ONNX file."),
]
Cost = Annotated[
    list[str] | None,
    typer.Option(
        help="What a mistake costs, such as 'sad→happy=5' (or ->): sad ones called happy. Others "
        "cost 1; may be repeated."
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Two classes: above it the alphabetically second one is predicted. [0.5]"),
]
