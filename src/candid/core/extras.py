"""Packages for models: require them before the work begins, start ONNX Runtime and TensorFlow."""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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

_PASS_ON_EVERY_S: Final = 0.05


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
    """Suppress harmless log lines, and in the main thread warnings about TensorFlow's own code.

    Other lines on file descriptor 2 are passed on, and after an exception the harmless ones too.
    Of calls in several threads, the last to end gives the descriptor back.
    """
    is_main = threading.current_thread() is threading.main_thread()
    # The filters of warnings are those of all threads.
    with _sieve, warnings.catch_warnings() if is_main else nullcontext():
        if is_main:
            # TensorFlow 2.21 does not know NumPy 2's `copy`, and calls deprecated code of its own.
            warnings.simplefilter("ignore")
        yield


class _Sieve:
    """What leads file descriptor 2 through a file, which is read as it grows.

    A pipe would block whoever writes much while holding Python's lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_users = 0
        self._has_failed = False

    def __enter__(self) -> None:
        with self._lock:
            self._num_users += 1
            if self._num_users > 1:
                return
            try:
                self._stderr = os.dup(2)
            except OSError:  # closed, as in a daemon
                self._stderr = -1
                return
            self._file = tempfile.TemporaryFile()
            self._withheld: list[bytes] = []
            self._num_read, self._has_failed = 0, False
            self._is_over = threading.Event()
            os.dup2(self._file.fileno(), 2)
            self._reader = threading.Thread(target=self._pass_on, daemon=True)
            self._reader.start()

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            self._has_failed |= error is not None
            self._num_users -= 1
            if self._num_users or self._stderr < 0:
                return
            os.dup2(self._stderr, 2)
            self._is_over.set()
            self._reader.join()
            self._file.seek(self._num_read)
            self._print(self._file.readlines())
            if self._has_failed:
                os.write(self._stderr, b"".join(self._withheld))
            self._file.close()
            os.close(self._stderr)

    def _pass_on(self) -> None:
        """Print whole lines soon after they were written, where files can be read in two places."""
        while not self._is_over.wait(_PASS_ON_EVERY_S) and hasattr(os, "pread"):
            written = os.pread(self._file.fileno(), 2**20, self._num_read)
            whole = written[: written.rfind(b"\n") + 1]
            self._num_read += len(whole)
            self._print(whole.splitlines(keepends=True))

    def _print(self, lines: list[bytes]) -> None:
        for line in lines:
            if line.startswith(_NOISE):
                self._withheld.append(line)
            else:
                os.write(self._stderr, line)


_sieve: Final = _Sieve()
