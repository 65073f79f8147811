"""Predictions as a table, CSV and JSON, whatever the files are called."""

from __future__ import annotations

import csv
import io
import json

import pytest

from candid.cli.predicting import Form, print_predictions
from candid.runs.prediction import Prediction

GOOD = Prediction('a, "b".jpg', "sad", 0.8125, {"happy": 0.1875, "sad": 0.8125})
UNSURE = Prediction(
    "c.jpg",
    "sad",
    0.6,
    {"happy": 0.4, "sad": 0.6},
    verdict="uncertain",
    possible=("happy", "sad"),
    familiarity=0.25,
)
BAD = Prediction("[red]x\ny.jpg", None, None, {}, "no such file")


def printed(capsys: pytest.CaptureFixture[str], form: Form, *predictions: Prediction) -> str:
    shown = print_predictions(predictions, ("happy", "sad"), form=form)
    assert shown.num_failed == sum(p.label is None for p in predictions)
    assert shown.predictions == ()
    return capsys.readouterr().out


def test_csv_has_a_row_a_file_and_survives_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "csv", GOOD, BAD, UNSURE)
    assert text.startswith("path,label,probability,reason,answer,possible,familiarity\n")
    assert list(csv.reader(io.StringIO(text)))[1:] == [
        ['a, "b".jpg', "sad", "0.812500", "", "sad", "", ""],
        ["[red]x\ny.jpg", "", "", "no such file", "unreadable", "", ""],
        ["c.jpg", "sad", "0.600000", "", "uncertain: happy or sad", "happy|sad", "0.250000"],
    ]


def test_json_is_one_array_with_every_classs_probability(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert json.loads(printed(capsys, "json", GOOD, BAD)) == [
        {
            "path": 'a, "b".jpg',
            "answer": "sad",
            "label": "sad",
            "probability": 0.8125,
            "probabilities": {"happy": 0.1875, "sad": 0.8125},
            "verdict": None,
            "possible": [],
            "familiarity": None,
            "reason": None,
        },
        {
            "path": "[red]x\ny.jpg",
            "answer": "unreadable",
            "label": None,
            "probability": None,
            "probabilities": {},
            "verdict": None,
            "possible": [],
            "familiarity": None,
            "reason": "no such file",
        },
    ]


def test_json_is_text_whatever_bytes_a_name_has(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "json", Prediction("é\udcff.jpg", None, None, {}, "no"))
    assert text.encode("utf-8")
    assert json.loads(text)[0]["path"] == "é\udcff.jpg"


def test_nothing_is_still_csv_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "csv").startswith("path,label,probability,reason,")
    assert json.loads(printed(capsys, "json")) == []


def test_the_table_shows_markup_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "table", GOOD, BAD, UNSURE)
    assert "p(sad)" in text
    assert "0.812" in text
    assert "[red]x" in text
    assert "unreadable" in text
    assert "uncertain: happy or sad" in text


def test_what_is_asked_for_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    shown = print_predictions([GOOD, BAD], ("happy", "sad"), form="csv", keep=True)
    assert shown.predictions == (GOOD, BAD)
    assert capsys.readouterr().out


def test_csv_comes_as_the_predictions_come(capsys: pytest.CaptureFixture[str]) -> None:
    def one_then_fail() -> object:
        yield GOOD
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        print_predictions(one_then_fail(), ("happy", "sad"), form="csv")  # type: ignore[arg-type]
    assert "sad,0.812500" in capsys.readouterr().out
