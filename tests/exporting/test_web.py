"""An export to the web in a real browser gives the same answers as its run."""

import json
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import browser

from candid.data.images import decode
from candid.exporting import FORMATS, ExportRequest, export_run
from candid.exporting.export import open_source
from candid.exporting.web import WEB, write_web
from candid.models.decision_rule import DecisionRule
from candid.runs.artifact import MODEL
from candid.runs.prediction import Prediction
from candid.server.static import find_served
from candid.splits.split import read_csv
from candid.training import TrainOptions, train
from tests.conftest import BACKBONE
from tests.exporting.path_leaks import leaks
from tests.exporting.web_pages import BLOB, encoded, need_assets, served, use_browser

__all__ = ["browser"]

DOCS = Path(__file__).parents[2] / "docs" / "exporting.md"

PREDICT = f"""async ({{ data, name }}) => {{
  {BLOB}
  return JSON.stringify(await window.engine.predict(blob, name, {{}}));
}}"""
ASK = """async (data) => {
  const pixels = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const answers = await window.engine.ask(pixels);
  return Object.fromEntries(Object.entries(answers).map(([name, { data }]) => [name, [...data]]));
}"""
START = """async () => {
  const { createEngine } = await import("/app/engine.js");
  window.messages = [];
  window.engine = await createEngine({ say: (line) => window.messages.push(line) });
}"""


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The drawn faces for the web, checked in a browser. Not to be written to."""
    folder = tmp_path_factory.mktemp("exported") / "web"
    with pytest.MonkeyPatch.context() as patch:
        use_browser(patch)
        patch.setitem(FORMATS, "web", replace(WEB, num_asked=4))
        return export_run(ExportRequest(trained.folder, "web", folder))


@pytest.fixture(scope="module")
def address(exported):
    with served(find_served(exported.folder)) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser, address):
    """The exported page with its engine as ``window.engine``."""
    tab = browser.new_page()
    tab.goto(address)
    tab.evaluate(START)
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def photos(trained, faces):
    """Some readable drawn faces of both classes."""
    rows = read_csv(trained.folder / "split.csv").rows
    return sorted(faces.folder / row.path for row in rows if row.part)[::6]


def predict(page, file):
    return json.loads(
        page.evaluate(PREDICT, {"data": encoded(file.read_bytes()), "name": file.name})
    )


def same_but_for_decoding(received, expected):
    """Whether two predictions agree, up to what another decoder changes."""
    near = all(
        received["probabilities"][name] == pytest.approx(share, abs=0.03)
        for name, share in expected["probabilities"].items()
    )
    assert list(received) == [*expected, "explanation"]
    assert received["probability"] == received["probabilities"][received["label"]]
    if len(expected["probabilities"]) == 2:
        assert received["positive_probability"] == [*received["probabilities"].values()][1]
    else:
        assert received["positive_probability"] is expected["positive_probability"] is None
    names = ("label", "answer", "verdict", "possible", "reason")
    return near and all(received[name] == expected[name] for name in names)


def test_the_gate_ran_in_a_browser_and_used_its_decoder(exported):
    manifest = json.loads((exported.folder / "candid-export.json").read_text("utf-8"))
    assert manifest["parity"] == exported.parity.to_json()
    assert "ONNX Runtime Web" in manifest["parity"]["runtime"]
    assert "in a browser" in manifest["parity"]["runtime"]
    assert manifest["parity"]["label_agreement"] == 1
    decoded = manifest["parity"]["decoded_by_browser"]
    assert decoded["label_agreement"] == 1
    assert decoded["num_images"] == exported.parity.num_images - 3  # the golden images are no files
    assert exported.notes == ()


def test_the_manifest_has_the_hash_of_every_other_file(exported):
    manifest = json.loads((exported.folder / "candid-export.json").read_text("utf-8"))
    files = (file for file in exported.folder.rglob("*") if file.is_file())
    names = {file.relative_to(exported.folder).as_posix() for file in files}
    assert set(manifest["files"]) == names - {"candid-export.json"}
    assert {"index.html", "app/engine.js", "app/app.js", "model.onnx"} <= names


def test_no_file_contains_a_path_of_this_machine(exported, trained, faces):
    places = (exported.folder.parent, trained.folder.parent, faces.folder)
    assert leaks(exported.folder, *places) == []
    page = (exported.folder / "README.md").read_text("utf-8")
    assert "candid serve --static web" in page


def test_the_same_pixels_give_the_same_outputs(page, trained, photos):
    classifier = trained.classifier
    for file in photos[:4]:
        pixels = decode(file.read_bytes(), classifier.contract)
        expected = classifier.model.run(pixels[None], with_heatmap=True)
        received = page.evaluate(ASK, encoded(pixels.tobytes()))
        assert np.allclose(received["probabilities"], expected.probabilities[0], atol=1e-3)
        assert np.allclose(received["novelty"], expected.novelty, atol=1e-2)
        assert np.allclose(received["heatmap"], expected.heatmap.ravel(), atol=1e-2)


def test_photos_get_the_same_answers_as_in_python(page, trained, photos):
    for file in photos:
        expected = trained.classifier.predict(file).to_json()
        received = predict(page, file)
        assert same_but_for_decoding(received, expected), (received, expected)
        assert received["path"] == file.name
        assert received["familiarity"] == pytest.approx(expected["familiarity"], abs=0.1)


def test_explanations_are_those_of_python(page, trained, photos):
    words = []
    for file in photos[:6]:
        explained = trained.classifier.predict(file, explain=True).explanation.to_json()
        received = predict(page, file)["explanation"]
        assert np.allclose(received["heat"], explained["heat"], atol=0.5)
        assert received["similar"] == []
        words.append(received["where"] == explained["where"])
    assert sum(words) >= 5


def test_noise_is_unknown_in_both(page, trained, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), noise)
    assert predict(page, tmp_path / "noise.png")["answer"] == "unknown"
    assert trained.classifier.predict(tmp_path / "noise.png").answer == "unknown"


def test_a_broken_photo_gets_a_reason_in_one_line(page, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff" + b"x" * 500)
    received = predict(page, tmp_path / "broken.jpg")
    assert received["label"] is None
    reason = "truncated: the data end before the picture does"
    assert received == Prediction.unreadable("broken.jpg", reason).to_json()


def test_the_engine_provides_the_pages_texts(page, trained):
    about = page.evaluate("window.engine.about")
    assert about["classes"] == ["happy", "sad"]
    assert about["title"] == "happy or sad?"
    assert about["private"] is True
    assert about["fit"] == trained.classifier.contract.fit
    assert [model["name"] for model in about["models"]] == [trained.folder.name]
    assert about["samples"] == []  # a run's photos are not published
    messages = page.evaluate("window.messages")
    assert messages[-1] == "Starting the model"
    assert any(line.startswith("Loading the model: ") for line in messages)


@pytest.fixture(scope="module")
def three(tmp_path_factory, own_cache):
    """A run with three colours as classes."""
    del own_cache
    folder = tmp_path_factory.mktemp("three")
    random = np.random.default_rng(7)
    for place, name in enumerate(("blue", "green", "red")):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(14):
            coarse = random.integers(0, 120, (5, 5, 3), dtype=np.uint8)
            coarse[..., place] += np.uint8(100)
            photo = cv2.resize(coarse, (90, 70), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / "data" / name / f"{number}.png"), photo)
    options = TrainOptions(backbone=BACKBONE, fit="pad")
    return train(folder / "data", run=folder / "run", options=options)


def test_three_classes_with_padding_give_the_same_answers_as_in_python(browser, three, tmp_path):
    need_assets()
    write_web(tmp_path, open_source(three.folder))
    files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*.*")}
    with served(files | {"": tmp_path / "index.html"}) as address:
        page = browser.new_page()
        page.goto(address)
        page.evaluate(START)
        labels = set()
        for file in sorted((three.folder.parent / "data").rglob("*.png"))[::5]:
            expected = three.classifier.predict(file).to_json()
            received = predict(page, file)
            assert same_but_for_decoding(received, expected), (received, expected)
            labels.add(received["label"])
        page.close()
    assert labels == {"blue", "green", "red"}


def fulfil(body, route):
    route.fulfill(body=body)


def test_the_decision_rule_is_read_from_the_manifest(browser, exported, trained, photos):
    """A threshold and costs replace the run's own rule."""
    rules = [DecisionRule(0.999), DecisionRule(costs={("happy", "sad"): 500.0})]
    files = find_served(exported.folder)
    manifest = json.loads((exported.folder / "candid-export.json").read_text("utf-8"))
    sad = next(file for file in photos if trained.classifier.predict(file).label == "sad")
    with served(files) as address:
        for rule in rules:
            page = browser.new_page()
            body = json.dumps(manifest | {"rule": rule.to_json()})
            page.route("**/candid-export.json", partial(fulfil, body))
            page.goto(address)
            page.evaluate(START)
            expected = trained.classifier.with_rule(rule).predict(sad).to_json()
            assert same_but_for_decoding(predict(page, sad), expected)
            assert expected["label"] == "happy"
            page.close()


