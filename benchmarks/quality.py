"""Scores of quality: Candid's on 128 pixels a side, beside CleanVision's own on the full pictures.

For each of CleanVision's issues that Candid scores, with CleanVision's default threshold: how many
photos both flag, and only one of them; how the scores correlate; and which photos they disagree
about. Then the time of both, as whole passes over the files, alternately.

    python benchmarks/quality.py [FOLDER ...] [--rounds 3] [--show 8]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from cleanvision import Imagelab

from candid.core.cache import Cache
from candid.data.catalog import Catalog
from candid.data.scan import scan
from candid.features.properties import PixelProperties, Properties, measure

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("happy_sad", "weather"))

#: CleanVision's thresholds (``ImagePropertyIssueManager.get_default_params``), and its scores in
#: Candid's terms: below the threshold, a photo is flagged. Its entropy is that of the histograms of
#: all three channels together, which for a grey picture is log2(3) more than that of one.
ISSUES: dict[str, tuple[float, Callable[[PixelProperties], float]]] = {
    "dark": (0.32, lambda pixels: pixels.bright_end),
    "light": (0.05, lambda pixels: 1 - pixels.dark_end),
    "low_information": (0.3, lambda pixels: min(1, (pixels.entropy_bits + np.log2(3)) / 10)),
}


def main() -> None:
    """Compare on each folder and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--rounds", type=int, default=3, help="passes of each, alternately")
    parser.add_argument("--show", type=int, default=8, help="disagreements to print")
    args = parser.parse_args()
    for folder in args.folders:
        catalog = scan(folder, to_train=False)
        seconds: list[tuple[float, float]] = []
        for _ in range(args.rounds):
            began = time.perf_counter()
            with Cache(None) as cache:
                properties = measure(catalog, cache=cache)
            between = time.perf_counter()
            issues = run_cleanvision(catalog)
            seconds.append((between - began, time.perf_counter() - between))
        print(f"\n{folder}")
        report_agreement(catalog, properties, issues, args.show)
        report_time(seconds)


def run_cleanvision(catalog: Catalog) -> pd.DataFrame:
    """Let CleanVision look at the photos with its defaults, in as many processes as it likes."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab = Imagelab(filepaths=[str(catalog.file(photo)) for photo in catalog.photos])
        lab.find_issues({issue: {} for issue in ISSUES}, verbose=False)
    return lab.issues


def report_agreement(
    catalog: Catalog, properties: Mapping[str, Properties], issues: pd.DataFrame, show: int
) -> None:
    """Print a line for each issue, and the photos that only one side flags."""
    photos = [
        (photo.path, properties[photo.content], issues.loc[str(catalog.file(photo))])
        for photo in catalog.photos
        if properties[photo.content].pixels and str(catalog.file(photo)) in issues.index
    ]
    print(f"{len(photos)} photos    both  only Candid  only CleanVision  correlation  difference")
    unlike: list[str] = []
    for issue, (threshold, score) in ISSUES.items():
        ours = np.array([score(row.pixels) for _, row, _ in photos if row.pixels])
        theirs = np.array([scores[f"{issue}_score"] for _, _, scores in photos])
        mine, other = ours < threshold, theirs < threshold
        counts = [(mine & other).sum(), (mine & ~other).sum(), (other & ~mine).sum()]
        correlation, difference = np.corrcoef(ours, theirs)[0, 1], np.abs(ours - theirs).mean()
        print("{:15} {:6} {:12} {:17}".format(issue, *counts), end="")
        print(f"{correlation:13.3f} {difference:11.3f}")
        unlike += [
            f"  {issue}: {ours[at]:.3f} by Candid, {theirs[at]:.3f} by CleanVision: "
            f"{photos[at][0]} ({photos[at][1].mode})"
            for at in np.flatnonzero(mine != other)
        ]
    print("\n".join(unlike[:show]))


def report_time(seconds: list[tuple[float, float]]) -> None:
    """Print the medians of both and the ratio with its range."""
    ratios = sorted(theirs / ours for ours, theirs in seconds)
    ours, theirs = (statistics.median(side) for side in zip(*seconds, strict=True))
    print(f"Candid {ours:.2f} s, CleanVision {theirs:.2f} s: ", end="")
    print(f"{statistics.median(ratios):.1f} times ({ratios[0]:.1f} to {ratios[-1]:.1f})")


if __name__ == "__main__":
    main()
