#!/bin/sh
# Pillow 13.0.0 (libtiff inside), tifffile 2026.3.3, imagecodecs 2026.3.6.
#
# One would guess that a grey float32 TIFF gives the same numbers in either byte order and with or without
# compression, as it does for uint16. Big-endian and compressed, float32, int32 and int16 come with swapped
# bytes: libtiff hands out samples in the machine's order, and the raw modes "F;32BF", "I;32BS" and "I;16BS"
# swap them once more ("I;16B" is replaced by "I;16N" for this reason, the others are not). There is no
# error; floats become denormal, so that a check for "0 to 1" passes and the picture is black.
# A signed 16-bit 256 becomes 1. tifffile reads all of them as written.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import tifffile
from PIL import Image

folder, seen = sys.argv[1], {}
for kind in ("uint16", "int16", "int32", "float32"):
    for order in "<>":
        for how in (None, "zlib"):
            values = np.full((4, 4), 256, kind)
            file = f"{folder}/{kind}.tif"
            tifffile.imwrite(file, values, byteorder=order, compression=how, photometric="minisblack")
            assert (tifffile.imread(file) == values).all()
            name = f"{kind} {'big' if order == '>' else 'little'}-endian {how or 'plain'}"
            seen[name] = float(np.asarray(Image.open(file))[0, 0])
            print(f"{name}: wrote 256, Pillow read {seen[name]:g}")
wrong = {name for name, value in seen.items() if value != 256}
expected = {f"{kind} big-endian zlib" for kind in ("int16", "int32", "float32")}
sys.exit(0 if wrong == expected else f"it changed: {sorted(wrong)}")
PYTHON
