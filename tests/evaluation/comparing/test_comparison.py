"""What is printed and what is JSON, and that both say the same."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from candid.evaluation.comparing.aligned import Aligned
from candid.evaluation.comparing.compare import Compared, Comparison, Pair, show_p
from candid.evaluation.estimate import Estimate

ACCURACY = Estimate(0.9, 0.85, 0.94, 200)
PAIR = Pair("a", "b", 3, 9, Estimate(0.032, 0.004, 0.061, 200), 0.0312, 0.0312, 480)
NO_DIFFERENCE = replace(
    PAIR,
    difference=Estimate(-0.003, -0.021, 0.014, 200),
    p=0.8,
    p_corrected=0.8,
    photos_needed=15_700,
)
NOTHING = Aligned("test", np.zeros((2, 0), np.bool_), np.zeros(0, np.int64), ())
ODD = os.fsdecode(b"\xff\x1b[2J")


def comparison(*found: Compared, names: tuple[str, ...] = ("a", "b")) -> Comparison:
    return Comparison(names, tuple(Path("runs") / name for name in names), found, ("a note.",))


def compared(*pairs: Pair, estimate: str = "test", num_runs: int = 2, n: int = 200) -> Compared:
    return Compared(estimate, n, n - 20, (ACCURACY,) * num_runs, pairs, NOTHING)


class TestSentence:
    def test_names_the_better_one(self) -> None:
        assert PAIR.to_sentence() == (
            "`b` is better than `a` by 3.2 points (0.4 to 6.1), p = 0.031: more than chance "
            "explains."
        )

    def test_names_the_better_one_where_it_is_the_first(self) -> None:
        pair = replace(PAIR, difference=Estimate(-0.032, -0.061, -0.004, 200))
        assert pair.to_sentence().startswith("`a` is better than `b` by 3.2 points (0.4 to 6.1), p")

    def test_says_how_many_photos_would_be_needed(self) -> None:
        assert NO_DIFFERENCE.to_sentence() == (
            "`b` compared with `a`: no difference beyond chance: -0.3 points (-2.1 to 1.4), "
            "p = 0.8. About 16,000 different photos would be needed to detect a difference of this "
            "size."
        )

    def test_names_no_number_of_photos_where_there_is_no_difference(self) -> None:
        pair = replace(NO_DIFFERENCE, difference=Estimate(0, -0.02, 0.02, 200), photos_needed=None)
        assert pair.to_sentence().endswith("chance: 0.0 points (-2.0 to 2.0), p = 0.8.")

    def test_rests_on_the_corrected_p(self) -> None:
        pair = replace(PAIR, p_corrected=0.0936)
        assert not pair.is_real
        assert "p = 0.094" in pair.to_sentence()

    def test_what_rounds_to_nothing_has_no_sign(self) -> None:
        pair = replace(NO_DIFFERENCE, difference=Estimate(-0.0001, -0.0004, 0.0004, 200))
        assert "chance: 0.0 points (0.0 to 0.0)," in pair.to_sentence()

    def test_names_of_folders_can_not_steer_a_terminal(self) -> None:
        assert (
            replace(PAIR, first=ODD).to_sentence().startswith(r"`b` is better than `\xff\x1b[2J`")
        )


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1.0, "p = 1"),
        (0.5, "p = 0.5"),
        (0.0501, "p = 0.0501"),
        (0.05, "p = 0.05"),
        (0.0499999, "p = 0.0499999"),
        (0.0123, "p = 0.012"),
        (0.001, "p = 0.001"),
        (0.00099, "p < 0.001"),
    ],
)
def test_a_p_value_is_never_rounded_to_the_level(p: float, expected: str) -> None:
    assert show_p(p) == expected


class TestText:
    def test_is_a_table_of_the_runs_and_the_pairs_and_a_sentence(self) -> None:
        assert comparison(compared(PAIR)).to_text().splitlines() == [
            "Test part: 200 images in 180 groups; no run was trained on them or on copies of them",
            "",
            "  run  accuracy",
            "  a    0.900  (0.850 to 0.940, n = 200)",
            "  b    0.900  (0.850 to 0.940, n = 200)",
            "",
            "  pair  only first right  only second right  second minus first, points  p",
            "  a, b  3                 9                  +3.2 (0.4 to 6.1)           0.031",
            "",
            PAIR.to_sentence(),
        ]

    def test_says_which_of_two_estimates_the_sentence_rests_on(self) -> None:
        kfold = compared(NO_DIFFERENCE, estimate="kfold", n=2000)
        lines = comparison(compared(PAIR), kfold).to_text().splitlines()
        assert lines[-2:] == ["By cross-validation, of 2000 images:", NO_DIFFERENCE.to_sentence()]
        assert sum(line.startswith("  a, b") for line in lines) == 2

    def test_says_that_three_comparisons_were_corrected_for(self) -> None:
        pairs = (PAIR, replace(PAIR, second="c"), replace(NO_DIFFERENCE, first="b", second="c"))
        text = comparison(compared(*pairs, num_runs=3), names=("a", "b", "c")).to_text()
        assert "p (Holm)" in text
        assert "\nCorrected for 3 comparisons (Holm):\n" in text
        assert text.endswith("\n".join(pair.to_sentence() for pair in pairs))

    def test_names_of_folders_can_not_steer_a_terminal(self) -> None:
        text = comparison(compared(replace(PAIR, first=ODD)), names=(ODD, "b")).to_text()
        assert r"  \xff\x1b[2J  0.900" in text
        assert "\x1b" not in text
        text.encode()


class TestJson:
    def test_has_every_figure(self) -> None:
        kfold = compared(NO_DIFFERENCE, estimate="kfold", n=2000)
        values = json.loads(json.dumps(comparison(compared(PAIR), kfold).to_json()))
        assert values["runs"][1] == {"name": "b", "folder": "runs/b"}
        assert (values["believe"], values["notes"]) == ("kfold", ["a note."])
        test = values["estimates"]["test"]
        assert (test["num_images"], test["num_pictures"]) == (200, 180)
        assert test["runs"][0] == {
            "name": "a",
            "accuracy": {"value": 0.9, "low": 0.85, "high": 0.94, "n": 200},
        }
        assert test["pairs"] == [
            {
                "first": "a",
                "second": "b",
                "only_first": 3,
                "only_second": 9,
                "difference": {"value": 0.032, "low": 0.004, "high": 0.061, "n": 200},
                "p": 0.0312,
                "p_corrected": 0.0312,
                "photos_needed": 480,
                "is_real": True,
                "sentence": PAIR.to_sentence(),
            }
        ]
        assert values["estimates"]["kfold"]["pairs"][0]["is_real"] is False

    def test_the_larger_estimate_is_believed(self) -> None:
        found = comparison(compared(PAIR, n=50), compared(PAIR, estimate="kfold", n=40))
        assert found.to_json()["believe"] == "test"
