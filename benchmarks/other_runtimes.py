"""Do other runtimes give a run's probabilities? On the images that the run keeps in golden.npz.

Installs a runtime in a temporary environment and runs an export there, without Candid: an old ONNX
Runtime or OpenVINO for `--to onnx`, MediaPipe's image classifier for `--to litert`.

    python benchmarks/other_runtimes.py RUN EXPORT PACKAGE==VERSION [PACKAGE==VERSION ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

#: Code that defines `ask(image)`, the probabilities by class, and what is installed beside it.
RUNTIMES = {
    "onnxruntime": (
        ["numpy<2"],
        """
import onnxruntime
model = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
def ask(image):
    return model.run(["probabilities"], {"image": image[None]})[0][0]
""",
    ),
    "openvino": (
        [],
        """
import openvino
hint = {"INFERENCE_PRECISION_HINT": "f32"}
model = openvino.Core().compile_model(f"{folder}/model.onnx", "CPU", hint)
def ask(image):
    return model({"image": image[None]})["probabilities"][0]
""",
    ),
    "mediapipe": (
        [],
        """
import mediapipe
from mediapipe.tasks.python import BaseOptions, vision
base = BaseOptions(model_asset_path=f"{folder}/image_classifier.tflite")
options = vision.ImageClassifierOptions(base_options=base)
model = vision.ImageClassifier.create_from_options(options)
classes = open(f"{folder}/labels.txt", encoding="utf-8").read().splitlines()
def ask(image):
    photo = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
    (head,) = model.classify(photo).classifications
    scores = {one.category_name: one.score for one in head.categories}
    return np.array([scores[name] for name in classes])
""",
    ),
}
BEFORE = "import sys\nimport numpy as np\ngolden, folder = np.load(sys.argv[1]), sys.argv[2]\n"
AFTER = """
found = np.stack([ask(np.ascontiguousarray(image)) for image in golden["image"]])
print(f"{len(found)} images, off by {np.abs(found - golden['probabilities']).max():.1e}")
"""


def main() -> None:
    """Install each runtime, run, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("export", type=Path)
    parser.add_argument("packages", nargs="+", help=f"of {', '.join(RUNTIMES)}, with ==VERSION")
    args = parser.parse_args()
    for package in args.packages:
        beside, code = RUNTIMES[package.split("=")[0]]
        with tempfile.TemporaryDirectory() as scratch:
            venv.create(scratch, with_pip=True)
            python = str(Path(scratch, "Scripts" if sys.platform == "win32" else "bin", "python"))
            subprocess.run([python, "-m", "pip", "install", "-q", package, *beside], check=True)
            asked = [python, "-c", BEFORE + code + AFTER, args.run / "golden.npz", args.export]
            told = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(f"{package}: {told.strip()}", flush=True)


if __name__ == "__main__":
    main()
