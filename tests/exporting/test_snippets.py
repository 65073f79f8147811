"""Snippets are run unchanged, most of them with fixed outputs instead of a model."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from candid.data.images import PixelContract, decode
from candid.exporting import ExportRequest, export_run
from candid.exporting.drawn_photos import draw_photos
from candid.exporting.litert import LITERT
from candid.exporting.snippets import SnippetContext, python_snippet
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.runs.prediction import Prediction
from tests.exporting.run_snippets import photo_of, require_same, run_snippet

CLASSES = {2: ("happy", "sad"), 3: ("cloud", "rain", "sun")}


def context(rule=None, *, num_classes=2, fit="squash", abstains=False, folder="exported"):
    contract = PixelContract(64, fit)
    return SnippetContext(Path(folder), contract, rule or DecisionRule(), num_classes, abstains)


def write_about(folder, num_classes, rule, abstention=None):
    (folder / "exported").mkdir()
    values = {
        "classes": CLASSES[num_classes],
        "rule": rule.to_json(),
        "abstention": abstention and abstention.to_json(),
    }
    (folder / "exported" / "candid-export.json").write_text(json.dumps(values), encoding="utf-8")


def fixed_outputs(probabilities, novelty=0.0):
    """Lines that replace a model by fixed outputs."""
    return (
        f"answers = {{'probabilities': np.float32([{list(map(float, probabilities))}]),\n"
        f"           'novelty': np.float32([{float(novelty)}])}}\n"
    )


def write_photo(folder, width=90, height=70):
    coarse = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    photo.save(folder / "photo.jpg", quality=95)


def run_with_outputs(snippet_context, folder, probabilities, **options):
    snippet = python_snippet(
        snippet_context,
        load="",
        run=fixed_outputs(probabilities, **options),
        imports="import math",
        install="nothing",
    )
    return run_snippet(snippet.code, folder)["classify"]("photo.jpg")


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        (DecisionRule(), [(0.2, 0.8), (0.5, 0.5), (0.7, 0.3)]),
        (DecisionRule(0.25), [(0.8, 0.2), (0.7, 0.3)]),
        (DecisionRule(costs={("sad", "happy"): 5.0}), [(0.8, 0.2), (0.9, 0.1)]),
        (DecisionRule(), [(0.2, 0.5, 0.3), (0.1, 0.2, 0.7)]),
        (DecisionRule(costs={("sun", "cloud"): 9.0}), [(0.6, 0.2, 0.2), (0.9, 0.05, 0.05)]),
    ],
)
def test_the_label_follows_the_runs_decision_rule(rule, rows, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    num_classes = len(rows[0])
    write_about(tmp_path, num_classes, rule)
    write_photo(tmp_path)
    chosen = rule.decide(np.float32(rows), CLASSES[num_classes])
    for row, number in zip(rows, chosen, strict=True):
        names = run_with_outputs(context(rule, num_classes=num_classes), tmp_path, row)
        label = CLASSES[num_classes][number]
        assert names["label"] == label
        by_class = dict(zip(CLASSES[num_classes], row, strict=True))
        expected = Prediction("", label, row[number], by_class)
        require_same(capsys.readouterr().out, expected)


@pytest.mark.parametrize(
    ("second", "novelty"),
    [(0.97, 0.0), (0.6, 0.0), (0.03, 0.0), (0.97, 9.0), (0.52, 0.2), (0.97, 0.8)],
)
def test_the_answer_follows_the_runs_abstention(second, novelty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    usual = np.linspace(0.01, 0.6, 60, dtype=np.float32)
    abstention = Abstention(
        (usual, usual / 2), np.linspace(-1, 1, 60, dtype=np.float32), sure_above=0.2
    )
    write_about(tmp_path, 2, DecisionRule(), abstention)
    write_photo(tmp_path)
    row = np.float32([[1 - second, second]])
    possible = abstention.possible(row)
    familiarity = abstention.familiarity(np.float32([novelty]))
    chosen = int(second > 0.5)
    (verdict,) = abstention.verdicts(possible, familiarity, np.array([chosen]))
    run_with_outputs(context(abstains=True), tmp_path, row[0], novelty=novelty)
    expected = Prediction(
        "",
        CLASSES[2][chosen],
        float(row[0, chosen]),
        dict(zip(CLASSES[2], row[0].tolist(), strict=True)),
        verdict=verdict,
        possible=tuple(np.array(CLASSES[2])[possible[0]].tolist()),
        familiarity=float(familiarity[0]),
    )
    require_same(capsys.readouterr().out, expected)


@pytest.mark.parametrize("abstains", [False, True])
def test_a_blank_photo_is_unknown_however_sure_the_model(abstains, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    usual = np.linspace(0.01, 0.6, 60, dtype=np.float32)
    abstention = Abstention((usual, usual / 2), np.linspace(-1, 1, 60, dtype=np.float32))
    write_about(tmp_path, 2, DecisionRule(), abstention)
    for colour, verdict in (("black", "unknown"), (None, "sure" if abstains else None)):
        write_photo(tmp_path)
        if colour:
            Image.new("RGB", (90, 70), colour).save("photo.jpg")
        values = run_with_outputs(context(abstains=abstains), tmp_path, (0.03, 0.97))
        assert values["verdict"] == verdict
        assert values["label"] == CLASSES[2][1]
        assert values["answer"] == ("unknown" if colour else values["label"])


def read_by_snippet(file, fit="squash"):
    snippet = python_snippet(
        context(fit=fit), load="", run="", imports="import math", install="nothing"
    )
    code = snippet.code[snippet.code.index("def read_photo") : snippet.code.index("def classify")]
    names = {"np": np, "cv2": cv2, "Image": Image, "ImageOps": ImageOps}
    exec(code, names)
    return names["read_photo"](file)


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("mode", draw_photos(64))
def test_every_colour_mode_gives_candids_own_pixels(mode, fit, tmp_path):
    data = draw_photos(64)[mode]
    (tmp_path / "photo").write_bytes(data)
    pixels = read_by_snippet(tmp_path / "photo", fit)[0]
    expected = decode(data, PixelContract(64, fit))
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_large_picture_gives_candids_own_pixels(mode, tmp_path):
    levels = np.random.default_rng(1).integers(0, 256, (301, 411, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(levels).convert(mode).save(tmp_path / "photo.png", exif=exif)
    expected = decode((tmp_path / "photo.png").read_bytes(), PixelContract(64))
    np.testing.assert_array_equal(read_by_snippet(tmp_path / "photo.png")[0], expected)


@pytest.mark.parametrize("most", [255, 1023, 65535])
def test_a_portable_graymap_gives_candids_own_pixels(most, tmp_path):
    levels = np.linspace(0, most, 64 * 64).astype(">u2" if most > 255 else "u1")
    (tmp_path / "photo").write_bytes(b"P5 64 64 %d\n" % most + levels.tobytes())
    expected = decode((tmp_path / "photo").read_bytes(), PixelContract(64))
    pixels = read_by_snippet(tmp_path / "photo")[0]
    np.testing.assert_array_equal(pixels, expected)
    assert len(np.unique(expected)) > 200


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [(90, 70), (400, 150), (50, 40), (90, 40)])
def test_pixels_are_those_of_candids_own_decoding(fit, size, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_about(tmp_path, 2, DecisionRule())
    write_photo(tmp_path, *size)
    pixels = read_by_snippet(tmp_path / "photo.jpg", fit)
    expected = decode((tmp_path / "photo.jpg").read_bytes(), PixelContract(64, fit))
    assert pixels.shape == (1, *expected.shape)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[0], expected)


def test_the_onnx_snippet_runs_unchanged(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (snippet,) = export_run(ExportRequest(trained.folder, "onnx")).snippets
    prediction = photo_of(trained, tmp_path)
    run_snippet(snippet.code, tmp_path)
    require_same(capsys.readouterr().out, prediction)


def test_a_folder_name_may_contain_quotes_and_spaces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippet_context = context(folder='it\'s "mine"')
    write_about(tmp_path, 2, DecisionRule())
    (tmp_path / "exported").rename(tmp_path / 'it\'s "mine"')
    write_photo(tmp_path)
    assert run_with_outputs(snippet_context, tmp_path, (0.4, 0.6))["label"] == "sad"


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize(
    ("num_classes", "rule"),
    [(2, DecisionRule()), (3, DecisionRule()), (2, DecisionRule(costs={("sad", "happy"): 5.0}))],
)
def test_the_kotlin_class_has_no_placeholder_left_and_balanced_brackets(fit, num_classes, rule):
    given = context(rule, num_classes=num_classes, fit=fit)
    code = LITERT.snippets(given)[1].code
    assert "«" not in code
    assert "SIZE = 64" in code
    for opening, closing in ("()", "[]", "{}"):
        assert code.count(opening) == code.count(closing)
    used = re.findall(r"import (?:[\w.]+\.)(\w+)", code)
    assert all(len(re.findall(rf"\b{name}\b", code)) > 1 for name in used)
    assert ('getDouble("threshold")' in code) == (num_classes == 2 and not rule.costs)
    positive = "row[1]" if num_classes == 2 else "null"
    values = f"label, byClass.getValue(label), {positive}, byClass, verdict, possible"
    assert f"return Answer({values})" in code
    assert code.count("known == null") == 3  # one class for models that abstain or not
