"""What audit, split, train, evaluate and predict cost on many drawn photos.

    python benchmarks/scale_commands.py [--sizes 2000 20000 200000] [--only train …]
    python benchmarks/scale_commands.py --sizes 50000 --only audit train --warm --against COMMIT

Pictures of 64 × 64 pixels are drawn in five classes; two in a hundred files are copies of others
(`scale.py`). Each command runs as a process of its own, one after another on one cache, so that
`audit` reads and embeds, and the others find all that in the cache. With `--warm`, `audit` is run
once before it is measured. With `--against`, a checkout of that commit does the same with a cache
of its own, in turn.

The backbone is a stand-in: averages of 8 × 8 pixels, and as many random features of these as an
embedding of the default backbone has. It takes about 0.1 ms a picture. The time of a true backbone
is linear in the photos by construction, and `embedding.py` measures it.

Printed are seconds, processor seconds, the most memory (resident, and of it what is not mapped from
a file), and the exponent of a power law fitted to the seconds of all sizes.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import bench
import cv2
import numpy as np
import onnx
import psutil
import scale
from numpy.typing import NDArray

from candid.core.onnx_builder import GraphBuilder
from candid.features.backbones import DEFAULT, get

COMMANDS = ("audit", "split", "train", "evaluate", "predict")
NUM_CLASSES = 5
SIZE_PX = 64
CELL_PX = 8
EVERY_S = 0.05


def main() -> None:
    """Draw, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=COMMANDS)
    parser.add_argument("--folder", type=Path, help="keep the drawn files here, or use those there")
    parser.add_argument("--warm", action="store_true", help="audit once before measuring")
    parser.add_argument("--against", metavar="COMMIT", help="another checkout")
    args = parser.parse_args()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = [bench.build("this", bench.HERE.parent, scratch / "this")]
        if args.against:
            sides.append(stack.enter_context(bench.checkout(args.against, scratch)))
        backbone = write_backbone(scratch / "backbone.onnx")
        for side in sides:  # as `split` has no option for it
            side.command[-1] = f"{as_default(backbone)}; {side.command[-1]}"
        seconds: dict[tuple[str, str], list[float]] = {}
        for size in args.sizes:
            folder = (args.folder or scratch) / f"drawn-{size}"
            draw(folder, size)
            for side in sides:
                shutil.rmtree(side.folder, ignore_errors=True)
                side.folder.mkdir(parents=True)
            measure(sides, folder, backbone, args.only, seconds, warm=args.warm)
    print_exponents(args.sizes, seconds)


def measure(
    sides: list[bench.Side],
    folder: Path,
    backbone: Path,
    only: tuple[str, ...],
    seconds: dict[tuple[str, str], list[float]],
    *,
    warm: bool,
) -> None:
    """Run the commands on one folder, each with all builds."""
    words = words_of(folder, backbone)
    wanted = [name for name in COMMANDS if name in only]
    if warm or "audit" not in wanted:
        for side in sides:
            run(side, words["audit"])
    if "train" not in wanted and {"evaluate", "predict"} & set(wanted):
        for side in sides:
            run(side, words["train"])
    for name in wanted:
        for side in sides:
            took, processor, peak, anonymous = run(side, words[name])
            seconds.setdefault((side.name, name), []).append(took)
            print(
                f"  {side.name:<9} {name:<9} {took:8.1f} s, of the processor {processor:8.1f} s; "
                f"peak {peak:6.0f} MB, of it anonymous {anonymous:6.0f} MB",
                flush=True,
            )


def words_of(folder: Path, backbone: Path) -> dict[str, list[str]]:
    """What is typed after `candid`."""
    data, model = str(folder), ["--backbone", str(backbone)]
    return {
        "audit": ["audit", data, *model, "--run", "audit"],
        "split": ["split", data, "--csv", "split.csv"],
        "train": ["train", data, *model, "--run", "run", "--overwrite"],
        "evaluate": ["evaluate", "run"],
        "predict": ["predict", data, "--run", "run", "--csv"],
    }


def as_default(backbone: Path) -> str:
    """A statement that makes it the backbone of commands without an option for it."""
    prepare = "__import__('candid.splits.prepare').splits.prepare.prepare"
    return f"{prepare}.__kwdefaults__['backbone'] = {str(backbone)!r}"


def run(side: bench.Side, words: list[str]) -> tuple[float, float, float, float]:
    """Seconds, seconds of the processor, and MB at the peak: resident, and anonymous."""
    if "--run" in words and words[0] == "audit":
        shutil.rmtree(side.folder / "audit", ignore_errors=True)
    environment = os.environ | side.environment | {"CANDID_CACHE": str(side.folder / "cache")}
    output = side.folder / "output.txt"
    with output.open("w") as out:
        begun = time.perf_counter()
        process = psutil.Popen(
            [*side.command, *words], stdout=out, stderr=out, env=environment, cwd=side.folder
        )
        resident = anonymous = 0.0
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            held = [held_mb(one.pid) for one in (process, *scale.children_of(process))]
            resident = max(resident, sum(all_of for all_of, _ in held))
            anonymous = max(anonymous, sum(own for _, own in held))
            time.sleep(EVERY_S)
        took = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1) or "Traceback" in output.read_text():  # 1: findings
        sys.exit(f"{side.name}: {' '.join(words)} gave {process.returncode}; see {output}")
    return took, usage.ru_utime + usage.ru_stime, resident, anonymous


