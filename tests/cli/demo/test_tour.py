"""The tour runs every command on the sample set, and finds every injected defect."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import candid.cli.demo.tour
from candid.cli.demo import SampleSet
from candid.cli.demo.tour import take_tour
from candid.core.progress import Silent
from candid.errors import DependencyError
from candid.runs.artifact import read_manifest
from candid.training import Run


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, faces: SampleSet) -> tuple[Path, list[str]]:
    """What the tour says, and where it was taken; the folder holds this very set already."""
    home = tmp_path_factory.mktemp("tour")
    shutil.copytree(faces.folder, home / "demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        said = list(take_tour(Path("demo"), seed=0, num_images=60, progress=Silent()))
    return home, said


def finding(lines: list[str], path: object) -> str:
    [line] = [line for line in lines if line.split("  ")[1:2] == [str(path)]]
    return line


def test_every_injected_defect_is_found(lines: tuple[Path, list[str]], faces: SampleSet) -> None:
    said = lines[1]
    assert not [line for line in said if "MISSED" in line]
    for defect in faces.defects:
        line = finding(said, defect.path)
        if defect.original is not None:
            assert f"the same picture as {defect.original}" in line
        elif defect.kind in ("truncated", "text_as_image", "hidden_file", "not_an_image"):
            assert "left out: " in line
        elif defect.kind == "wrong_label":
            assert "filed as sad; cross-validation predicts happy" in line
        else:
            assert "predicted as" in line


def test_a_picture_in_two_classes_is_told_apart_from_a_copy(
    lines: tuple[Path, list[str]], faces: SampleSet
) -> None:
    for defect in faces.defects:
        if defect.original is not None:
            line = finding(lines[1], defect.path)
            assert ("in no part" in line) == (defect.kind == "both_classes")


def test_what_it_points_at_is_there(lines: tuple[Path, list[str]]) -> None:
    home, said = lines
    start = said.index("Where to look next")
    for line in said[start + 1 :]:
        for word in line.split():
            if "/" in word:
                assert (home / word).exists(), word
    assert read_manifest(home / "runs" / "demo")


def test_the_audit_is_a_part_of_it(lines: tuple[Path, list[str]]) -> None:
    home, said = lines
    begin = said.index("Audit findings") + 1
    audit = said[begin : said.index("Injected defects, and how each was handled")]
    assert any(line.startswith("  error    Same picture in two classes: ") for line in audit)
    assert (home / "runs" / "demo-audit-1" / "audit.html").is_file()


def test_it_goes_on_without_what_only_an_audit_needs(
    faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: object
) -> None:
    def lacking(*_: object, **__: object) -> object:
        raise DependencyError("an audit needs cleanlab")

    del lines
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(candid.cli.demo.tour, "run_audit", lacking)
    tour = take_tour(faces.folder, seed=0, num_images=60, progress=Silent())
    said = [next(tour) for _ in range(4)]
    assert said[-1] == "  skipped: an audit needs cleanlab"
    assert next(line for line in tour if line.startswith("Injected defects"))


def test_the_figures_and_two_predictions_are_shown(lines: tuple[Path, list[str]]) -> None:
    text = "\n".join(lines[1])
    assert "by grouped cross-validation" in text
    assert "Report: " in text
    assert "Two predictions" in text


def test_a_copy_that_is_not_found_is_called_missed(
    faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: object
) -> None:
    import numpy as np

    from candid.splits.duplicates import Groups

    del lines  # its embeddings are in the cache by then
    monkeypatch.chdir(tmp_path)
    prepare = candid.cli.demo.tour.prepare

    def blind(*arguments: object, **options: object) -> object:
        prepared = prepare(*arguments, **options)  # type: ignore[arg-type]
        alone = np.arange(len(prepared.catalog.photos))
        return replace(prepared, groups=Groups(alone, ()))

    monkeypatch.setattr(candid.cli.demo.tour, "prepare", blind)
    said = list(take_tour(faces.folder, seed=0, num_images=60, progress=Silent()))
    assert sum("MISSED" in line for line in said) == 4


def test_a_wrong_label_that_is_not_found_is_called_missed(
    faces: SampleSet, trained: Run, copied_run: Path
) -> None:
    [defect] = [defect for defect in faces.defects if defect.kind == "wrong_label"]
    head, *rows = (copied_run / "predictions.csv").read_text().splitlines()
    fooled = [f"kfold,{defect.path.as_posix()},sad,train,sad,sad,0.5,0.25,0.75"]
    others = [row for row in rows if defect.path.as_posix() not in row]
    run = replace(trained, folder=copied_run)
    for written, says in (
        (fooled, "MISSED: filed as sad; cross-validation predicts sad (0.75)"),
        ([], "filed as sad; too few photos for cross-validation"),
    ):
        (copied_run / "predictions.csv").write_text("\n".join([head, *others, *written]) + "\n")
        assert candid.cli.demo.tour._wrong_label_outcome(defect, run) == says
