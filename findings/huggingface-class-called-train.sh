#!/bin/sh
# datasets 5.2.0, pillow 13.0.0, on Linux (x86-64).
#
# One would guess that `load_dataset("imagefolder", data_dir=...)` takes the part of a photo from the outermost
# folder of train/ val/ test/. But any folder on the path counts, and any word of its name: photos of a class
# called "train" (or "rapid test") are in the part train (or test) too, whatever part they lie in. So test photos
# are trained on, without a warning, and those of test/rapid test come twice. `data_files=` says which are which,
# and so do `configs` in a README.md.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pillow==13.0.0
HOME=$folder HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder/tree" <<'PYTHON'
import sys
from pathlib import Path

from datasets import load_dataset
from PIL import Image

tree = Path(sys.argv[1])
for part in ("train", "val", "test"):
    for name in ("train", "rapid test", "bus"):
        (tree / part / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tree / part / name / f"{number}.png")
names = {"train": "train", "validation": "val", "test": "test"}
files = {split: f"{tree}/{part}/**" for split, part in names.items()}
guessed = load_dataset("imagefolder", data_dir=str(tree)).num_rows
told = load_dataset("imagefolder", data_files=files).num_rows
print(f"15 photos a part; by data_dir: {guessed}, by data_files: {told}")
right = dict.fromkeys(names, 15)
known = {"train": 25, "validation": 15, "test": 30}
sys.exit(0 if (guessed, told) == (known, right) else "it changed")
PYTHON
