"""How many copies of a picture `candid.splits.duplicates` finds, and what else it takes for one.

Of every photo, copies are made in a temporary folder: saved at JPEG quality 40; shrunk to a third;
mirrored; a random tenth of each side cropped away (these three saved at quality 85); and all of
that at once. Printed are, for each kind, the share of copies that end in the group of their
original; and the pairs of different pictures that were joined, with the correlation, so that a
person can look: those of the photos alone (which may be true copies that the set itself holds), and
the photos that are joined once the copies are there. Of these, all sides count as falsely merged,
though some may be one picture after all: the rate in the closing lines is the most that it can be.

    python benchmarks/duplicates.py [FOLDER ...] [--limit 300] [--seed 0] [--other-class]
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from candid.core.cache import Cache
from candid.data.catalog import Catalog
from candid.data.images import PixelContract, decode, read_file
from candid.data.scan import scan
from candid.errors import ImageError
from candid.features.backbones import DEFAULT, get
from candid.features.backbones.registry import Embedder
from candid.features.extract import extract_features
from candid.splits.duplicates import Groups, find_duplicates

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = tuple(SHARED / name for name in ("happy_sad", "weather", "sign_digits"))
Edit = Callable[[Image.Image, np.random.Generator], Image.Image]


def main() -> None:
    """Measure each folder and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", default=SETS)
    parser.add_argument("--limit", type=int, default=0, help="photos a set, at random; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=10, help="joined pairs to print")
    parser.add_argument("--backbone", default=DEFAULT)
    parser.add_argument("--other-class", action="store_true", help="put the copies into another")
    args = parser.parse_args()
    embedder = Embedder(get(args.backbone), num_threads=1)
    total = Tally()
    for folder in args.folders:
        with tempfile.TemporaryDirectory() as scratch, Cache(None) as cache:
            rng = np.random.default_rng(args.seed)
            names = add_copies(folder, Path(scratch), args, rng)
            print(f"\n{folder}{', copies in another class' if args.other_class else ''}")
            total += measure(Path(scratch), names, (embedder, cache), args.show)
    report_total(total)


def shrink(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """A third of the size."""
    size = (max(1, image.width // 3), max(1, image.height // 3))
    return image.resize(size, Image.Resampling.LANCZOS)


def mirror(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """Left and right exchanged."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A tenth of each side cut away, at a random place."""
    width, height = round(0.9 * image.width), round(0.9 * image.height)
    x = int(rng.integers(image.width - width + 1))
    y = int(rng.integers(image.height - height + 1))
    return image.crop((x, y, x + width, y + height))


def crop_and_shrink(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Both at once, as a preview does."""
    return shrink(crop(image, rng), rng)


KINDS: dict[str, tuple[Edit, int]] = {
    "quality 40": (lambda image, _: image, 40),
    "a third": (shrink, 85),
    "mirrored": (mirror, 85),
    "cropped": (crop, 85),
    "all at once": (lambda image, rng: mirror(crop_and_shrink(image, rng), rng), 40),
}
COMBINED = "all at once"
SINGLE = tuple(kind for kind in KINDS if kind != COMBINED)


@dataclasses.dataclass(frozen=True)
class Tally:
    """Copies found of those made, by kind, and photos merged of those there are."""

    found: Counter[str] = dataclasses.field(default_factory=Counter)
    made: Counter[str] = dataclasses.field(default_factory=Counter)
    merged: int = 0
    photos: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.found + other.found,
            self.made + other.made,
            self.merged + other.merged,
            self.photos + other.photos,
        )


def report_total(total: Tally) -> None:
    """Print the closing lines."""
    print("\nall sets")
    for title, kinds in (("single kinds", SINGLE), (COMBINED, (COMBINED,))):
        found, made = (sum(counter[k] for k in kinds) for counter in (total.found, total.made))
        print(f"  {title:12} {found} of {made} copies found ({found / made:.2%})")
    share = total.merged / total.photos
    print(f"  {total.merged} of {total.photos} photos merged with another picture ({share:.2%})")


def add_copies(
    folder: Path, scratch: Path, args: argparse.Namespace, rng: np.random.Generator
) -> dict[str, list[str]]:
    """Write copies beside links to the photos; returns the names of each photo's copies."""
    catalog = scan(folder)
    for label in catalog.classes:
        (scratch / label).mkdir()
    names: dict[str, list[str]] = {}
    for number, place in enumerate(rng.permutation(len(catalog.photos))[: args.limit or None]):
        photo = catalog.photos[place]
        try:
            decode(read_file(catalog.file(photo)), PixelContract(size_px=8))
        except ImageError:
            continue
        original = scratch / photo.label / f"{number:06}{Path(photo.path).suffix}"
        original.symlink_to(catalog.file(photo))
        at = catalog.classes.index(photo.label) + args.other_class
        label = catalog.classes[at % len(catalog.classes)]
        names[f"{photo.label}/{original.name}"] = write_copies(original, scratch / label, rng)
    return names


def write_copies(original: Path, folder: Path, rng: np.random.Generator) -> list[str]:
    """Write the copies of one photo, one of each kind."""
    with Image.open(original) as file:
        image = ImageOps.exif_transpose(file).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("RGB")
    names = []
    for number, (edit, quality) in enumerate(KINDS.values()):
        stream = io.BytesIO()
        edit(image, rng).save(stream, "JPEG", quality=quality)
        path = folder / f"{original.stem}-copy{number}.jpg"
        path.write_bytes(stream.getvalue())
        names.append(f"{folder.name}/{path.name}")
    return names


def measure(
    folder: Path, names: dict[str, list[str]], look_with: tuple[Embedder, Cache], show: int
) -> Tally:
    """Find duplicates among the photos alone, then with their copies, and print both."""
    embedder, cache = look_with
    contract = PixelContract(size_px=embedder.backbone.size_px)
    began = time.perf_counter()
    features = extract_features(scan(folder), embedder, contract, cache=cache)
    seen = time.perf_counter()
    groups = find_duplicates(features)
    ended = time.perf_counter()
    catalog = features.catalog
    group_of = dict(zip([p.path for p in catalog.photos], groups.of_photo.tolist(), strict=True))
    names = {photo: copies for photo, copies in names.items() if photo in group_of}
    print(f"\n{len(names)} photos, {len(group_of) - len(names)} copies")
    print(f"looked in {seen - began:.1f} s, compared in {ended - seen:.1f} s")
    tally = Tally(photos=len(names))
    for number, kind in enumerate(KINDS):
        copies = [(photo, c[number]) for photo, c in names.items() if c[number] in group_of]
        found = sum(group_of[photo] == group_of[copy] for photo, copy in copies)
        print(f"  {kind:12} {found} of {len(copies)} found ({found / len(copies):.1%})")
        tally += Tally(Counter({kind: found}), Counter({kind: len(copies)}))
    originals = dataclasses.replace(
        catalog, photos=tuple(photo for photo in catalog.photos if photo.path in names)
    )
    alone = find_duplicates(extract_features(originals, embedder, contract, cache=cache))
    with_copies = {photo: group_of[photo] for photo in names}
    return tally + Tally(merged=report_joined(originals, alone, with_copies, show))


def report_joined(originals: Catalog, alone: Groups, with_copies: dict[str, int], show: int) -> int:
    """Print the photos that are joined, alone and by way of the copies; count the latter."""
    files = [originals.file(photo).resolve() for photo in originals.photos]
    names = [f"{file.parent.name}/{file.name}" for file in files]
    numbers = [with_copies[photo.path] for photo in originals.photos]
    more = alone.num_pictures - len(set(numbers))
    print(f"  {len(names)} photos show {alone.num_pictures} pictures; joined with least certainty:")
    for copy in sorted(alone.copies, key=lambda copy: copy.correlation)[:show]:
        print(f"    {copy.correlation:.3f} {names[copy.first]} = {names[copy.second]}")
    print(f"  {more} fewer by way of the copies:")
    joined: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        joined.setdefault(number, []).append(place)
    merged = 0
    for places in joined.values():
        others = [place for place in places if alone.of_photo[place] != alone.of_photo[places[0]]]
        merged += len(places) if others else 0
        for place in others:
            print(f"    {names[places[0]]} = {names[place]}")
    return merged


if __name__ == "__main__":
    main()
