import cv2
import numpy as np
import pytest

from candid.errors import ParityError
from candid.exporting.samples import MOST_DECODED, Decoded, compare_decoded, spread
from candid.runs.prediction import Prediction


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
    files = [tmp_path / name for name in ("0.png", "1.jpg", "2.png", "3.webp")]
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


def test_of_nothing_compared_no_share_is_told():
    decoded = Decoded(0, 0, 0, 0, 0.0)
    assert decoded.label_agreement is None
    assert decoded.to_json()["label_agreement"] is None
    assert decoded.notes == ("no photo was compared where the export decodes photos itself",)
    assert decoded.to_lines() == ["  decoded by the browser, no photo was compared"]


@pytest.mark.parametrize(
    ("count", "note"),
    [(1, "1 photo is not read by the browser"), (3, "3 photos are not read by the browser")],
)
def test_photos_that_the_browser_does_not_read_are_noted(count, note):
    assert Decoded(9, 9, 9, count, 0.0).notes == (note,)
    assert Decoded(0, 0, 0, count, 0.0).notes[0] == note
    assert Decoded(9, 9, 9, 0, 0.0).notes == ()


class Puzzled:
    """A run that can't read what it is asked about either."""

    def predict(self, _):
        return Prediction("", None, None, {}, reason="damaged")


UNREADABLE = {"label": None, "probabilities": {}, "reason": "truncated:\x1b the data end"}


@pytest.mark.parametrize(
    ("suffix", "is_refused"), [("png", True), ("jpg", True), ("webp", False), ("tiff", False)]
)
def test_a_browser_that_refuses_a_jpeg_or_png_of_the_run_is_no_export(suffix, is_refused, tmp_path):
    file = tmp_path / f"photo.{suffix}"
    cv2.imwrite(str(file), np.zeros((2, 2, 3), np.uint8))
    if not is_refused:
        assert compare_decoded(lambda _: UNREADABLE, Sure(), [file]).num_unreadable == 1
        return
    said = r"does not read photo\.\w+ in the browser, a \w+ that the run reads: truncated:\\x1b the"
    with pytest.raises(ParityError, match=said):
        compare_decoded(lambda _: UNREADABLE, Sure(), [file])
    assert compare_decoded(lambda _: UNREADABLE, Puzzled(), [file]).num_unreadable == 1


def test_a_photo_that_no_canvas_holds_is_counted_and_no_fault_of_the_export(tmp_path):
    file = tmp_path / "scan.png"
    cv2.imwrite(str(file), np.zeros((2, 2, 3), np.uint8))
    reason = "too large: 70000 x 2 pixels, limit 65535 a side in a browser"
    found = compare_decoded(lambda _: UNREADABLE | {"reason": reason}, Sure(), [file])
    assert (found.num_unreadable, found.num_images) == (1, 0)


@pytest.mark.parametrize("count", [0, 1, MOST_DECODED, MOST_DECODED + 1, 733])
def test_of_many_photos_some_are_taken_evenly(count, tmp_path):
    photos = [tmp_path / str(number) for number in range(count)]
    kept = spread(photos)
    assert len(kept) == len(set(kept)) == min(count, MOST_DECODED)
    assert list(kept) == sorted(kept, key=photos.index)
    assert not photos or kept[-1] in photos[-8:]
