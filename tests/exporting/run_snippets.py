"""Runs snippets as scripts."""

import json

import cv2
import numpy as np
import pytest

from tests.conftest import JSON_KEYS

#: What a snippet prints: the values of a prediction that do not come from the file.
KEYS = [key for key in JSON_KEYS if key not in ("path", "reason")]


def run_snippet(code, folder):
    """Run a snippet as a script of a folder; returns its global names."""
    names = {"__name__": "__main__"}
    exec(compile(code, str(folder / "script.py"), "exec"), names)
    return names


def photo_of(run, folder):
    """Write ``photo.jpg``, a smooth picture of the run's own size; returns the run's prediction.

    It needs no resizing, so that both have exactly the same pixels.
    """
    size = run.classifier.contract.size_px
    coarse = np.random.default_rng(5).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    photo = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / "photo.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return run.classifier.predict(folder / "photo.jpg")


def require_same(printed, prediction, near=1e-5):
    """Check that a snippet printed the values of a prediction, under the same names."""
    values, expected = json.loads(printed), prediction.to_json()
    assert list(values) == KEYS
    for name in ("answer", "label", "verdict", "possible"):
        assert values[name] == expected[name]
    for name in ("probability", "positive_probability", "probabilities", "familiarity"):
        known = expected[name]
        assert values[name] == (known if known is None else pytest.approx(known, abs=near))
