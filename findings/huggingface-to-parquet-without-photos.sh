#!/bin/sh
# datasets 5.2.0, pillow 13.0.0, pyarrow 26.0.1, on Linux (x86-64).
#
# One would guess that `to_parquet` of a data set of images writes the images. Loaded by `imagefolder`, it writes rows
# whose `bytes` are null and whose `path` is a file of this machine; nothing warns, and here the file opens well. On any
# other machine it fails with the first row that is read. `push_to_hub` writes the bytes; for a file,
# `embed_table_storage` does.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pillow==13.0.0 pyarrow==26.0.1
HOME=$folder HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" <<'PYTHON' 2>/dev/null
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
from datasets import load_dataset
from PIL import Image

folder = Path(sys.argv[1])
for name in ("cat", "dog"):
    (folder / "photos" / name).mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / "photos" / name / f"{number}.png")
photos = load_dataset("imagefolder", data_dir=str(folder / "photos"))["train"]
photos.to_parquet(str(folder / "photos.parquet"))
rows = pq.read_table(folder / "photos.parquet")["image"].to_pylist()
without = sum(row["bytes"] is None for row in rows)
print(f"{without} of {len(rows)} rows have no bytes; a path: {rows[0]['path']}")
shutil.rmtree(folder / "photos")  # as on another machine
again = load_dataset("parquet", data_files=str(folder / "photos.parquet"))["train"]
try:
    again[0]
    error = "none"
except Exception as problem:
    error = type(problem).__name__
print(f"reading them elsewhere: {error}")
sys.exit(0 if (without, len(rows), error) == (6, 6, "FileNotFoundError") else "it changed")
PYTHON
