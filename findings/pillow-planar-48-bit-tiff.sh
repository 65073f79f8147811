#!/bin/sh
# Pillow 13.0.0, tifffile 2026.3.3.
#
# One would guess that a TIFF of three 16-bit planes (PlanarConfiguration 2), which is valid and plain, is
# read like the same picture with interleaved samples, by the upper byte, or refused. Uncompressed, Pillow
# decodes each plane as 8-bit pixels ("R", "G", "B"): a row shows the low and the high bytes of half a row
# side by side, at twice the width of what they belong to, without an error. Compressed by Deflate it is right.
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

file = f"{sys.argv[1]}/planes.tif"
planes = np.zeros((3, 8, 8), "<u2")
planes[0] = 0x4010  # low byte 16, high byte 64
seen = {}
for how in (None, "zlib"):
    tifffile.imwrite(file, planes, photometric="rgb", planarconfig="separate", compression=how)
    assert (tifffile.imread(file) == planes).all()
    seen[how] = np.asarray(Image.open(file))[0, :4, 0].tolist()
    print(f"{how or 'plain'}: expected [64, 64, 64, 64], Pillow read {seen[how]}")
is_known = seen == {None: [16, 64, 16, 64], "zlib": [64, 64, 64, 64]}
sys.exit(0 if is_known else "it changed")
PYTHON
