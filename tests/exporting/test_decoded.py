import cv2
import numpy as np
import pytest

from candid.exporting.decoded import MOST_DECODED, Decoded, compare_decoded, spread
from candid.prediction import Prediction


class Sure:
    """A run that is sure of what it is asked about."""

    def predict(self, _):
        return Prediction("", "sad", 0.9, {"happy": 0.1, "sad": 0.9})


def answering(label, sad, answer=None):
    probabilities = {"happy": 1 - sad, "sad": sad}
    return {"label": label, "answer": answer or label, "probabilities": probabilities}


def test_labels_answers_and_what_can_not_be_read_are_counted(tmp_path):
    answers = [
        answering("sad", 0.9),
        answering("sad", 0.8, "uncertain: happy or sad"),
        answering("happy", 0.4),
        {"label": None, "answer": "unreadable", "probabilities": {}},
    ]
    files = [tmp_path / f"{number}.png" for number in range(len(answers))]
    for file in files:
        cv2.imwrite(str(file), np.zeros((2, 2, 3), np.uint8))
    steps, left = [], iter(answers)
    gone = tmp_path / "gone.png"
    decoded = compare_decoded(lambda _: next(left), Sure(), [*files, gone], steps.append)
    assert decoded == Decoded(3, 2, 1, 1, pytest.approx(0.5))
    assert decoded.to_json()["label_agreement"] == pytest.approx(2 / 3)
    assert "not read by the browser" in decoded.to_lines()[1]
    assert sum(steps) == 4


@pytest.mark.parametrize(("same", "is_noted"), [(100, False), (99, False), (98, True)])
def test_fewer_labels_than_are_usual_are_noted(same, is_noted):
    notes = Decoded(100, same, same, 0, 0.1).notes
    assert (notes == ()) is not is_noted
    assert not is_noted or notes[0].startswith("only 98 of 100 labels agree")


@pytest.mark.parametrize("count", [0, 1, MOST_DECODED, MOST_DECODED + 1, 733])
def test_of_many_photos_some_are_taken_evenly(count, tmp_path):
    photos = [tmp_path / str(number) for number in range(count)]
    kept = spread(photos)
    assert len(kept) == len(set(kept)) == min(count, MOST_DECODED)
    assert list(kept) == sorted(kept, key=photos.index)
    assert not photos or kept[-1] in photos[-8:]
