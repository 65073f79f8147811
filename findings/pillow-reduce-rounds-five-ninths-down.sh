#!/bin/sh
# Pillow 13.0.0, on Linux (x86-64).
#
# One would guess that Image.reduce(3) gives the rounded mean of each block of nine: of five ones and four zeros,
# 0.556, so 1. It gives 0. Pillow adds half a block (4) to the sum and multiplies by 2**24 / 9 cut to a whole number,
# so a quotient that would be whole comes out one too low: one sum in nine for reduce(3), one in 25 for reduce(5);
# for reduce(6) it is the tie, 18 of 36. Blocks whose area is a power of two are right.
# JPEG's own scaling (draft) is another code and not affected.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import PIL
from PIL import Image

seen = {}
for side in (2, 3, 4, 5, 6):
    area, wrong = side * side, 0
    for total in range(area):
        block = Image.frombytes("L", (side, side), bytes([1] * total + [0] * (area - total)))
        wrong += block.reduce(side).getpixel((0, 0)) != (2 * total + area) // (2 * area)
    seen[side] = wrong
    print(f"Pillow {PIL.__version__}, reduce({side}): {wrong} of {area} sums are one too low")
sys.exit(0 if seen == {2: 0, 3: 1, 4: 0, 5: 1, 6: 1} else "it changed")
PYTHON
