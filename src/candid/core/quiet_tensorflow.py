"""Imports TensorFlow, and holds back what it and its converters tell on the way."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from candid.errors import DependencyError

# What a log line of TensorFlow's or LiteRT's begins with that tells of no trouble. The level that
# TF_CPP_MIN_LOG_LEVEL sets does not hold them all back:
# https://github.com/tensorflow/tensorflow/issues/79029
_CHATTER: Final = (
    b"I0000",
    b"W0000",
    b"INFO:",
    b"WARNING: All log messages before absl",
    b"fully_quantize: ",
)


def import_tensorflow() -> Any:
    """Import TensorFlow, with Keras on top of it.

    Returns:
        The module.

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
            f'TensorFlow can\'t be imported: {error}. Run: pip install "candid-image[export]"'
        ) from error
    return tf


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back log lines that tell of no trouble, and warnings about TensorFlow's own code.

    Lines of file descriptor 2 that tell of trouble are passed on at the end; all of them are if an
    exception is raised.
    """
    with warnings.catch_warnings():
        # TensorFlow 2.21 does not know NumPy 2's `copy` yet, and calls deprecated code of its own.
        warnings.simplefilter("ignore")
        try:
            stderr = os.dup(2)
        except OSError:  # closed, as in a daemon
            yield
            return
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            failed = True
            try:
                yield
                failed = False
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)
                _pass_on(held, everything=failed)


def _pass_on(held: IO[bytes], *, everything: bool) -> None:
    held.seek(0)
    for line in held:
        if everything or not line.startswith(_CHATTER):
            os.write(2, line)
