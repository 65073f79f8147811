"""Paths are expanded to files, each file gets a prediction, and predictions are printed."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from candid import load
from candid.cli.demo import SampleSet
from candid.cli.pictures import PictureFolder, draw_each
from candid.cli.predicting import (
    Form,
    describe_run,
    expand,
    name_of,
    predict_all,
    print_predictions,
    read_piped,
)
from candid.data.listing import Listed
from candid.errors import UsageError
from candid.runs.prediction import Prediction
from candid.training import Run
from tests.data.sources.made import write_tar


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with cat/a.png, cat/b.png, dog/a.png and dog/b.png as the working folder."""
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("here")
class TestExpand:
    def test_a_file_stays_as_it_was_typed(self) -> None:
        assert expand(["cat/a.png", "./dog/b.png"]) == ["cat/a.png", "./dog/b.png"]

    def test_a_folder_becomes_its_images_at_any_depth(self) -> None:
        assert expand(["."]) == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]
        assert expand(["dog/"]) == ["dog/a.png", "dog/b.png"]
        assert len(expand(["dog/.."])) == 4

    def test_a_folder_is_searched_from_within(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("dog")
        assert expand(["."]) == ["a.png", "b.png"]
        assert len(expand([".."])) == 4

    def test_a_folder_gives_every_file_that_is_not_hidden(self) -> None:
        Path("cat/notes.txt").write_text("no image")
        Path("cat/.hidden.png").write_bytes(b"")
        Path("cat/broken.jpg").write_bytes(b"broken")
        files = ["a.png", "b.png", "broken.jpg", "notes.txt"]
        assert expand(["cat"]) == [f"cat/{name}" for name in files]

    def test_a_pattern_becomes_what_it_matches_in_order(self) -> None:
        assert expand(["*/a.png"]) == ["cat/a.png", "dog/a.png"]
        assert expand(["**/*.png"]) == ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]
        assert expand(["cat/[ab].png"]) == ["cat/a.png", "cat/b.png"]

    def test_a_pattern_passes_folders_over(self) -> None:
        Path("cat/x.png").mkdir()
        assert expand(["cat/*.png"]) == ["cat/a.png", "cat/b.png"]

    def test_a_file_whose_name_looks_like_a_pattern_is_a_file(self) -> None:
        shutil.copy("cat/a.png", "cat/[1].png")
        assert expand(["cat/[1].png"]) == ["cat/[1].png"]

    def test_a_file_that_is_not_there_stays_for_its_reason(self) -> None:
        assert expand(["absent.jpg", "cat/a.png"]) == ["absent.jpg", "cat/a.png"]

    def test_a_dash_is_standard_input(self) -> None:
        assert expand(["-", "cat/a.png"]) == ["-", "cat/a.png"]

    def test_what_is_named_twice_is_given_twice(self) -> None:
        assert expand(["cat/a.png", "cat"]) == ["cat/a.png", "cat/a.png", "cat/b.png"]

    def test_an_empty_folder_and_an_empty_pattern_are_errors(self) -> None:
        Path("empty").mkdir()
        with pytest.raises(UsageError, match="the folder empty has no file in it"):
            expand(["empty"])
        with pytest.raises(UsageError, match=r"nothing matches the pattern \*\.jpg"):
            expand(["*.jpg"])

    def test_a_name_that_is_not_utf8_is_found(self, write_picture: Callable[..., Path]) -> None:
        name = os.fsdecode(b"bad\xff.png")
        write_picture(Path("new/plain.png")).rename(Path("new") / name)
        assert expand(["new"]) == [f"new/{name}"]


def test_every_path_gets_an_answer_in_order(trained: Run, faces: SampleSet, tmp_path: Path) -> None:
    photos = [str(path) for path in sorted(faces.folder.glob("happy/face-*"))]
    paths = [str(tmp_path / "absent.jpg"), *photos, str(faces.folder / "happy" / "IMG_2041.jpg")]
    answers = list(predict_all(trained.classifier, paths))
    assert [answer.source for answer in answers] == paths
    assert [answer.label is None for answer in answers] == [True, *[False] * len(photos), True]


