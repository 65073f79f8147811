"""An explanation becomes JSON that says the same."""

from __future__ import annotations

import json

import numpy as np

from candid.runs.explaining import Explanation, Similar


def test_it_becomes_json_values_rounded_to_four_decimals() -> None:
    heat = np.array([[0.123456, -2.0], [-1e-9, 31.41592653]], np.float32)
    similar = (Similar("happy/a.jpg", "happy", 0.87654321), Similar("sad/b.jpg", "sad", 0.0))
    explanation = Explanation(heat, "the lower right", similar)
    text = json.dumps(explanation.to_json(), allow_nan=False)
    assert "-0.0" not in text
    assert json.loads(text) == {
        "heat": [[0.1235, -2.0], [0.0, 31.4159]],
        "where": "the lower right",
        "similar": [
            {"path": "happy/a.jpg", "label": "happy", "similarity": 0.8765},
            {"path": "sad/b.jpg", "label": "sad", "similarity": 0.0},
        ],
    }


def test_numpy_numbers_become_json_too() -> None:
    similar = (Similar("a/b.png", "a", np.float32(0.5)),)  # type: ignore[arg-type]
    json.dumps(Explanation(np.zeros((1, 1), np.float32), "nowhere", similar).to_json())
