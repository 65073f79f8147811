"""The README's own code is run on drawn photos of every colour mode."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from candid.data.images import PixelContract, decode, inspect
from candid.errors import ParityError
from candid.exporting import FORMATS, ExportRequest, export_run
from candid.exporting.drawn_photos import draw_photos
from candid.exporting.export import open_source
from candid.exporting.own_reading import OwnReading, _compare, check_own_reading
from candid.exporting.snippets import Snippet, SnippetContext

PLAIN = {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"}
MODES = PLAIN | {"P, transparent", "I;16, transparent", "large JPEG"}


def test_the_drawn_photos_have_every_colour_mode():
    photos = draw_photos(64)
    assert set(photos) == MODES
    modes = {name: inspect(data).mode for name, data in photos.items()}
    for name in PLAIN:
        assert modes[name] == name
    large = inspect(photos["large JPEG"])
    assert (large.format, large.width_px) == ("JPEG", 256)


def test_reading_alpha_or_deep_grey_as_rgb_shows_other_pixels():
    for name, data in draw_photos(64).items():
        image = Image.open(io.BytesIO(data)).convert("RGB")
        image = image.resize((64, 64), Image.Resampling.BOX)
        difference = np.abs(np.asarray(image).astype(int) - decode(data, PixelContract(64)))
        is_plain = name in ("1", "L", "P", "RGB", "CMYK", "large JPEG")
        assert bool(difference.mean() < 4) is is_plain, name


def test_an_export_says_how_its_own_code_reads_photos(trained, tmp_path):
    exported = export_run(ExportRequest(trained.folder, "onnx", tmp_path / "out"))
    reading = exported.compared.reading
    assert reading is not None
    assert reading.num_photos == len(MODES)
    assert reading.probability < 0.02
    assert "drawn photos of every colour mode have the run's label" in exported.to_text()
    assert reading.to_text() in (tmp_path / "out" / "README.md").read_text("utf-8")
    manifest = json.loads((tmp_path / "out" / "candid-export.json").read_text("utf-8"))
    assert manifest["own_reading"] == reading.to_json()


def test_code_that_sees_other_labels_is_refused_and_nothing_is_left(trained, tmp_path, monkeypatch):
    onnx = FORMATS["onnx"]

    def snippets(context):
        (snippet,) = onnx.snippets(context)
        code = snippet.code.replace("= read_photo(file)", "= 255 - read_photo(file)")
        return (replace(snippet, code=code),)

    monkeypatch.setitem(FORMATS, "onnx", replace(onnx, snippets=snippets))
    message = (
        r"to ONNX does not see what the run sees: of a drawn photo \(.*\), its Python code made"
    )
    with pytest.raises(ParityError, match=message):
        export_run(ExportRequest(trained.folder, "onnx", tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def answers(run, label=None, shift=0.0, reason=None):
    """A reader of a run's own answers, with another label or other probabilities."""

    def read(data):
        told = run.classifier.predict(data)
        shares = {name: share + shift for name, share in told.probabilities.items()}
        known = told.label if label is None else label(told.label)
        return {"label": known, "probabilities": shares, "reason": reason}

    return read


def other(label):
    return "sad" if label == "happy" else "happy"


def test_a_tie_is_no_difference_and_anything_else_is(trained):
    source, onnx = open_source(trained.folder), FORMATS["onnx"]

    def run(pixels):
        return {"probabilities": source.classifier.model.run(pixels).probabilities}

    def ask(reader):
        return _compare(onnx, source, run, "it", reader)

    assert ask(answers(trained)).probability < 1e-5
    assert ask(answers(trained, other, 0.01)).num_photos == len(MODES)
    for shift in (0.03, float("nan")):
        with pytest.raises(ParityError, match="does not see what the run sees"):
            ask(answers(trained, other, shift))
    with pytest.raises(ParityError, match=r"made not read \(this browser can't\)"):
        ask(answers(trained, lambda _: None, reason="this browser can't"))


def test_a_format_without_python_code_and_without_a_browser_is_not_asked(trained, tmp_path):
    shell = Snippet("sh", "To preview it", "candid serve\n")
    onnx = FORMATS["onnx"]
    source = open_source(trained.folder)
    onnx.write(tmp_path, source)
    context = SnippetContext(tmp_path, source.classifier.contract, source.classifier.rule, 2, True)
    form = replace(onnx, snippets=lambda _: (shell,))
    with form.open_export(tmp_path) as loaded:
        assert check_own_reading(loaded, form, source, context) is None
    assert OwnReading("it", 9, 0.001).to_text().startswith("Read by it, 9 drawn photos of")