class TestTablesAndArchives:
    @pytest.fixture
    def photos(self, faces: SampleSet) -> list[Path]:
        return sorted(faces.folder.glob("happy/face-*"))[:3]

    @pytest.fixture
    def archive(self, photos: list[Path], tmp_path: Path) -> Path:
        """Three photos without a class, one of them damaged and one twice."""
        members = [(f"{i}{file.suffix}", file.read_bytes()) for i, file in enumerate(photos)]
        members += [("3.jpg", b"no photo"), ("4.jpg", b"1"), ("4.png", b"2")]
        return write_tar(tmp_path / "set.tar", members)

    def test_every_row_gets_an_answer_in_order(
        self, trained: Run, photos: list[Path], archive: Path
    ) -> None:
        answers = list(predict_all(trained.classifier, expand([str(archive)])))
        names = [f"{i}{file.suffix}" for i, file in enumerate(photos)]
        assert [answer.source for answer in answers] == [*names, "3.jpg", "4"]
        expected = list(predict_all(trained.classifier, list(map(str, photos))))
        assert [a.probability for a in answers[:3]] == [a.probability for a in expected]
        assert (answers[3].reason or "").startswith("not an image")
        assert (answers[4].reason or "").startswith("2 photos of one key (.jpg and .png)")
        assert [answer.verdict for answer in answers[3:]] == ["unreadable", "unreadable"]

    def test_of_several_the_rows_are_named_after_theirs(
        self, photos: list[Path], archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(archive.parent)
        Path("new.csv").write_text(f"path,species,category\n{photos[0]},,\n/home/ann/set.tar,,\n")
        found = expand(["new.csv", "set.tar"])
        assert list(map(name_of, found))[:3] == [
            f"new.csv/{photos[0]}",
            "new.csv//home/ann/set.tar",
            f"set.tar/0{photos[0].suffix}",
        ]
        assert isinstance(found[1], Listed)
        assert "path of another machine; perhaps set.tar in" in found[1].reason

    def test_a_table_among_photos_is_a_stray_file(self, photos: list[Path], archive: Path) -> None:
        paths = [str(photos[0]), str(archive)]
        assert expand(paths) == paths
        assert expand([str(archive.parent / "absent.csv")]) == [str(archive.parent / "absent.csv")]

    def test_photos_are_explained_where_they_are(
        self, trained: Run, archive: Path, tmp_path: Path
    ) -> None:
        inputs = expand([str(archive)])[:2]
        predictions = predict_all(trained.classifier, inputs, explain=True)
        said: list[str] = []
        folder = PictureFolder(tmp_path / "pictures", [])
        drawn = draw_each(predictions, trained.classifier, folder, say=said.append, inputs=inputs)
        assert len(list(drawn)) == len(list((tmp_path / "pictures").iterdir())) == 2


def test_standard_input_is_one_photo(
    trained: Run, faces: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = sorted(faces.folder.glob("sad/face-*"))[0]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    paths = [str(photo), "-", "-"]
    piped = read_piped(paths)
    given, read, again = predict_all(trained.classifier, paths, piped=piped)
    assert read.source == "-"
    assert read.probability == pytest.approx(given.probability, abs=1e-6)
    assert again == read
    assert read_piped(paths) == b""  # it was read to its end
    [empty] = predict_all(trained.classifier, ["-"])
    assert empty.reason == "empty file"


def test_standard_input_is_left_alone_where_it_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = io.TextIOWrapper(io.BytesIO(b"for somebody else"))
    monkeypatch.setattr("sys.stdin", waiting)
    assert read_piped(["photo.jpg"]) == b""
    assert waiting.read() == "for somebody else"


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
BAD = Prediction.unreadable("[red]x\ny.jpg", "no such file")
HEAD = "path,label,probability,reason,answer,verdict,possible,familiarity"


def printed(
    capsys: pytest.CaptureFixture[str],
    form: Form,
    *predictions: Prediction,
    classes: tuple[str, ...] = ("happy", "sad"),
    with_probabilities: bool = False,
) -> str:
    shown = print_predictions(
        predictions,
        classes,
        form=form,
        with_probabilities=with_probabilities,
        paths=[prediction.source for prediction in predictions],
    )
    assert shown.num_failed == sum(p.label is None for p in predictions)
    return capsys.readouterr().out


def test_csv_has_a_row_a_file_and_survives_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "csv", GOOD, BAD, UNSURE)
    assert text.startswith(f"{HEAD}\n")
    unsure = ["uncertain: happy or sad", "uncertain", "happy|sad", "0.250000"]
    assert list(csv.reader(io.StringIO(text)))[1:] == [
        ['a, "b".jpg', "sad", "0.812500", "", "sad", "", "", ""],
        ["[red]x\ny.jpg", "", "", "no such file", "unreadable", "unreadable", "", ""],
        ["c.jpg", "sad", "0.600000", "", *unsure],
    ]


def test_csv_has_a_column_a_class_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, "csv", GOOD, BAD, with_probabilities=True)
    assert text.startswith(f"{HEAD},p:happy,p:sad\n")
    good, bad = csv.DictReader(io.StringIO(text))
    assert (good["p:happy"], good["p:sad"]) == ("0.187500", "0.812500")
    assert (bad["p:happy"], bad["p:sad"]) == ("", "")


def test_no_class_has_the_name_of_another_column(capsys: pytest.CaptureFixture[str]) -> None:
    classes = ("label", "p:label", "path", "verdict")
    given = Prediction("a.jpg", "label", 0.25, dict.fromkeys(classes, 0.25))
    text = printed(capsys, "csv", given, classes=classes, with_probabilities=True)
    [head, _] = csv.reader(io.StringIO(text))
    assert len(set(head)) == len(head) == 12


