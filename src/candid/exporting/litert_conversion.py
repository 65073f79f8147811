"""From Keras to LiteRT."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from candid.exporting.saved_model import SIGNATURE
from candid.owned_folder import scratch_folder
from candid.quiet_tensorflow import import_tensorflow, quiet


def convert(model: Any, *, size_px: int) -> bytes:
    """Convert a Keras model to LiteRT.

    Args:
        model: Takes uint8 ``(n, size_px, size_px, 3)``; its outputs have names.
        size_px: Height and width of an image.

    Returns:
        The flatbuffer, of built-in operators alone.
    """
    with opened_converter(model, size_px=size_px) as converter, quiet():
        flatbuffer: bytes = converter.convert()
    return flatbuffer


@contextmanager
def opened_converter(model: Any, *, size_px: int) -> Iterator[Any]:
    """Prepare a Keras model to be converted.

    Args:
        model: Takes uint8 ``(n, size_px, size_px, 3)``; its outputs have names.
        size_px: Height and width of an image.

    Yields:
        A ``tf.lite.TFLiteConverter``, which reads a temporary folder. What it makes has the
        signature ``serving_default``, which takes one image: with a batch whose size varies,
        neither the fast kernels for CPUs (XNNPACK) nor a phone's GPU would take the graph.
    """
    tf = import_tensorflow()
    import keras

    one_image = tf.TensorSpec((1, size_px, size_px, 3), tf.uint8, name="image")
    with scratch_folder("candid-litert-") as scratch:
        with quiet():
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint(SIGNATURE, lambda image: model(image), input_signature=[one_image])
            archive.write_out(str(scratch), verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                str(scratch), signature_keys=[SIGNATURE]
            )
        yield converter
