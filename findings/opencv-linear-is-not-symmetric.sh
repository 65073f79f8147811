#!/bin/sh
# opencv-python-headless 5.0.0.93, on Linux (x86-64).
#
# One would guess that enlarging commutes with turning: resize a transposed picture, transpose it back, and have
# the same picture, as bilinear interpolation treats rows and columns alike. With uint8 and INTER_LINEAR one in
# twelve values differs by a level: columns are mixed in whole numbers of 11 bits, then rows, each of the two rounded
# down by itself. A row beyond the edge is mixed with itself in the same way, so a picture of one row, enlarged to
# 260 x 260, has rows that differ; one of one column has equal columns. Who has to compute the same pixels elsewhere
# (a browser, a phone) has to repeat that.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import cv2
import numpy as np

picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
plain = cv2.resize(picture, (260, 260), interpolation=cv2.INTER_LINEAR)
turned = cv2.resize(picture.transpose(1, 0, 2).copy(), (260, 260), interpolation=cv2.INTER_LINEAR)
off = np.abs(plain.astype(int) - turned.transpose(1, 0, 2))
print(f"OpenCV {cv2.__version__}: {(off > 0).mean():.1%} of the values differ, by up to {off.max()}")
kinds = []
for one, axis in ((picture[:1], 0), (picture[:, :1], 1)):
    made = cv2.resize(one, (260, 260), interpolation=cv2.INTER_LINEAR)
    kinds.append(np.unique(made, axis=axis).shape[axis])
print(f"one row becomes {kinds[0]} different rows, one column {kinds[1]} different column")
is_known = off.max() == 1 and 0.05 < (off > 0).mean() < 0.12 and kinds[0] > 1 == kinds[1]
sys.exit(0 if is_known else "it changed")
PYTHON
