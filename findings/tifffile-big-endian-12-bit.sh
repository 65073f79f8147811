#!/bin/sh
# tifffile 2026.3.3, NumPy 2.3.5.
#
# One would guess that `tifffile.imwrite(…, bitspersample=12)` writes samples that are packed as TIFF says, the
# high bit first, whatever the byte order of the file, which is that of numbers of whole bytes; and that it reads
# back what it wrote. Little-endian files are so. In big-endian ones the bytes of the samples are swapped before
# they are packed: the file is valid, shows noise in every reader, tifffile's own reader included, and
# nothing is said. Samples that are packed by hand into a big-endian file are read rightly.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.3.5
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import tifffile

file = f"{sys.argv[1]}/ramp.tif"
values = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (8, 1))
bits = (values[..., None] >> np.arange(11, -1, -1)) & 1
packed = np.packbits(bits.astype(np.uint8).reshape(8, -1), axis=1).tobytes()
seen = {}
for order in "<>":
    tifffile.imwrite(file, values, byteorder=order, bitspersample=12, photometric="minisblack")
    with open(file, "rb") as stream:
        is_packed = packed in stream.read()
    seen[order] = is_packed, bool((tifffile.imread(file) == values).all())
    print(f"{order}: packed as expected and read back, expected (True, True), seen {seen[order]}")
sys.exit(0 if seen == {"<": (True, True), ">": (False, False)} else "it changed")
PYTHON
