"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.data.images import Reading
    from candid.models.decision_rule import DecisionRule


class RecipeName(StrEnum):
    """Training recipe."""

    transfer = "transfer"
    finetune = "finetune"
    cnn = "cnn"
    auto = "auto"


class QualityName(StrEnum):
    """How much time may go into a better model."""

    fast = "fast"
    good = "good"
    best = "best"


class FailOn(StrEnum):
    """Lowest severity of a finding that makes the exit code 1."""

    error = "error"
    warning = "warning"


class FitName(StrEnum):
    """How a photo is made square."""

    squash = "squash"
    crop = "crop"
    pad = "pad"


class OwnPartsMode(StrEnum):
    """What to do with copies across the parts that a folder comes with."""

    strict = "strict"
    as_is = "as-is"


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder with one sub-folder of photos per class; or with train/, val/ and test/ "
        "folders of such, or a NumPy archive (.npz) in MedMNIST's layout, which keep their parts. "
        "Or a table of paths and labels (CSV, JSON Lines), WebDataset .tar or Parquet files, COCO "
        "or Label Studio JSON, an address such as s3://bucket/photos, or a file of candid catalog: "
        "docs/data.md.",
    ),
]
ImageColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Of a table: the column of the photo or its path; of .tar, its suffix."
    ),
]
LabelColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of a table: the column of the class, or several of 0 and 1: cat,dog; of .tar, the "
        "suffix or JSON key.",
    ),
]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/latest.")
]
Seed = Annotated[
    int, typer.Option(metavar="N", help="Random seed; change it to draw another split.")
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN|FILE",
        help="Groups of photos to keep together (a patient, a session): a regular expression on "
        "the path, or a CSV file with the columns path and group.",
    ),
]
OwnParts = Annotated[
    OwnPartsMode,
    typer.Option(
        help="Of a folder that comes with train/, val/ and test/: strict leaves photos out of a "
        "part if an earlier one has a copy, as-is keeps them."
    ),
]
Decisions = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A completed decisions.csv of candid audit: photos to drop or relabel."
    ),
]
Rehash = Annotated[
    bool,
    typer.Option(
        "--rehash",
        help="Read every photo again, including those with unchanged size and timestamps.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="efficientnet-lite2-int8 (the default), efficientnet-lite0-int8, either without -int8 "
        "(float32: twice the time, can be fine-tuned in Keras); dinov2-small, siglip2-base, "
        "mobilenetv4-small or convnext-tiny, which are downloaded; keras:MobileNetV3Small and "
        "others of Keras; or an ONNX file.",
    ),
]
Fit = Annotated[FitName, typer.Option(help="How photos are made square.")]
Cost = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MISTAKE=N",
        help="Cost of a mistake, such as 'sad→happy=5' (or ->): sad photos classified as happy. "
        "Others cost 1; may be repeated.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="With two classes: predict the alphabetically second class where its probability "
        "(positive_probability) is above this. [0.5]",
    ),
]
SampleRange = Annotated[
    str | None,
    typer.Option(
        "--range",
        help="Samples that become black and white in pictures of more than 8 bits, such as "
        "0,4095 or -1024,3071. [decided for the whole set]",
        metavar="LOW,HIGH",
    ),
]
Page = Annotated[
    int | None,
    typer.Option(metavar="N", help="Page of multi-page TIFF and DICOM files, from 1. [the first]"),
]
Bands = Annotated[
    str | None,
    typer.Option(
        help="Bands of multi-band TIFF files that become red, green and blue, such as 4,3,2.",
        metavar="R,G,B",
    ),
]
MaxMegapixels = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        help="Read JPEGs of up to this many million pixels; other formats up to 178. [178]",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="WHERE",
        help="Where photos are decoded and run through the network: local, in this process; ray, "
        "on the Ray cluster at RAY_ADDRESS, or one started on this machine; or ray://host:port.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def decision_rule(threshold: float | None, cost: list[str] | None) -> DecisionRule:
    """Decision rule from ``--threshold`` and ``--cost``.

    Raises:
        UsageError: A cost can't be parsed, or is given twice.
    """
    from candid.models.decision_rule import DEFAULT_THRESHOLD, DecisionRule, parse_cost

    costs: dict[tuple[str, str], float] = {}
    for text in cost or []:
        mistake, value = parse_cost(text)
        if mistake in costs:
            raise UsageError(f"the cost of {'→'.join(mistake)} is given twice; choose one.")
        costs[mistake] = value
    return DecisionRule(DEFAULT_THRESHOLD if threshold is None else threshold, costs)


def choose_reading(
    reading: Reading,
    sample_range: str | None,
    page: int | None,
    bands: str | None,
    max_megapixels: float | None,
) -> Reading:
    """A reading, or a contract, with what ``--range``, ``--page``, ``--bands`` and so on ask for.

    Raises:
        UsageError: An option can't be parsed, or its value is out of range.
    """
    from dataclasses import replace

    chosen: dict[str, object] = {}
    if sample_range is not None:
        chosen["sample_range"] = _numbers(sample_range, float, "--range", "0,4095")
    if page is not None:
        chosen["page"] = page
    if bands is not None:
        chosen["bands"] = _numbers(bands, int, "--bands", "4,3,2")
    if max_megapixels is not None:
        chosen["max_pixels"] = int(max_megapixels * 1_000_000)
    return replace(reading, **chosen)  # type: ignore[arg-type]


def _numbers(text: str, kind: type, option: str, example: str) -> tuple[float, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"{option} is numbers separated by commas, such as {example}. Received: {text}"
        ) from None


_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


def read_duration(text: str) -> float:
    """Seconds of ``90s``, ``5m``, ``1.5h`` or ``1h30m``.

    Raises:
        UsageError: It is no duration, or is 0.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != text or not seconds:
        raise UsageError(f"--budget takes a time such as 90s, 5m or 1h30m. Received: {text!r}")
    return seconds
