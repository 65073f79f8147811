"""The forms that scripts rely on, from a run whose class names are as awkward as can be."""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.auditing.checks import ALL
from candid.core.text import escape_markdown
from candid.errors import DependencyError
from candid.evaluation.evaluate import Measured
from candid.evaluation.evaluation import Evaluation
from candid.runs.class_names import join_classes
from candid.runs.classifier import load
from candid.runs.prediction import Prediction
from candid.training import Run, TrainOptions, train
from candid.training.files import PredictionsFile
from tests.auditing.made import found_in, make_audit

CLASSES = ("=1+1", "a|b", "unknown")
HEAD = "path,label,probability,reason,answer,verdict,possible,familiarity"
NOTE = (
    "class names that are easily misread in answers: '=1+1' is a formula to a spreadsheet, 'a|b' "
    "has a character that CSV escapes (| or \\) and 'unknown' is the name of a verdict too. Rename "
    "these folders, or let scripts read verdict and label instead of the answer."
)

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three colours, with noise that makes some of them hard to tell."""
    folder = tmp_path_factory.mktemp("awkward") / "data"
    random = np.random.default_rng(7)
    for place, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(14):
            coarse = random.integers(0, 120, (5, 5, 3), dtype=np.uint8)
            coarse[..., place] += np.uint8(100)
            photo = cv2.resize(coarse, (90, 70), interpolation=cv2.INTER_CUBIC)
            (folder / name / f"{number}.png").write_bytes(cv2.imencode(".png", photo)[1].tobytes())
    return folder


@pytest.fixture(scope="module")
def awkward(data: Path, own_cache: Path) -> Run:
    del own_cache
    options = TrainOptions(backbone="efficientnet-lite0")
    return train(data, run=data.parent / "run", options=options)


def test_training_notes_the_names_in_one_line(awkward: Run) -> None:
    assert awkward.notes.count(NOTE) == 1
    assert escape_markdown(NOTE) in (awkward.folder / "MODEL_CARD.md").read_text("utf-8")


def test_the_audit_warns_of_the_names(candid: Command, data: Path) -> None:
    done = candid("audit", data, "--json")
    (check,) = [one for one in json.loads(done.stdout)["checks"] if one["code"] == "misread-names"]
    assert (check["severity"], check["status"]) == ("warning", "found")
    assert check["summary"] == "3 classes have names that are easily misread in answers"


def test_csv_tells_classes_from_verdicts_and_lists(
    candid: Command, awkward: Run, data: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    (tmp_path / "noise.png").write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    arguments = (data, tmp_path / "noise.png", "absent.png", "--run", awkward.folder)
    # At this coverage, no class of most photos can be ruled out.
    options = ("--coverage", "0.999", "--csv", "--probabilities")
    text = candid("predict", *arguments, *options).stdout
    assert text.splitlines()[0] == f"{HEAD},p:=1+1,p:a|b,p:unknown"
    *rows, noisy, absent = csv.DictReader(io.StringIO(text))
    assert {row["label"] for row in rows} == set(CLASSES)
    for row in rows:
        assert row["probability"] == row[f"p:{row['label']}"]
        assert row["verdict"] in ("sure", "uncertain", "unknown")
    assert join_classes(CLASSES) == r"=1+1|a\|b|unknown"
    assert join_classes(CLASSES) in {row["possible"] for row in rows}
    assert (noisy["verdict"], noisy["answer"]) == ("unknown", "unknown")
    assert (absent["verdict"], absent["label"]) == ("unreadable", "")


def test_with_three_classes_nothing_is_the_positive_one(
    candid: Command, awkward: Run, data: Path
) -> None:
    done = candid("predict", data, "--run", awkward.folder, "--json")
    for item in json.loads(done.stdout):
        assert item["probability"] == item["probabilities"][item["label"]]
        assert item["positive_probability"] is None


def test_the_predictions_of_a_run_tell_a_class_from_two(awkward: Run) -> None:
    with (awkward.folder / "predictions.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    of_one = {row["possible"] for row in rows if row["label"] == "a|b"}
    assert r"a\|b" in of_one
    assert "a|b" not in of_one


def test_the_predictions_of_a_run_are_a_data_frame_with_the_columns_of_the_file(
    awkward: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas")
    file = awkward.folder / "predictions.csv"
    frame = awkward.predictions.to_frame()
    with file.open(newline="", encoding="utf-8") as lines:
        head, *rows = csv.reader(lines)
    assert list(frame.columns) == head
    assert [list(map(str, row)) for row in frame.iloc[:, :6].itertuples(index=False)] == [
        row[:6] for row in rows
    ]
    numbers = frame.iloc[:, 6:]
    assert set(map(str, numbers.dtypes)) == {"float64"}
    np.testing.assert_allclose(numbers, [list(map(float, row[6:])) for row in rows])
    # Classes that pandas would take for numbers and missing values, and a model without verdicts.
    lines = [",".join(head[:7]) + ",p(007)", "test,NA/\udcff.jpg,007,test,None,,,0.25"]
    (tmp_path / "predictions.csv").write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    row = PredictionsFile(tmp_path / "predictions.csv").to_frame().iloc[0]
    assert list(row[:6]) == ["test", "NA/\udcff.jpg", "007", "test", "None", ""]
    assert pandas.isna(row["familiarity"])
    assert row["p(007)"] == 0.25
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyError, match=r'pip install "candid-image\[notebook\]"'):
        awkward.predictions.to_frame()


LONG = tuple(f"<class {number}>\n" + "x" * 200 for number in range(1000))


def shown_in_notebooks(run: Run) -> dict[str, object]:
    """What a notebook shows, of a run as it is and with names that are long and odd."""
    classifier = load(run.folder)
    measures = replace(run.evaluation.believed, classes=LONG)
    many = replace(run, folder=Path("/" + "deep/" * 500), complete=False)
    other = load(run.folder)
    other.classes, other.run_folder = LONG, many.folder
    shares = dict.fromkeys(LONG, 0.001)
    return {
        "run": run,
        "evaluation": run.evaluation,
        "classifier": classifier,
        "prediction": classifier.predict(np.full((40, 60, 3), 9, np.uint8), explain=True),
        "unreadable": classifier.predict(b"\xff\0<b>"),
        "measured": Measured(run.evaluation, ("a note",) * 1000, "/" + "deep/" * 500),
        "long run": many,
        "long evaluation": Evaluation(measures),
        "long classifier": other,
        "long prediction": Prediction("a/" * 900, LONG[0], 0.5, shares, "why\n" * 90, "uncertain"),
        "audit": make_audit(*[found_in(f"<b>/{LONG[0]}")] * 30),
    }


def test_everything_has_a_short_repr_and_small_html(awkward: Run) -> None:
    for name, shown in shown_in_notebooks(awkward).items():
        text, page = repr(shown), shown._repr_html_()  # type: ignore[attr-defined]
        assert len(text) <= 300, (name, text)
        assert text.isprintable(), (name, text)
        assert len(page) < 16_000, (name, len(page))
        assert not re.search("<b>/|<class|<script", page), name
    assert repr(awkward).startswith(f"Run('{awkward.folder}', Evaluation(accuracy 1.")
    prediction = load(awkward.folder).predict(np.full((40, 60, 3), 9, np.uint8))
    assert 'src="data:image/jpeg;base64,' in prediction._repr_html_()


def test_what_is_pickled_comes_back(awkward: Run) -> None:
    for name, shown in shown_in_notebooks(awkward).items():
        if "long" not in name and name != "audit":  # whose check is a local function of the test
            assert repr(pickle.loads(pickle.dumps(shown))) == repr(shown)
    assert pickle.loads(pickle.dumps(ALL)) == ALL
    again = pickle.loads(pickle.dumps(awkward))
    assert again.evaluation.to_json() == awkward.evaluation.to_json()
    assert Path(again) == awkward.folder


def test_no_verdict_where_the_model_can_not_abstain(awkward: Run, data: Path) -> None:
    classifier = load(awkward.folder)
    classifier.abstention = None
    good, bad = classifier.predict([data / "a|b" / "0.png", b""])
    assert (good.verdict, good.answer, good.possible) == (None, good.label, ())
    assert (bad.verdict, bad.answer) == ("unreadable", "unreadable")
