"""A web export's quick look at the frames of a camera: at the picture, not at its mirror image."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import browser
from onnxruntime import InferenceSession
from playwright.sync_api import Browser, Page

from candid.cli.demo import SampleSet
from candid.exporting.export import open_source
from candid.exporting.web import write_web
from candid.features.backbones import DEFAULT, build, get
from candid.features.backbones.onnx_graph import build_onnx
from candid.features.backbones.spec import BackboneSpec
from candid.features.backbones.weights import load_weights
from candid.training import Run
from tests.exporting.web_pages import encoded, need_assets, served

__all__ = ["browser"]

QUICK = """async (data) => {
  const { withOneView } = await import("/app/quick.js");
  const changed = withOneView(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
  let text = "";
  for (let at = 0; at < changed.length; at += 9999) {
    text += String.fromCharCode(...changed.subarray(at, at + 9999));
  }
  return btoa(text);
}"""
EXAMINE = """async (data) => {
  const { createEngine } = await import("/app/engine.js");
  const engine = await createEngine({});
  const blob = await (await fetch(`data:image/png;base64,${data}`)).blob();
  const frame = await createImageBitmap(blob);
  const found = await engine.examine(frame, "frame", { isExplained: false, isQuick: true });
  const whole = await engine.examine(blob, "file");
  const broken = await engine.examine(new Blob(["no photo"]), "text");
  return {
    item: found.item, embedding: [...found.embedding],
    whole: whole.item, same: [...whole.embedding],
    broken: broken.item, nothing: broken.embedding,
  };
}"""


@pytest.fixture(scope="module")
def page(
    browser: Browser, trained: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    need_assets()
    folder = tmp_path_factory.mktemp("written") / "web"
    folder.mkdir()
    write_web(folder, open_source(trained.folder))
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}
    with served(files | {"": folder / "index.html"}) as address:
        tab = browser.new_page(bypass_csp=True)  # the pages of the tests ask data: URLs
        tab.goto(address)
        yield tab
        tab.close()


@pytest.mark.parametrize("name", ["efficientnet-lite0", DEFAULT])
def test_the_answer_of_both_views_is_the_mean_of_quick_ones(page: Page, name: str) -> None:
    backbone = get(name)
    if name == DEFAULT:
        whole = build(backbone).SerializeToString()
    else:
        assert isinstance(backbone, BackboneSpec)
        weights = load_weights(backbone)
        whole = build_onnx(replace(backbone, mirror=True), weights).SerializeToString()
        alone = build_onnx(backbone, weights).SerializeToString()
        assert b64decode(page.evaluate(QUICK, encoded(alone))) == alone
    changed = b64decode(page.evaluate(QUICK, encoded(whole)))
    assert len(changed) == len(whole)
    size = backbone.size_px
    pixels = np.random.default_rng(1).integers(0, 256, (1, size, size, 3)).astype(np.uint8)

    def embed(model: bytes, rows: np.ndarray) -> np.ndarray:
        session = InferenceSession(model, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(["embedding"], {"image": rows})[0][0])

    one, other = embed(changed, pixels), embed(changed, pixels[:, :, ::-1])
    assert embed(whole, pixels) == pytest.approx((one + other) / 2, abs=1e-4)
    assert np.abs(one - other).max() > 0.01


def test_a_frame_of_a_camera_is_answered_as_a_file_of_it(page: Page, faces: SampleSet) -> None:
    file = next(path for path in sorted(Path(faces.folder).rglob("*.png")))
    found = page.evaluate(EXAMINE, encoded(file.read_bytes()))
    shares, whole = found["item"]["probabilities"], found["whole"]["probabilities"]
    assert shares == pytest.approx(whole, abs=1e-3)  # this network sees no mirror image
    assert found["item"]["verdict"] == found["whole"]["verdict"]
    assert "explanation" not in found["item"]
    assert found["whole"]["explanation"]["heat"]
    assert found["embedding"] == pytest.approx(found["same"], abs=1e-2)
    assert (found["broken"]["verdict"], found["nothing"]) == ("unreadable", None)
