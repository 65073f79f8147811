#!/bin/sh
# Keras 3.15.1 with TensorFlow 2.21.0 and tf2onnx 1.17.0, ONNX Runtime 1.32.0, on Linux (x86-64).
#
# One would guess that `model.export(path, format="onnx")` writes a file that answers as the model does, or raises.
# It returns without an error, but a convolution with groups becomes the operator StatefulPartitionedCall, which ONNX
# does not have, and the mean and variance that a Normalization layer was given become inputs of the graph, which
# the caller would have to feed. ConvNeXt of keras.applications has the first, EfficientNetV2 the second. A plain
# convolution is right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1 tf2onnx==1.17.0 onnxruntime==1.32.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" -W ignore - "$folder" 2>"$folder/log" <<'PYTHON' || { cat "$folder/log" >&2; exit 1; }
import sys

import keras
import numpy as np
import onnxruntime

layers = {
    "plain convolution": keras.layers.Conv2D(8, 3),
    "convolution with groups": keras.layers.Conv2D(8, 3, groups=4),
    "Normalization": keras.layers.Normalization(mean=[0.1, 0.2], variance=[1.0, 2.0]),
}
found = {}
for name, layer in layers.items():
    side = 2 if name == "Normalization" else 4
    model = keras.Sequential([keras.layers.Input((8, 8, side)), layer])
    image = np.random.default_rng(0).random((1, 8, 8, side), np.float32)
    expected = model.predict(image, verbose=0)
    model.export(f"{sys.argv[1]}/model.onnx", format="onnx", verbose=False)
    try:
        session = onnxruntime.InferenceSession(f"{sys.argv[1]}/model.onnx")
        if len(session.get_inputs()) > 1:
            found[name] = f"{len(session.get_inputs())} inputs"
        else:
            (answer,) = session.run(None, {session.get_inputs()[0].name: image})
            found[name] = "right" if np.abs(answer - expected).max() < 1e-5 else "other answers"
    except Exception as error:
        found[name] = "no ONNX" if "StatefulPartitionedCall" in str(error) else str(error)
    print(f"{name}: {found[name]}")
sys.exit(0 if list(found.values()) == ["right", "no ONNX", "3 inputs"] else "it changed")
PYTHON
