"""Comparing runs: from folders to the conclusion, and the figures of each pair."""

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
from hypothesis import given
from hypothesis import strategies as st

from candid.cli.demo import SampleSet
from candid.errors import ArtifactError, UsageError
from candid.evaluation.comparing import Comparison, compare_runs
from candid.evaluation.comparing.aligned import Aligned, read_run
from candid.evaluation.comparing.compare import Compared, Pair, compare_aligned
from candid.evaluation.comparing.paired_tests import mcnemar
from candid.evaluation.estimate import proportion
from candid.splits.prepare import SplitOptions
from candid.training import Run, TrainOptions, train
from tests.evaluation.comparing.made import Shot, content_of, make_run, shots

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

    def test_name_the_images_that_only_one_gets_right(
        self, found: Comparison, trained: Run, padded: Path
    ) -> None:
        a, b = (read_run(folder).right["kfold"] for folder in (trained.folder, padded))
        first, second = found.believed.only(0, 1), found.believed.only(1, 0)
        assert first or second
        assert set(first) == {content for content in a if a[content] and not b[content]}
        assert set(second) == {content for content in a if b[content] and not a[content]}

    def test_are_distinguished_in_the_text_and_the_json(self, found: Comparison) -> None:
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

    def test_are_refused_where_one_was_trained_on_the_test_part_of_another(
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


class TestEqualFilesInTwoParts:
    """As `--own-parts as-is` leaves them, test before train in the order of their paths."""

    TWICE = (Shot("twice", path="test/a.jpg"), Shot("twice", "train", path="train/a.jpg"))

    def test_count_as_trained_on(self, tmp_path: Path) -> None:
        run = read_run(make_run(tmp_path / "run", [*self.TWICE, *shots("+-")]))
        assert run.trained == {content_of(name) for name in ("twice", "own", "other")}

    def test_are_refused_where_they_are_test_images_of_the_other_run(self, tmp_path: Path) -> None:
        twice = make_run(tmp_path / "twice", [*self.TWICE, *shots("+-")])
        once = make_run(tmp_path / "once", [Shot("twice"), *shots("+-")])
        with pytest.raises(UsageError, match=r"twice was trained on 1 of the 3 test images of"):
            compare_runs([twice, once])

    def test_are_left_out_where_both_runs_have_them(self, tmp_path: Path) -> None:
        folders = [make_run(tmp_path / name, [*self.TWICE, *shots("+-")]) for name in "ab"]
        found = compare_runs(folders)
        assert found.believed.num_images == 2


def test_a_run_without_figures_is_refused_in_one_sentence(tmp_path: Path) -> None:
    measured = make_run(tmp_path / "measured", shots("+-"))
    whole = make_run(tmp_path / "whole", [Shot("a", "train"), Shot("b", "train", "sad")])
    for folders in ([measured, whole], [whole, measured], [whole, whole, measured]):
        with pytest.raises(UsageError) as caught:
            compare_runs(folders)
        assert str(caught.value).startswith("trained with --no-figures")
        assert str(caught.value).count("whole") == 1
        assert str(measured) not in str(caught.value)
        assert "\n" not in str(caught.value)


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


def compared(hits: object, groups: object = None) -> Compared:
    rows = np.array(hits, np.bool_)
    group_numbers = np.arange(rows.shape[1]) if groups is None else np.array(groups, np.int64)
    names = "abcdef"[: len(rows)]
    return compare_aligned(Aligned("test", rows, group_numbers, ()), names)


def pair_of(only_first: int, only_second: int, both: int = 0) -> Pair:
    counts = [only_first, only_second, both]
    rows = [np.repeat([True, False, True], counts), np.repeat([False, True, True], counts)]
    return compared(rows).pairs[0]


class TestInterval:
    @pytest.mark.parametrize("both", [1, 5, 40])
    def test_of_runs_that_never_differ_is_that_of_tango(self, both: int) -> None:
        pair = pair_of(0, 0, both)
        half = 1.96**2 / (both + 1.96**2)
        assert (pair.difference.low, pair.difference.high) == pytest.approx((-half, half), rel=1e-3)
        assert (pair.difference.value, pair.p, pair.photos_needed) == (0, 1, None)

    def test_of_runs_that_always_differ_has_a_width_too(self) -> None:
        figure = pair_of(0, 10).difference
        assert (figure.value, figure.high) == (1, 1)
        assert figure.low == pytest.approx(10 / (10 + 1.96**2), rel=1e-3)

    def test_is_wider_where_the_images_are_copies(self) -> None:
        hits = [[1] * 12, [1] * 12]
        apart = compared(hits).pairs[0].difference
        tied = compared(hits, np.repeat(range(4), 3)).pairs[0].difference
        assert tied.high == pytest.approx(1.96**2 / (4 + 1.96**2), rel=1e-3)
        assert tied.high > apart.high

    @given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 60))
    def test_holds_0_where_the_test_does_not_exclude_it(
        self, only_first: int, only_second: int, both: int
    ) -> None:
        if only_first + only_second + both == 0:
            return
        pair = pair_of(only_first, only_second, both)
        figure = pair.difference
        assert -1 <= figure.low <= figure.value <= figure.high <= 1
        assert figure.low < figure.high
        if pair.p >= 0.05:
            assert figure.low <= 0 <= figure.high

    def test_is_the_same_every_time_and_mirrored_from_the_other_side(self) -> None:
        rng = np.random.default_rng(0)
        hits, groups = rng.random((2, 300)) < [[0.8], [0.85]], rng.integers(0, 200, 300)
        forward = compared(hits, groups).pairs[0].difference
        assert compared(hits, groups).pairs[0].difference == forward
        back = compared(hits[::-1], groups).pairs[0].difference
        assert (back.value, back.low, back.high) == (-forward.value, -forward.high, -forward.low)

    def test_holds_the_truth_about_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(0)
        held = 0
        for _ in range(300):
            groups = np.repeat(np.arange(120), rng.choice([1, 1, 2, 4], 120))
            hits = (rng.random((2, 120)) < [[0.75], [0.85]])[:, groups]
            figure = compared(hits, groups).pairs[0].difference
            held += figure.low <= 0.1 <= figure.high
        assert 0.90 <= held / 300 <= 0.99


