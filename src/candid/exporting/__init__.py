"""A run in other runtimes: ONNX, Keras, SavedModel, LiteRT, the web; compared before it stands.

    run ─ Source ─▶ Format.write ─▶ a temporary folder ─ Format.load ─▶ answers
                                                                         │
    run ─ its own answers to golden.npz and to the test part ────────────┴─▶ Parity
                                                          holds: exports/<run>-<format>
                                                          else:  nothing, and why

TensorFlow is imported by the functions that need it, not by these modules.
"""

from candid.errors import ParityError
from candid.exporting.export import FORMATS, Exported, ExportRequest, export_run
from candid.exporting.format import Format
from candid.exporting.parity import Parity

__all__ = [
    "FORMATS",
    "ExportRequest",
    "Exported",
    "Format",
    "Parity",
    "ParityError",
    "export_run",
]
