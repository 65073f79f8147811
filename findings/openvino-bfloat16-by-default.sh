#!/bin/sh
# OpenVINO 2026.4.1, onnx 1.19.1, on Linux (x86-64).
#
# One would guess that a float32 ONNX file is computed in float32. On a processor that computes in bfloat16
# (avx512_bf16 or AMX), the CPU plugin's INFERENCE_PRECISION_HINT is bfloat16 from the start: a network of eight
# convolutions is off by about a hundredth. With the hint f32 it gives NumPy's figures. On other processors this
# script shows nothing.
set -eu
if ! grep -q -E 'avx512_bf16|amx_bf16' /proc/cpuinfo; then
    echo "this processor has no bfloat16: nothing to show"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.19.1
"$folder/venv/bin/python" - "$folder/model.onnx" <<'PYTHON'
import sys

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(0)
nodes, constants, last = [], [], "x"
for place in range(8):
    weights = random.normal(0, 0.2, (16, 16, 3, 3)).astype(np.float32)
    constants.append(numpy_helper.from_array(weights, f"w{place}"))
    nodes.append(helper.make_node("Conv", [last, f"w{place}"], [f"c{place}"], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Relu", [f"c{place}"], [f"r{place}"]))
    last = f"r{place}"
nodes.append(helper.make_node("GlobalAveragePool", [last], ["y"]))
sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
sides[0] = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 12, 12])
graph = helper.make_graph(nodes, "g", sides[:1], sides[1:], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.save(model, sys.argv[1])
image = random.uniform(0, 1, (1, 16, 12, 12)).astype(np.float32)
(expected,) = ReferenceEvaluator(model).run(None, {"x": image})
off = {}
for hint in (None, "f32"):
    options = {} if hint is None else {"INFERENCE_PRECISION_HINT": hint}
    compiled = openvino.Core().compile_model(sys.argv[1], "CPU", options)
    found = compiled([image])[0]
    off[hint] = float(abs(found - expected).max() / abs(expected).max())
    used = compiled.get_property("INFERENCE_PRECISION_HINT")
    print(f"hint {hint}: computes in {used.to_string()}, off by {off[hint]:.1e} of the largest value")
sys.exit(0 if off[None] > 1e-3 and off["f32"] < 1e-5 else "it changed")
PYTHON
