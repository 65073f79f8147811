"""Comparing runs as they are trained, from two folders to the sentence."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from candid.cli.demo import SampleSet
from candid.errors import ArtifactError, UsageError
from candid.evaluation.comparing import Comparison, compare_runs
from candid.evaluation.comparing.aligned import read_run
from candid.evaluation.comparing.paired_tests import mcnemar
from candid.splits.prepare import SplitOptions
from candid.training import Run, TrainOptions, train
from tests.evaluation.comparing.made import Shot, make_run, shots

StateOf = Callable[[Path], dict[str, tuple[str, int]]]
BACKBONE = "efficientnet-lite0"


def train_on(data: Path, run: Path, **split: object) -> Path:
    options = TrainOptions(backbone=BACKBONE, fit="pad", split=SplitOptions(**split))
    return train(data, run=run, options=options).folder


@pytest.fixture(scope="module")
def renamed(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faces elsewhere, under other names."""
    folder = tmp_path_factory.mktemp("renamed") / "photos"
    for name in ("happy", "sad"):
        (folder / name).mkdir(parents=True)
        for number, file in enumerate(sorted((faces.folder / name).iterdir(), reverse=True)):
            shutil.copyfile(file, folder / name / f"{number}{file.suffix}")
    return folder


@pytest.fixture(scope="module")
def padded(trained: Run, renamed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the renamed faces, padded instead of squashed, with the split of the other."""
    folder = tmp_path_factory.mktemp("padded") / "padded"
    return train_on(renamed, folder, previous=trained.folder / "split.csv")


@pytest.fixture(scope="module")
def found(trained: Run, padded: Path) -> Comparison:
    return compare_runs([trained.folder, padded])


class TestTrainedRuns:
    def test_are_compared_by_content_by_both_estimates(
        self, found: Comparison, trained: Run
    ) -> None:
        run = read_run(trained.folder)
        assert [e.estimate for e in found.estimates] == ["test", "kfold"]
        assert found.believed.estimate == "kfold"
        assert [e.num_images for e in found.estimates] == [
            len(run.right["test"]),
            len(run.right["kfold"]),
        ]

    def test_each_figure_can_be_computed_from_their_predictions(
        self, found: Comparison, trained: Run, padded: Path
    ) -> None:
        a, b = read_run(trained.folder), read_run(padded)
        for compared in found.estimates:
            contents = sorted(a.right[compared.estimate])
            hits = np.array([[r.right[compared.estimate][c] for c in contents] for r in (a, b)])
            groups = np.unique([a.groups[c] for c in contents], return_inverse=True)[1]
            [pair] = compared.pairs
            assert pair.only_first == (hits[0] > hits[1]).sum()
            assert pair.only_second == (hits[1] > hits[0]).sum()
            assert pair.difference.value == pytest.approx(hits[1].mean() - hits[0].mean())
            assert pair.p == pair.p_corrected == mcnemar(*hits, groups)
            assert [figure.value for figure in compared.accuracies] == pytest.approx(
                hits.mean(axis=1)
            )

    def test_are_told_apart_in_the_text_and_the_json(self, found: Comparison) -> None:
        text, values = found.to_text(), json.loads(json.dumps(found.to_json()))
        assert found.names == ("run", "padded")
        assert text.endswith(values["estimates"]["kfold"]["pairs"][0]["sentence"])
        assert "padded  0." in text

    def test_give_the_same_every_time(self, found: Comparison, trained: Run, padded: Path) -> None:
        assert compare_runs([trained.folder, padded]).to_json() == found.to_json()

    def test_are_left_as_they_were(self, trained: Run, padded: Path, state_of: StateOf) -> None:
        before = state_of(trained.folder), state_of(padded)
        compare_runs([trained.folder, padded])
        assert (state_of(trained.folder), state_of(padded)) == before

    def test_are_refused_where_one_learnt_from_the_test_part_of_another(
        self, trained: Run, renamed: Path, padded: Path, tmp_path: Path
    ) -> None:
        other = train_on(renamed, tmp_path / "other", seed=1)
        with pytest.raises(UsageError, match=r"was trained on \d+ of the \d+ test images of"):
            compare_runs([trained.folder, other])
        with pytest.raises(UsageError, match="was trained on"):
            compare_runs([trained.folder, padded, other])

    def test_a_copy_of_a_run_does_not_differ_and_the_interval_is_not_empty(
        self, trained: Run, copied_run: Path
    ) -> None:
        found = compare_runs([trained.folder, copied_run])
        for compared in found.estimates:
            [pair] = compared.pairs
            assert (pair.only_first, pair.only_second, pair.p) == (0, 0, 1)
            assert pair.photos_needed is None
            assert pair.difference.low < 0 < pair.difference.high

    def test_three_are_compared_in_pairs(
        self, trained: Run, padded: Path, copied_run: Path
    ) -> None:
        found = compare_runs([trained.folder, padded, copied_run])
        [ab, ac, bc] = found.believed.pairs
        assert (ac.only_first, ac.only_second) == (0, 0)
        assert (ab.only_first, ab.only_second) == (bc.only_second, bc.only_first)
        assert ab.p_corrected == pytest.approx(min(1, 3 * ab.p))
        assert "corrected for 3 comparisons (Holm)" in found.to_text()

    def test_with_damaged_predictions_are_refused(self, trained: Run, copied_run: Path) -> None:
        file = copied_run / "predictions.csv"
        file.write_bytes(file.read_bytes()[:-40])
        with pytest.raises(ArtifactError, match="not as it was written"):
            compare_runs([trained.folder, copied_run])


class TestNames:
    def test_of_folders_that_are_alike_are_their_paths(self, tmp_path: Path) -> None:
        folders = [make_run(tmp_path / above / "run", shots("+-")) for above in "ab"]
        assert compare_runs(folders).names == tuple(map(str, folders))

    def test_of_a_run_that_is_compared_with_itself_are_numbered(self, tmp_path: Path) -> None:
        folder = make_run(tmp_path / "run", shots("+-"))
        found = compare_runs([folder, folder])
        assert found.names == (str(folder), f"{folder} (2)")
        assert found.notes == ("a run is compared with itself.",)
        assert found.believed.pairs[0].p == 1

    def test_that_are_no_utf8_are_shown_by_their_bytes(self, tmp_path: Path) -> None:
        odd = make_run(tmp_path / os.fsdecode(b"\xff"), shots("+-"))
        found = compare_runs([odd, make_run(tmp_path / "b", shots("++"))])
        assert r"  \xff  0.500" in found.to_text()
        json.dumps(found.to_json())


@pytest.mark.parametrize("number", [0, 1])
def test_one_run_is_nothing_to_compare(tmp_path: Path, number: int) -> None:
    folders = [make_run(tmp_path / "run", shots("+-"))][:number]
    with pytest.raises(UsageError, match=f"two or more runs, received {number}"):
        compare_runs(folders)


def test_a_real_difference_is_found_and_an_odd_one_is_not(tmp_path: Path) -> None:
    worse = make_run(tmp_path / "worse", shots("+" * 40 + "-" * 20))
    better = make_run(tmp_path / "better", shots("+" * 58 + "-" * 2))
    [pair] = compare_runs([worse, better]).believed.pairs
    assert pair.to_sentence().startswith("`better` is better than `worse` by 30.0 points (")
    assert pair.to_sentence().endswith(", p < 0.001: more than chance explains.")


def test_copies_are_no_evidence(tmp_path: Path) -> None:
    """Nine images of difference are 3 pictures, where each was saved three times."""
    for name, copies, real in (("apart", 1, True), ("tied", 3, False)):
        worse = make_run(tmp_path / name / "worse", shots("+" * 9 + "-" * 9, copies=copies))
        better = make_run(tmp_path / name / "better", shots("+" * 18, copies=copies))
        [pair] = compare_runs([worse, better]).believed.pairs
        assert pair.only_second == 9
        assert pair.is_real is real
        assert pair.p == pytest.approx(math.ldexp(1, -9 // copies))


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    made = [*shots("+-"), Shot("x")]
    folders = [str(make_run(tmp_path / name, made)) for name in "ab"]
    code = (
        "import sys; from candid.evaluation.comparing import compare_runs; "
        "print(compare_runs(sys.argv[1:]).to_text()); "
        "print(sorted({'scipy', 'sklearn', 'matplotlib', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
