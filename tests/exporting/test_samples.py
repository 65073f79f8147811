import hashlib
import shutil

import numpy as np
import pytest

from candid.errors import ArtifactError
from candid.exporting.samples import find_photos, read_golden
from candid.runs.artifact import SPLIT
from candid.splits.split import Row, Split, read_csv


def test_the_test_part_is_found_and_predicted_by_the_run(trained, faces):
    split = read_csv(trained.folder / SPLIT)
    photos = find_photos(faces.folder, split)
    assert len(photos.files) == len(split.places("test"))
    assert photos.notes == ()
    batches = list(photos.batches(trained.classifier))
    pixels = np.concatenate([batch.pixels for batch in batches])
    answered = trained.classifier.model.run(pixels)
    given = np.concatenate([batch.expected.probabilities for batch in batches])
    np.testing.assert_array_equal(given, answered.probabilities)


def test_a_photo_that_is_gone_or_changed_is_noted(trained, faces, tmp_path):
    folder = shutil.copytree(faces.folder, tmp_path / "faces")
    split = read_csv(trained.folder / SPLIT)
    tested = [row.path for row in split.rows if row.part == "test"]
    (folder / tested[0]).unlink()
    shutil.copyfile(folder / tested[2], folder / tested[1])
    photos = find_photos(folder, split)
    assert len(photos.files) == len(tested) - 2
    assert photos.notes == ("2 photos are gone or changed, and not compared",)


def test_many_photos_are_sampled_over_the_whole_list(tmp_path):
    rows = []
    for number in range(50):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]))
        content = hashlib.sha256(bytes([number])).hexdigest()
        rows.append(Row(f"{number}.bin", "a", "test", "", content))
    names = [file.stem for file in find_photos(tmp_path, Split(tuple(rows), ()), most=3).files]
    assert (names[0], names[-1], len(names)) == ("0", "49", 3)


def test_golden_answers_are_those_that_were_stored(trained):
    golden = read_golden(trained.folder)
    answered = trained.classifier.model.run(golden.pixels)
    np.testing.assert_allclose(golden.expected.probabilities, answered.probabilities, atol=1e-5)
    assert golden.expected.novelty.shape == (len(golden.pixels),)


def test_a_damaged_golden_file_is_refused(copied_run):
    (copied_run / "golden.npz").write_bytes(b"PK")
    with pytest.raises(ArtifactError, match=r"golden\.npz can't be read"):
        read_golden(copied_run)
