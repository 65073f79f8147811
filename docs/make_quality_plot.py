"""Draws docs/images/quality.svg: how right each recipe is, and how long it takes.

    python docs/make_quality_plot.py [FILE]

By default of the latest file that `benchmarks/recipes.py` has kept in `benchmarks/history`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, PercentFormatter

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "docs" / "images" / "quality.svg"
_COLOURS = ("#1f6feb", "#d1570c", "#1a7f37", "#8250df")
_STYLE = {"font.size": 9, "svg.hashsalt": "candid", "svg.fonttype": "none"}


def main() -> None:
    """Read the figures and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    latest = max((ROOT / "benchmarks" / "history").glob("*-recipes.json"), default=None)
    parser.add_argument("file", type=Path, nargs="?", default=latest)
    parser.add_argument("--to", type=Path, default=IMAGE)
    args = parser.parse_args()
    if args.file is None:
        parser.error("there are no figures yet. Run benchmarks/recipes.py first.")
    with mpl.rc_context(_STYLE):
        figure = draw(json.loads(args.file.read_text())["rows"])
        figure.savefig(args.to, metadata={"Date": None})  # the same bytes for the same figures


def draw(rows: list[dict[str, Any]]) -> Figure:
    """A panel for each set: mean accuracy by mean seconds, with standard errors over the seeds."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    figure = Figure(figsize=(3.4 * len(sets), 3.2), layout="constrained")
    for axes, name, colour in zip(
        figure.subplots(1, len(sets), squeeze=False)[0], sets, _COLOURS * len(sets), strict=False
    ):
        own = [row for row in rows if row["set"] == name]
        for recipe in dict.fromkeys(row["recipe"] for row in own):
            found = [row for row in own if row["recipe"] == recipe]
            accuracy = np.array([row["accuracy"] for row in found])
            error = accuracy.std(ddof=1) / len(found) ** 0.5 if len(found) > 1 else 0
            point = (np.mean([row["seconds"] for row in found]), accuracy.mean())
            axes.errorbar(*point, yerr=error, fmt="o", color=colour, capsize=2, markersize=4)
            axes.annotate(recipe, point, xytext=(5, 4), textcoords="offset points", fontsize=8)
        axes.set(title=f"{name} ({own[0]['photos']} photos)", xlabel="seconds", xscale="log")
        axes.xaxis.set_major_formatter(LogFormatter())
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.margins(x=0.25, y=0.15)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("right, of photos kept aside")
    return figure


if __name__ == "__main__":
    main()