class TestCompareAligned:
    def test_accuracies_are_those_of_evaluate(self) -> None:
        hits, groups = [[1, 1, 0, 1], [1, 0, 0, 0]], [3, 3, 8, 9]
        found = compared(hits, groups)
        assert found.accuracies == tuple(
            proportion(np.array(row, np.bool_), np.array(groups)) for row in hits
        )
        assert (found.num_images, found.num_pictures) == (4, 3)

    def test_a_pair_has_the_discordant_counts_and_the_difference(self) -> None:
        pair = pair_of(3, 9, 188)
        assert (pair.first, pair.second) == ("a", "b")
        assert (pair.only_first, pair.only_second) == (3, 9)
        assert pair.difference.value == pytest.approx(0.03)
        assert pair.difference.n == 200
        assert pair.difference.low < 0.03 < pair.difference.high

    def test_every_run_is_compared_with_every_later_one_and_p_is_corrected_for_it(self) -> None:
        hits = [[1] * 10 + [0] * 20, [1] * 20 + [0] * 10, [1] * 29 + [0]]
        found = compared(hits)
        assert [(pair.first, pair.second) for pair in found.pairs] == [
            ("a", "b"),
            ("a", "c"),
            ("b", "c"),
        ]
        alone = [compared([hits[0], hits[1]]), compared([hits[0], hits[2]]), compared(hits[1:])]
        assert [pair.p for pair in found.pairs] == [one.pairs[0].p for one in alone]
        ranks = np.argsort(np.argsort([pair.p for pair in found.pairs]))
        assert [pair.p_corrected / pair.p for pair in found.pairs] == pytest.approx(3 - ranks)
        # A stricter level takes more photos.
        assert all(
            pair.photos_needed > one.pairs[0].photos_needed
            for pair, one in zip(found.pairs, alone, strict=True)
        )
