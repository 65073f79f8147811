#!/bin/sh
# Pillow 13.0.0, tifffile 2026.3.3, imagecodecs 2026.3.6, on Linux (x86-64).
#
# One would guess that Pillow reads TIFF compressed with WebP (Compression 50001): its documentation lists
# "webp" among the compressions of TIFF, and its wheel brings both libtiff and libwebp. But the wheel's libtiff
# is built without WebP: reading says "decoder error -2" and writing "encoder error -2", which tells a person
# nothing, beside a line on stderr from libtiff itself. Zstandard and LZMA in TIFF are read.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import tifffile
from PIL import Image, features

colours = np.zeros((16, 16, 3), np.uint8)
colours[:, 8:] = 200
seen = {}
for how in ("webp", "zstd", "lzma"):
    file = f"{sys.argv[1]}/{how}.tif"
    tifffile.imwrite(file, colours, photometric="rgb", compression=how)
    assert abs(tifffile.imread(file).astype(int) - colours).max() <= 4
    try:
        seen[how] = np.asarray(Image.open(file))[0, [0, 15], 0].tolist()
    except OSError as error:
        seen[how] = str(error)
    print(f"{how}: Pillow read {seen[how]}; it has WebP itself: {features.check('webp')}")
try:
    Image.fromarray(colours).save(f"{sys.argv[1]}/own.tif", compression="webp")
except OSError as error:
    seen["write"] = str(error)
    print(f"written by Pillow: {error}")
known = {"write": "encoder error -2 when writing image file"}
known |= {"webp": "decoder error -2", "zstd": [0, 200], "lzma": [0, 200]}
sys.exit(0 if seen == known and features.check("webp") else "it changed")
PYTHON
