"""Routes: predictions as on the command line, for every form of body, and sample images."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from candid.cli.demo import SampleSet
from candid.data.images import inspect
from candid.runs.classifier import load
from candid.server.models import Models
from candid.server.settings import Settings
from candid.training import Run

SAMPLE = "/v1/models/{name}/samples/{number}"
ErrorOf = Callable[[httpx.Response], str]


def files_of(photos: list[Path]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("image", (photo.name, photo.read_bytes(), "image/png")) for photo in photos]


def without_numbers(item: dict[str, object]) -> dict[str, object]:
    return {
        key: value
        for key, value in item.items()
        if key not in ("probability", "positive_probability", "probabilities", "familiarity")
    }


def test_it_says_what_predict_json_says(
    client: httpx.Client, photos: list[Path], trained: Run, candid: Callable, faces: SampleSet
) -> None:
    broken = faces.folder / "happy" / "IMG_2041.jpg"
    sad = sorted(faces.folder.glob("sad/face-*"))[0]
    some = [*photos, sad, broken]
    done = candid("predict", *some, "--run", trained.folder, "--json")
    expected = json.loads(done.stdout)
    answer = client.post("/v1/predict", files=files_of(some)).json()
    assert answer["model"] == "run"
    assert len(answer["predictions"]) == len(expected) == 10
    for item, want, photo in zip(answer["predictions"], expected, some, strict=True):
        assert list(item) == list(want)
        assert without_numbers(item) == without_numbers(want | {"path": photo.name})
        assert item["probabilities"] == pytest.approx(want["probabilities"], abs=1e-5)
        assert item["probability"] == pytest.approx(want["probability"], abs=1e-5)
        assert item["probability"] == item["probabilities"].get(item["label"])
        assert item["positive_probability"] == item["probabilities"].get("sad")
        assert item["familiarity"] == pytest.approx(want["familiarity"], abs=1e-5)
    assert {item["label"] for item in answer["predictions"]} == {"happy", "sad", None}
    assert answer["predictions"][-1]["reason"]
    assert answer["predictions"][-1]["verdict"] == "unreadable"
    assert answer["predictions"][0]["reason"] is None


def test_multipart_raw_bytes_and_json_say_the_same(
    client: httpx.Client, photos: list[Path]
) -> None:
    data = photos[0].read_bytes()
    encoded = b64encode(data).decode()
    answers = [
        client.post("/v1/predict", files={"any": ("a.png", data)}),
        client.post("/v1/predict", content=data, headers={"Content-Type": "image/png"}),
        client.post(
            "/v1/predict", content=data, headers={"Content-Type": "application/octet-stream"}
        ),
        client.post("/v1/predict", json={"images": [encoded]}),
    ]
    items = [answer.json()["predictions"][0] for answer in answers]
    assert [item.pop("path") for item in items] == ["a.png", "", "", ""]
    for item in items[1:]:
        assert item["label"] == items[0]["label"]
        assert item["probability"] == pytest.approx(items[0]["probability"], abs=1e-6)


@pytest.mark.parametrize(
    ("given", "shown"),
    [("../../etc/passwd", "passwd"), ("C:\\photos\\a.png", "a.png"), ("a\u202eb", "a\\u202eb")],
)
def test_a_file_name_comes_back_without_folders_and_tricks(
    client: httpx.Client, photos: list[Path], given: str, shown: str
) -> None:
    answer = client.post("/v1/predict", files={"image": (given, photos[0].read_bytes())})
    assert answer.json()["predictions"][0]["path"] == shown


def test_an_unreadable_image_has_a_reason_and_spoils_no_other(
    client: httpx.Client, photos: list[Path]
) -> None:
    good = photos[0].read_bytes()
    files = [("i", ("a", good)), ("i", ("b", b"not an image")), ("i", ("c", good[:200]))]
    answer = client.post("/v1/predict", files=[*files, ("i", ("d", b"")), ("i", ("e", good))])
    assert answer.status_code == 200
    items = answer.json()["predictions"]
    assert [item["path"] for item in items] == list("abcde")
    assert [item["label"] is None for item in items] == [False, True, True, True, False]
    assert items[3]["reason"] == "empty file"


def test_coverage_changes_what_is_possible_and_no_probability(
    client: httpx.Client, photos: list[Path], trained: Run
) -> None:
    files = files_of(photos)
    usual = client.post("/v1/predict", files=files).json()["predictions"]
    wide = client.post("/v1/predict?coverage=0.999", files=files).json()["predictions"]
    expected = load(trained.folder).with_coverage(0.999).predict([str(p) for p in photos])
    assert [item["possible"] for item in wide] == [list(one.possible) for one in expected]
    assert [item["possible"] for item in wide] != [item["possible"] for item in usual]
    for one, other in zip(usual, wide, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)


def test_an_explanation_shows_similar_photos_and_no_path(
    client: httpx.Client, photos: list[Path], faces: SampleSet, trained: Run
) -> None:
    answer = client.post("/v1/predict?explain=1", files=files_of(photos[:2]))
    expected = load(trained.folder).predict([str(photo) for photo in photos[:2]], explain=True)
    for item, want in zip(answer.json()["predictions"], expected, strict=True):
        explanation = item["explanation"]
        assert want.explanation is not None
        assert explanation["where"] == want.explanation.where
        assert [s["label"] for s in explanation["similar"]] == [
            photo.label for photo in want.explanation.similar
        ]
        for photo in explanation["similar"]:
            assert photo.keys() == {"label", "similarity", "thumbnail"}
            data = b64decode(photo["thumbnail"].removeprefix("data:image/jpeg;base64,"))
            assert max(inspect(data).width_px, inspect(data).height_px) == 192
    assert str(faces.folder) not in answer.text
    assert "face-" not in answer.text.replace(photos[0].name, "").replace(photos[1].name, "")


def test_no_similar_shows_clients_no_photo_of_the_data(
    trained: Run, photos: list[Path], running: Callable
) -> None:
    """Neither similar ones, whose class is told too, nor samples; the heat map stays."""
    models = Models([trained.folder], Settings().max_pixels, similar=False)
    with running(models) as client:
        for path in ("?explain=1", "?explain=1&coverage=0.8"):
            answer = client.post(f"/v1/predict{path}", files=files_of(photos[:2]))
            for item in answer.json()["predictions"]:
                assert item["explanation"]["similar"] == []
                assert item["explanation"]["heat"]
            assert "data:image" not in answer.text
        models.reload(always=True)
        again = client.post("/v1/predict?explain=1", files=files_of(photos[:1])).json()
        assert again["predictions"][0]["explanation"]["similar"] == []
        assert client.get("/v1/models").json()["models"][0]["num_samples"] == 0
        assert client.get("/v1/models/run/samples/0").status_code == 404


def test_without_the_training_photos_there_are_no_thumbnails(
    copied_run: Path, photos: list[Path], running: Callable, faces: SampleSet, tmp_path: Path
) -> None:
    """Another photo in the place of one that was trained on is not shown either."""
    moved = shutil.copytree(faces.folder, tmp_path / "moved")
    for photo in moved.glob("*/*"):
        photo.write_bytes(photos[0].read_bytes())
    manifest = json.loads((copied_run / "candid.json").read_text())
    manifest["data"]["folder"] = str(moved)
    (copied_run / "candid.json").write_text(json.dumps(manifest))
    with running(Models([copied_run], Settings().max_pixels)) as client:
        answer = client.post("/v1/predict?explain=1", files=files_of(photos[3:4]))
    similar = answer.json()["predictions"][0]["explanation"]["similar"]
    shown = [photo["thumbnail"] for photo in similar]
    assert len(shown) == 3
    assert None in shown


def test_a_model_is_chosen_by_its_name(
    trained: Run, copied_run: Path, running: Callable, photos: list[Path], error_of: ErrorOf
) -> None:
    manifest = json.loads((copied_run / "candid.json").read_text())
    manifest["rule"]["threshold"] = 0.0
    (copied_run / "candid.json").write_text(json.dumps(manifest))
    paths = [trained.folder, copied_run, trained.folder]
    with running(Models(paths, Settings().max_pixels)) as client:
        described = client.get("/v1/models").json()["models"]
        assert [model["name"] for model in described] == ["run", "copied", "run-2"]
        assert [model["is_default"] for model in described] == [True, False, False]
        assert [model["threshold"] for model in described] == [0.5, 0.0, 0.5]
        files = files_of(photos)
        strict = client.post("/v1/predict?model=copied", files=files).json()
        usual = client.post("/v1/predict", files=files).json()
        unknown = client.post("/v1/predict?model=other", files=files)
    assert (strict["model"], usual["model"]) == ("copied", "run")
    assert {item["label"] for item in strict["predictions"]} == {"sad"}
    assert {item["label"] for item in usual["predictions"]} != {"sad"}
    assert (unknown.status_code, error_of(unknown)) == (404, "unknown_model")
    assert "copied" in unknown.json()["error"]["message"]


def test_figures_come_with_their_intervals_and_without_a_path(
    client: httpx.Client, trained: Run, faces: SampleSet
) -> None:
    answer = client.get("/v1/models")
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    model = answer.json()["models"][0]
    assert model["classes"] == ["happy", "sad"]
    assert model["believe"] == metrics["believe"]
    assert model["figures"]["test"]["accuracy"] == metrics["accuracy"]
    assert model["figures"]["kfold"]["accuracy"] == metrics["kfold"]["accuracy"]
    for text in (str(faces.folder), str(trained.folder), "fingerprint"):
        assert text not in answer.text


def test_samples_are_the_pictures_that_the_run_was_checked_with(
    client: httpx.Client, trained: Run
) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    with np.load(trained.folder / "golden.npz") as golden:
        pictures = golden["image"]
    assert model["num_samples"] == len(pictures) > 0
    for number, expected in enumerate(pictures):
        answer = client.get(f"/v1/models/{model['name']}/samples/{number}")
        assert answer.headers["content-type"] == "image/png"
        pixels = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("run/samples/3", (404, "unknown_sample")),
        ("run/samples/-1", (404, "unknown_sample")),
        ("run/samples/x", (422, "invalid_parameter")),
        ("other/samples/0", (404, "unknown_model")),
        ("..%2f/samples/0", (404, "not_found")),
    ],
)
def test_what_is_no_sample_is_refused(
    client: httpx.Client, error_of: Callable, path: str, expected: tuple[int, str]
) -> None:
    answer = client.get(f"/v1/models/{path}")
    assert (answer.status_code, error_of(answer)) == expected


@pytest.mark.parametrize(
    ("paths", "route", "status"),
    [
        (["/v1/models/some/samples/4", "/v1/models/other/samples/5"], SAMPLE, 404),
        (["/app/app.js", "/app/app.css"], "/app/{name}", 200),
        (["/app/nothing.js", "/app/%2e%2e"], "/app/{name}", 404),
        (["/v1/predict"], "/v1/predict", 405),
        (["/nothing/of/ours", "/v1/models/a/b/c"], "other", 404),
    ],
)
def test_requests_are_counted_by_route_and_not_by_file(
    client: httpx.Client, metric: Callable, paths: list[str], route: str, status: int
) -> None:
    line = f'candid_requests_total{{route="{route}",status="{status}"}}'
    before = metric(client, line)
    for path in paths:
        client.get(path)
    assert metric(client, line) == before + len(paths)
    assert "app.js" not in client.get("/metrics").text


def test_refused_requests_are_counted_by_route_too(client: httpx.Client, metric: Callable) -> None:
    line = f'candid_requests_total{{route="{SAMPLE}",status="403"}}'
    before = metric(client, line)
    client.get("/v1/models/run/samples/0", headers={"Host": "evil.example"})
    assert metric(client, line) == before + 1
