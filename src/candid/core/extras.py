"""Packages for models: require them before the work begins, start ONNX Runtime and TensorFlow."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from candid.errors import DependencyError

if TYPE_CHECKING:
    import onnxruntime as ort

# Harmless log lines of TensorFlow and LiteRT begin so. TF_CPP_MIN_LOG_LEVEL does not suppress them
# all: https://github.com/tensorflow/tensorflow/issues/79029
_NOISE: Final = (
    b"I0000",
    b"W0000",
    b"INFO:",
    b"WARNING: All log messages before absl",
    b"fully_quantize: ",
)


def require_packages(names: Iterable[str], *, needed_by: str, extra: str) -> None:
    """Check that packages are installed, without importing them.

    Args:
        names: Import names.
        needed_by: What needs them, for the message: ``an audit``.
        extra: The extra of ``candid-image`` that installs them.

    Raises:
        DependencyError: One is not installed.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"{needed_by} needs {', '.join(missing)}, which is not installed. "
            f'Run: pip install "candid-image[{extra}]"'
        )


def start_onnx(
    model: bytes | Path, *, num_threads: int = 0, log_severity: int = 4
) -> ort.InferenceSession:
    """Start a graph in ONNX Runtime on the CPU; errors are raised and by default not printed too.

    ``num_threads`` is per operator, 0 for one per physical core.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = log_severity
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def import_tensorflow(*, extra: str = "export") -> Any:
    """Import the module ``tensorflow``, with Keras on top of it.

    ``extra`` is that of ``candid-image`` which installs it.

    Raises:
        DependencyError: It can't be imported.
    """
    # Both are read when TensorFlow and Keras are imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with quiet():
            import tensorflow as tf
    except ImportError as error:
        raise DependencyError(
            f'TensorFlow can\'t be imported: {error}. Run: pip install "candid-image[{extra}]"'
        ) from error
    return tf


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress harmless log lines, and warnings about TensorFlow's own code.

    Other lines on file descriptor 2 are printed at the end; all lines are, after an exception.
    """
    with warnings.catch_warnings():
        # TensorFlow 2.21 does not know NumPy 2's `copy` yet, and calls deprecated code of its own.
        warnings.simplefilter("ignore")
        try:
            stderr = os.dup(2)
        except OSError:  # closed, as in a daemon
            yield
            return
        with tempfile.TemporaryFile() as captured:
            os.dup2(captured.fileno(), 2)
            failed = True
            try:
                yield
                failed = False
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)
                _print_captured(captured, everything=failed)


def _print_captured(captured: IO[bytes], *, everything: bool) -> None:
    captured.seek(0)
    for line in captured:
        if everything or not line.startswith(_NOISE):
            os.write(2, line)
