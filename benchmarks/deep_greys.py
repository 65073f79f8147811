"""Is anything lost where 12 or 14 bits are saved in 16? Accuracy on copies of one data set.

Each photo becomes grey, with fractions of a level: rounded to 8 bits, and to 12 and 14 bits in PNG
files of 16 bits. Accuracy is that of grouped cross-validation, with the same folds for all copies.

    python benchmarks/deep_greys.py ../shared/data/weather --seeds 3
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import cv2
import numpy as np

from candid.data.images import preview, read_file
from candid.data.scan import scan
from candid.features.backbones import DEFAULT
from candid.models.recipes.cross_validation import cross_validate
from candid.splits.prepare import SplitOptions, labelled, prepare, split_prepared

SIDE = 320
BITS = (8, 12, 14)


def copy(data: Path, to: Path) -> None:
    """Write the grey copies of a folder, one folder for each number of bits."""
    for number, photo in enumerate(scan(data).photos):
        pixels = preview(read_file(data / photo.path), SIDE)
        if pixels is None:
            continue
        grey = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)
        # Averaging neighbours gives the fractions that a sensor of more bits would have.
        grey = cv2.resize(grey, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        for bits in BITS:
            file = to / str(bits) / photo.label / f"{number:05}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            values = np.rint(grey * ((2**bits - 1) / 255))
            cv2.imwrite(str(file), values.astype(np.uint8 if bits == 8 else np.uint16))


def main() -> None:
    """Print the accuracy of each copy, by seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbone", default=DEFAULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(options.data, folder)
        copies = {bits: prepare(folder / str(bits), backbone=options.backbone) for bits in BITS}
    # Folds by the groups of the 8-bit copy for all, so that the samples alone differ.
    first = labelled(copies[8].features, split_prepared(copies[8], SplitOptions()).rows)
    found: dict[int, list[float]] = {bits: [] for bits in BITS}
    for seed in range(options.seeds):
        for bits, prepared in copies.items():
            data = dataclasses.replace(first, embeddings=prepared.features.embeddings)
            probabilities = cross_validate(data, seed=seed)
            assert probabilities is not None
            found[bits].append(100 * float((probabilities.argmax(1) == data.labels).mean()))
    for bits, prepared in copies.items():
        mean, change = np.mean(found[bits]), np.mean(found[bits]) - np.mean(found[8])
        each = ", ".join(f"{value:.2f}" for value in found[bits])
        sample_range = prepared.features.contract.sample_range
        print(
            f"{bits:2} bits, range {sample_range}: {each}; mean {mean:.2f} ({change:+.2f} points)"
        )


if __name__ == "__main__":
    main()
