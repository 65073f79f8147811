"""Export a run to ONNX, Keras, SavedModel, LiteRT or the web, and keep only what passes the gate.

    run ─ Source ─▶ Format.write ─▶ temporary folder ─ Format.open_export ─▶ outputs
                                                                               │
    run ─ its own outputs on golden.npz and the test part ─────────────────────┴─▶ Parity
                                                      passes: exports/<run>-<format>
                                                      fails:  ParityError, nothing is written

TensorFlow is imported by the functions that need it, not by these modules.
"""

from candid.errors import ParityError
from candid.exporting.export import FORMATS, ExportRequest, export_run
from candid.exporting.format import Format

__all__ = ["FORMATS", "ExportRequest", "Format", "ParityError", "export_run"]