def test_a_dropped_photo_causes_no_request_to_the_network(browser, address, photos):
    context = browser.new_context()
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append((request.method, request.url)))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    page.goto(address)
    page.get_by_role("heading", name="happy or sad?").wait_for()
    context.set_offline(True)
    happy = next(file for file in photos if file.parent.name == "happy")
    num_before = len(requests)
    page.locator("input[type=file]").first.set_input_files(str(happy))
    page.get_by_text("happy", exact=True).first.wait_for()
    assert errors == []
    own = (address, "blob:", "data:")
    assert all(method == "GET" and url.startswith(own) for method, url in requests)
    after = [url for _, url in requests[num_before:] if not url.startswith(("blob:", "data:"))]
    assert after == []
    context.close()


def test_it_runs_on_a_host_that_sends_no_headers(browser, exported, trained, photos):
    class Plain(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Plain, directory=exported.folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        assert page.evaluate("crossOriginIsolated") is False  # so it runs in one thread
        page.evaluate(START)
        expected = trained.classifier.predict(photos[0]).to_json()
        assert same_but_for_decoding(predict(page, photos[0]), expected)
        page.close()
        server.shutdown()
        thread.join()


def test_the_pages_policy_forbids_requests_to_other_hosts(page, exported):
    html = (exported.folder / "index.html").read_text("utf-8")
    assert 'http-equiv="Content-Security-Policy"' in html
    assert "connect-src &#x27;self&#x27;" in html
    refused = "fetch('http://127.0.0.2:9/').then(() => 'sent', (error) => error.name)"
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        assert page.evaluate(refused) == "TypeError"


def test_the_javascript_snippet_runs_unchanged(browser, exported, photos, tmp_path):
    from PIL import Image

    happy = next(file for file in photos if file.parent.name == "happy")
    with Image.open(happy) as photo:
        photo.convert("RGB").save(tmp_path / "photo.jpg", quality=95)
    snippet = next(one for one in exported.snippets if one.language == "js")
    assert f"```js\n{snippet.code}```" in DOCS.read_text("utf-8")
    html = f'<!doctype html><script type="module" src="mine.js"></script>{MODEL}'
    (tmp_path / "mine.html").write_text(html, encoding="utf-8")
    (tmp_path / "mine.js").write_text(snippet.code, encoding="utf-8")
    own = {name: tmp_path / name for name in ("photo.jpg", "mine.html", "mine.js")}
    with served(find_served(exported.folder) | own) as address:
        page = browser.new_page()
        with page.expect_console_message(
            lambda message: message.text.startswith("happy")
        ) as message:
            page.goto(f"{address}mine.html")
        assert "happy" in message.value.text
        page.close()
