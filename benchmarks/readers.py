"""What Keras, torchvision, fastai, Ultralytics and Hugging Face read of a `candid split --to` tree.

Draws 80 photos in ten formats (half of the JPEGs turned by EXIF, half of the PNGs grey of 16 bits)
with the classes `train`, `rapid test`, `10` and `2`, splits them with and without `--materialize`,
and has each reader read both trees with the code that `candid split` prints for it; Hugging Face
also by the README.md in the tree, and without either. A photo is right in its part, with its class,
and with Candid's pixels (upright, 8 bits, alike within `MOST_LEVELS`).

Readers are installed by pip into two environments: Keras with TensorFlow (2 GB of disk), and the
others with torch (7 GB on Linux, where PyPI's torch brings CUDA). They are removed again unless
`--environments` names a folder for them.

    python benchmarks/readers.py [--environments FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

from candid.data.images import PixelContract, decode, read_file

CLASSES = ("train", "rapid test", "10", "2")
FORMATS = ("jpg", "png", "bmp", "gif", "webp", "tif", "avif", "heic", "jp2", "ppm")
SIZE_PX = 32  # of the compared pixels
MOST_LEVELS = 12  # mean difference; of a turned photo it is over 30
ENVIRONMENTS = {
    "keras": ("tensorflow-cpu==2.21.0", "keras==3.15.1", "pillow==13.0.0"),
    "torch": (
        "torch==2.14.1",
        "torchvision==0.29.1",
        "fastai==2.8.12",
        "ultralytics==8.4.190",
        "datasets==5.2.0",
        "pillow==13.0.0",
    ),
}

# Each sees `tree` and appends (part, class, file, array) to `rows`.
KERAS = """
import keras
for part in ("train", "val", "test"):
    data = keras.utils.image_dataset_from_directory(
        tree / part, shuffle=False, batch_size=None, image_size=(240, 320), verbose=False
    )
    for (pixels, label), file in zip(data, data.file_paths, strict=True):
        rows.append((part, data.class_names[int(label)], file, pixels.numpy()))
"""
TORCHVISION = """
from torchvision.datasets import ImageFolder
for part in ("train", "val", "test"):
    data = ImageFolder(tree / part, allow_empty=True)
    for (file, label), (image, _) in zip(data.samples, data, strict=True):
        rows.append((part, data.classes[label], file, image))
"""
FASTAI = """
from fastai.vision.all import ImageDataLoaders, Resize, get_image_files
from fastai.data.transforms import parent_label
from fastai.vision.core import PILImage
data = ImageDataLoaders.from_folder(tree, valid="val", item_tfms=Resize(64), bs=1, num_workers=0)
tests = get_image_files(tree / "test")
for part, files in (("train", data.train_ds.items), ("val", data.valid_ds.items), ("test", tests)):
    for file in files:
        rows.append((part, parent_label(file), str(file), lambda file=file: PILImage.create(file)))
"""
ULTRALYTICS = """
import os
os.environ["YOLO_AUTOINSTALL"] = "false"
from ultralytics.cfg import get_cfg
from ultralytics.data.dataset import ClassificationDataset
from ultralytics.data.utils import check_cls_dataset
found = check_cls_dataset(tree)
for part in ("train", "val", "test"):
    data = ClassificationDataset(str(found[part]), get_cfg(overrides={"imgsz": 64}), prefix=part)
    for file, label, *_ in data.samples:
        rows.append((part, data.base.classes[label], file, data.imread(file)[..., ::-1]))
"""
HUGGING_FACE = """
from datasets import Image, load_dataset
found = load_dataset(OPTIONS)
for part, data in found.items():
    names = data.features["label"].names
    paths = data.cast_column("image", Image(decode=False))
    for row, kept in zip(data, paths, strict=True):
        part = "val" if part == "validation" else part
        rows.append((part, names[row["label"]], kept["image"]["path"], row["image"]))
