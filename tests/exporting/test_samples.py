import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

from candid.data.source import DataSource
from candid.errors import ArtifactError
from candid.exporting.samples import Asked, choose_rows, find_photos, read_golden
from candid.runs.artifact import SPLIT
from candid.splits.split import Row, Split, read_csv


def test_the_test_part_is_found_and_predicted_by_the_run(trained, faces):
    split = read_csv(trained.folder / SPLIT)
    photos = find_photos(DataSource(faces.folder), split)
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
    photos = find_photos(DataSource(folder), split)
    assert len(photos.files) == len(tested) - 2
    assert photos.notes == ("2 photos are gone or changed, and not compared",)


#: Suffix and mode, and how many of them there are of each class.
KINDS = {("png", "RGB"): 30, ("jpg", "RGB"): 3, ("png", "RGBA"): 2, ("jpg", "L"): 1}


def write_kinds(folder):
    """Photos of two classes, most of one kind, and one that is no picture; their rows."""
    random, rows = np.random.default_rng(0), []
    for label in "ab":
        for (suffix, mode), number in KINDS.items():
            for place in range(number):
                file = folder / f"{label}-{mode}-{place}.{suffix}"
                noise = random.integers(0, 256, (4, 4, len(mode)), dtype=np.uint8)
                Image.fromarray(noise.squeeze(), mode).save(file)
                rows.append(row_of(file, label))
    (folder / "b-odd.bin").write_bytes(b"no picture")
    return [*rows, row_of(folder / "b-odd.bin", "b")]


def row_of(file, label):
    return Row(file.name, label, "test", "", hashlib.sha256(file.read_bytes()).hexdigest())


def test_a_sample_has_each_class_and_each_kind_of_file_and_depends_on_contents_alone(tmp_path):
    rows = write_kinds(tmp_path)
    chosen = choose_rows(tmp_path.joinpath, rows, 9)
    kinds = sorted({(row.label, row.path.split("-")[1], row.path[-3:]) for row in chosen})
    wanted = [(label, mode, suffix) for label in "ab" for suffix, mode in KINDS]
    assert kinds == sorted([*wanted, ("b", "odd.bin", "bin")])
    assert choose_rows(tmp_path.joinpath, rows[::-1], 9) == chosen
    assert choose_rows(tmp_path.joinpath, rows, 5) != rows[:5]
    assert len(choose_rows(tmp_path.joinpath, rows, 40)) == 40
    assert (
        choose_rows(tmp_path.joinpath, rows, None)
        is choose_rows(tmp_path.joinpath, rows, 73)
        is rows
    )


def test_a_sample_says_how_many_of_how_many_it_is(tmp_path):
    split = Split(tuple(write_kinds(tmp_path)), ())
    photos = find_photos(DataSource(tmp_path), split, most=9)
    assert (len(photos.files), photos.num_listed, photos.notes) == (9, 73, ())
    assert Asked(9, 73, 9).to_text() == (
        "Asked about 9 of 73 photos of the test part, of each class and kind of file in turn. "
        "--gate all asks about every one."
    )
    assert len(find_photos(DataSource(tmp_path), split).files) == 73
    for most in (None, 73):
        assert Asked(72, 73, most).to_text() == "Asked about 72 of 73 photos of the test part."


def test_golden_answers_are_those_that_were_stored(trained):
    golden = read_golden(trained.folder)
    answered = trained.classifier.model.run(golden.pixels)
    np.testing.assert_allclose(golden.expected.probabilities, answered.probabilities, atol=1e-5)
    assert golden.expected.novelty.shape == (len(golden.pixels),)


def test_a_damaged_golden_file_is_refused(copied_run):
    (copied_run / "golden.npz").write_bytes(b"PK")
    with pytest.raises(ArtifactError, match=r"golden\.npz can't be read"):
        read_golden(copied_run)
