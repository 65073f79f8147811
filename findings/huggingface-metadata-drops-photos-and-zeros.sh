#!/bin/sh
# datasets 5.2.0, pillow 13.0.0, on Linux (x86-64).
#
# One would guess that `imagefolder` with a metadata.csv has every photo of the folder, with the label as written. A photo
# without a row is gone; the label 007 is 7, and NA (Namibia, sodium) and None are null. Nothing is said.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pillow==13.0.0
HOME=$folder HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" <<'PYTHON' 2>/dev/null
import sys
from pathlib import Path

from datasets import load_dataset
from PIL import Image


def labels_of(name, labels):
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    rows = [f"{number}.png,{label}\n" for number, label in enumerate(labels)]
    (folder / "metadata.csv").write_text("file_name,label\n" + "".join(rows))
    return load_dataset("imagefolder", data_dir=str(folder))["train"]["label"][:]


numbers, texts = labels_of("numbers", ["007", "008", "100"]), labels_of("texts", ["DE", "NA", "None"])
print(f"4 photos, labels 007, 008, 100 of three: {numbers}; DE, NA, None: {texts}")
sys.exit(0 if (numbers, texts) == ([7, 8, 100], ["DE", None, None]) else "it changed")
PYTHON