def test_a_class_called_unknown_is_told_from_the_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shares = {"known": 0.1, "unknown": 0.9}
    named = Prediction("a.jpg", "unknown", 0.9, shares, verdict="sure", possible=("unknown",))
    judged = Prediction("b.jpg", "unknown", 0.9, shares, verdict="unknown")
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "csv", named, judged))))
    assert [row["answer"] for row in rows] == ["unknown", "unknown"]
    assert [(row["label"], row["verdict"]) for row in rows] == [
        ("unknown", "sure"),
        ("unknown", "unknown"),
    ]
    lines = printed(capsys, "table", named, judged).splitlines()
    assert [line.split()[1:] for line in lines[1:]] == [
        ["unknown", "0.900", "sure"],
        ["unknown", "0.900", "unknown"],
    ]


def test_a_class_with_the_separator_is_told_from_two_classes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    classes = ("a", "a|b", "b")
    one, two = (
        Prediction("x.jpg", "a|b", 0.5, {}, verdict="uncertain", possible=names)
        for names in (("a|b",), ("a", "b"))
    )
    rows = csv.DictReader(io.StringIO(printed(capsys, "csv", one, two, classes=classes)))
    assert [row["possible"] for row in rows] == [r"a\|b", "a|b"]


def test_json_is_one_array_with_every_classs_probability(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert json.loads(printed(capsys, "json", GOOD, BAD)) == [
        {
            "path": 'a, "b".jpg',
            "answer": "sad",
            "label": "sad",
            "probability": 0.8125,
            "positive_probability": 0.8125,
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
            "positive_probability": None,
            "probabilities": {},
            "verdict": "unreadable",
            "possible": [],
            "familiarity": None,
            "reason": "no such file",
        },
    ]


def test_json_is_text_whatever_bytes_a_name_has(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "json", Prediction.unreadable("é\udcff.jpg", "no"))
    assert text.encode("utf-8")
    assert json.loads(text)[0]["path"] == "é\udcff.jpg"


def test_nothing_is_still_csv_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "csv").startswith("path,label,probability,reason,")
    assert json.loads(printed(capsys, "json")) == []


def test_the_table_shows_markup_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "table", GOOD, BAD, UNSURE)
    assert text.splitlines()[0].split() == ["photo", "label", "probability", "verdict"]
    assert "0.812" in text
    assert "[red]x" in text
    assert "unreadable: no such file" in text
    assert "uncertain: happy or sad" in text
    shares = printed(capsys, "table", GOOD, with_probabilities=True)
    assert shares.splitlines()[0].split()[3:] == ["p:happy", "p:sad", "verdict"]
    assert shares.splitlines()[1].split()[-2:] == ["0.188", "0.812"]


def test_the_probability_of_the_table_is_the_labels(capsys: pytest.CaptureFixture[str]) -> None:
    # As with --threshold 0.2: the label is not the most probable class.
    text = printed(capsys, "table", Prediction("a.jpg", "sad", 0.3, {"happy": 0.7, "sad": 0.3}))
    assert text.splitlines()[1].split() == ["a.jpg", "sad", "0.300"]


def test_the_table_is_aligned_whatever_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    wide = Prediction("写真/笑顔.jpg", "sad", 0.25, {"happy": 0.75, "sad": 0.25}, verdict="sure")
    head, first, second = printed(capsys, "table", wide, UNSURE).splitlines()
    assert head.index("label") == first.index("sad") + 4  # four characters take two columns each
    assert head.index("label") == second.index("sad")
    assert head.index("verdict") == second.index("uncertain")


def test_what_was_predicted_is_counted() -> None:
    text = print_predictions([GOOD, UNSURE, BAD, UNSURE], ("happy", "sad"), form="csv").to_text()
    assert text == "4 files: sad 3; uncertain 2 and unreadable 1"


def test_a_run_is_named_with_what_it_answers_and_how_well(trained: Run) -> None:
    accuracy = trained.evaluation.believed.accuracy
    assert accuracy is not None
    line = describe_run(load(trained.folder))
    assert line.startswith(f"{trained.folder}: transfer, happy and sad; ")
    assert f"accuracy {accuracy.value:.3f} ({accuracy.low:.3f} to " in line


def test_csv_comes_as_the_predictions_come(capsys: pytest.CaptureFixture[str]) -> None:
    def one_then_fail() -> object:
        yield GOOD
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        print_predictions(one_then_fail(), ("happy", "sad"), form="csv")  # type: ignore[arg-type]
    assert "sad,0.812500" in capsys.readouterr().out


def test_a_text_among_the_photos_has_a_row_and_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, pdf = "not an image: it starts with", "PDF is not supported: save its pages as PNG"
    rows = [
        ("a.png", "happy", None),
        ("notes.txt", None, text),
        ("scan.pdf", None, pdf),
        ("broken.jpg", None, text),
    ]
    predictions = [Prediction(path, label, None, {}, reason=why) for path, label, why in rows]
    shown = print_predictions(predictions, ("happy", "sad"), form="csv")
    assert shown.num_failed == 2
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(rows)
