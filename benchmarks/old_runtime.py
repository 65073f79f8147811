"""Does an old ONNX Runtime give a run's answers? On the images that the run keeps in golden.npz.

Installs that version, and a NumPy of its time, in a temporary environment, and runs exports of
`candid export RUN --to onnx` there. By default the oldest one that has wheels for Python 3.11.

    python benchmarks/old_runtime.py RUN EXPORT [EXPORT ...] [--version 1.15.0]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

#: Runs in the old environment: a row for each export.
ASK = """
import sys, numpy as np, onnxruntime
golden = np.load(sys.argv[1])
for folder in sys.argv[2:]:
    file, providers = f"{folder}/model.onnx", ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(file, providers=providers)
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(names, {"image": image[None]}) for image in golden["image"]]
    answers = {name: np.concatenate(row) for name, row in zip(names, zip(*rows))}
    off = [f"{np.abs(answers[k] - golden[k]).max():.1e}" for k in ("probabilities", "novelty")]
    print(f"| {folder} | {onnxruntime.__version__} | {len(rows)} | {' | '.join(off)} |")
"""


def main() -> None:
    """Install, run, and print a row for each export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("exports", nargs="+")
    parser.add_argument("--version", default="1.15.0", help="of ONNX Runtime")
    args = parser.parse_args()
    print("| export | ONNX Runtime | images | probability off by | novelty off by |")
    print("|---|---|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, with_pip=True)
        python = str(Path(scratch, "Scripts" if sys.platform == "win32" else "bin", "python"))
        wanted = (f"onnxruntime=={args.version}", "numpy<2")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        asked = [python, "-c", ASK, str(args.run / "golden.npz"), *args.exports]
        raise SystemExit(subprocess.run(asked, check=False).returncode)


if __name__ == "__main__":
    main()