"""
_BY_FILES = """"imagefolder", data_files={
    "train": f"{tree}/train/**", "validation": f"{tree}/val/**", "test": f"{tree}/test/**"
}"""
_BY_FOLDER = '"imagefolder", data_dir=str(tree)'
# The environment, and the code above.
READERS = {
    "Keras": ("keras", KERAS),
    "torchvision": ("torch", TORCHVISION),
    "fastai": ("torch", FASTAI),
    "Ultralytics": ("torch", ULTRALYTICS),
    "Hugging Face": ("torch", HUGGING_FACE.replace("OPTIONS", _BY_FILES)),
    "… by README.md": ("torch", HUGGING_FACE.replace("OPTIONS", "str(tree)")),
    "… by neither": ("torch", HUGGING_FACE.replace("OPTIONS", _BY_FOLDER)),
}
#: Those that read all photos that `--materialize` writes.
FIVE = ("Keras", "torchvision", "fastai", "Ultralytics", "Hugging Face", "… by README.md")
_BEFORE = """
import json, os, sys
from pathlib import Path
import numpy as np
import PIL.Image
tree, rows = Path(sys.argv[1]), []
"""
_AFTER = """
read = []
for part, label, file, image in rows:
    if callable(image):
        try:
            image = image()
        except Exception as error:
            print(file, error, file=sys.stderr)
            continue
    if isinstance(image, PIL.Image.Image):
        image = image.convert("RGB")
    array = np.clip(np.asarray(image), 0, 255).astype(np.uint8)
    small = PIL.Image.fromarray(array).resize((32, 32), PIL.Image.Resampling.BOX)
    name = os.path.relpath(os.path.abspath(file), os.path.abspath(tree))
    read.append((part, label, name, np.asarray(small).tolist()))
Path(sys.argv[2]).write_text(json.dumps(read))
"""


def main() -> None:
    """Split, install, read and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--environments", type=Path, help="kept and used again")
    options = parser.parse_args()
    register_heif_opener()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        draw(work / "data")
        pythons = {name: install(options.environments or work, name) for name in ENVIRONMENTS}
        for flags in ([], ["--materialize"]):
            tree = work / ("materialized" if flags else "links")
            command = ["candid", "split", str(work / "data"), "--to", str(tree), *flags]
            said = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"$ {' '.join(command)}\n{said.stderr}{said.stdout}")
            for reader, (environment, code) in READERS.items():
                rows = read(work, tree, code, pythons[environment])
                judged = judge(tree, rows)
                print(f"{reader:14} {judged}", flush=True)
                if flags and reader in FIVE and judged != "80 of 80 right (80 read)":
                    sys.exit(f"{reader} reads photos of --materialize otherwise")
            print()


def draw(data: Path) -> None:
    """Two photos of each format in each class, each of colours of its own."""
    for place, name in enumerate(CLASSES):
        for number, suffix in enumerate(FORMATS * 2):
            seed = 100 * place + number
            coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
            image = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
            file = data / name / f"{suffix}-{number:02}.{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            save(image, file, is_odd=number >= len(FORMATS))


def save(image: Image.Image, file: Path, *, is_odd: bool) -> None:
    """Save; odd JPEGs are turned by EXIF, odd PNGs are grey of 16 bits."""
    if is_odd and file.suffix == ".png":
        grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
        Image.fromarray(grey).save(file)
        return
    options = {"quality": 95} if file.suffix in (".jpg", ".webp", ".avif", ".heic") else {}
    if is_odd and file.suffix == ".jpg":
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    image.save(file, **options)


def install(folder: Path, name: str) -> Path:
    """An environment with some readers; its Python."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", *ENVIRONMENTS[name]]
        subprocess.run(command, check=True)
    return python


def read(work: Path, tree: Path, code: str, python: Path) -> list[tuple[str, str, str, list]]:
    """What a reader reads: part, class, file, pixels."""
    answer = work / "answer.json"
    command = [python, "-c", _BEFORE + code + _AFTER, tree, answer]
    home = {"HOME": str(work), "YOLO_CONFIG_DIR": str(work), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=home, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr[-2000:]}\n{' '.join(map(str, command[:1]))} failed")
    return json.loads(answer.read_text())


def judge(tree: Path, rows: list[tuple[str, str, str, list]]) -> str:
    """How many photos are right, and why others are not."""
    contract = PixelContract(SIZE_PX)
    files = {path.relative_to(tree).as_posix(): path for path in tree.glob("*/*/*")}
    kinds: dict[str, list[str]] = {"other part": [], "other class": [], "other pixels": []}
    seen = set()
    for part, label, name, pixels in rows:
        seen.add(name)
        inside, named, _ = name.split("/")
        expected = decode(read_file(files[name]), contract).astype(int)
        levels = float(np.abs(np.array(pixels, int) - expected).mean())
        if part != inside:
            kinds["other part"].append(name)
        elif label != named:
            kinds["other class"].append(name)
        elif levels > MOST_LEVELS:
            kinds["other pixels"].append(name)
    kinds["passed over"] = [name for name in files if name not in seen]
    wrong = [f"{title}: {formats(names)}" for title, names in kinds.items() if names]
    num_right = len(files) - sum(map(len, kinds.values()))
    return "; ".join([f"{num_right} of {len(files)} right ({len(rows)} read)", *wrong])


def formats(names: list[str]) -> str:
    """``8 gif, 8 avif``."""
    counts = Counter(Path(name).suffix.removeprefix(".") for name in names)
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.items())


if __name__ == "__main__":
    main()