def held_mb(pid: int) -> tuple[float, float]:
    """The memory of a process in MB: resident, and what of it is not mapped from a file."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kb = {
        name: int(rest.split()[0])
        for name, _, rest in (x.partition(":") for x in lines)
        if name in ("VmRSS", "RssAnon")
    }
    return kb.get("VmRSS", 0) / 1024, kb.get("RssAnon", 0) / 1024


def print_exponents(sizes: list[int], seconds: dict[tuple[str, str], list[float]]) -> None:
    """The slope of the seconds over the sizes, both on a log scale."""
    if len(sizes) < 2:
        return
    print("\nexponent of the time over the number of photos")
    for (side, name), took in seconds.items():
        logs = [[math.log(value) for value in values] for values in (sizes, took)]
        print(
            f"  {side:<9} {name:<9} {np.polyfit(*logs, 1)[0]:.2f}; of the last two sizes "
            f"{(logs[1][-1] - logs[1][-2]) / (logs[0][-1] - logs[0][-2]):.2f}"
        )


# What is drawn


def draw(folder: Path, count: int) -> None:
    """Draw ``count`` files, copies among them, where they are not there yet."""
    for label in range(NUM_CLASSES):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    numbers = range(count - count // scale.COPY_EVERY)
    originals = numbers[:: scale.COPY_EVERY - 1][: count // scale.COPY_EVERY]
    with multiprocessing.Pool() as pool:
        pool.map(partial(draw_file, folder), numbers, chunksize=512)
        pool.map(partial(draw_copy, folder), originals, chunksize=64)
    print(f"\n{count:,} files; drawn in {time.perf_counter() - begun:.0f} s")


def file_of(folder: Path, number: int, kind: str = "") -> Path:
    """The file of a number, or of its copy."""
    return folder / f"class{number % NUM_CLASSES}" / f"{number:06}{kind}.jpg"


def draw_file(folder: Path, number: int) -> None:
    """Write one original."""
    if not (file := file_of(folder, number)).exists():
        picture = draw_picture(np.random.default_rng(number), number % NUM_CLASSES)
        cv2.imwrite(str(file), picture, (cv2.IMWRITE_JPEG_QUALITY, 90))


def draw_picture(rng: np.random.Generator, label: int) -> NDArray[np.uint8]:
    """A gradient, lines and blots, and a polygon with more corners, size and place by class."""
    corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    picture = cv2.resize(corners, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_LINEAR)
    for _ in range(4):
        a, b = rng.integers(0, SIZE_PX, (2, 2)).tolist()
        cv2.line(picture, a, b, rng.integers(0, 256, 3).tolist(), 3, cv2.LINE_AA)
    angle = rng.uniform(0, 2 * np.pi) + np.arange(3 + label) * 2 * np.pi / (3 + label)
    centre = rng.normal((20 + 6 * label, 32), 8)
    points = centre + rng.uniform(8, 16) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    colour = np.clip(rng.normal(60 + 30 * label, 50, 3), 0, 255).tolist()
    cv2.fillPoly(picture, [points.round().astype(np.int32)], colour, cv2.LINE_AA)
    return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def draw_copy(folder: Path, number: int) -> None:
    """Write a copy of an original: saved at a lower quality, or mirrored."""
    picture = cv2.imread(str(file_of(folder, number)))
    if number % 2:
        picture = picture[:, ::-1]
    file = file_of(folder, number, "-copy")
    cv2.imwrite(str(file), picture, (cv2.IMWRITE_JPEG_QUALITY, 60))


def write_backbone(file: Path) -> Path:
    """Write the stand-in."""
    cells, rng = SIZE_PX // CELL_PX, np.random.default_rng(0)
    width, size = get(DEFAULT).num_features, cells * cells * 3
    graph = GraphBuilder("stand-in")
    pixels = graph.input("image", np.uint8, ("n", SIZE_PX, SIZE_PX, 3))
    shape = graph.constant("shape", np.array([-1, cells, CELL_PX, cells, CELL_PX, 3]))
    split = graph.node("Reshape", graph.node("Cast", pixels, to=onnx.TensorProto.FLOAT), shape)
    means = graph.node("ReduceMean", split, axes=[2, 4], keepdims=0)
    flat = graph.node("Reshape", means, graph.constant("flat", np.array([-1, size])))
    centred = graph.node("Sub", flat, graph.constant("middle", np.float32(127.5)))
    turn = (rng.normal(size=(size, width)) / (127.5 * math.sqrt(size))).astype(np.float32)
    bias = rng.normal(0, 0.3, width).astype(np.float32)
    features = graph.node("Relu", graph.dense(centred, turn.T, bias, name="random"))
    graph.output(graph.node("Identity", features, output="embedding"), np.float32, ("n", width))
    onnx.save(graph.finish(), file)
    return file


if __name__ == "__main__":
    main()
