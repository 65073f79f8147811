"""Images to try a model on."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import httpx
import numpy as np
import pytest

from candid.training import Run


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


def test_all_samples_are_counted_under_one_name(client: httpx.Client, metric: Callable) -> None:
    line = 'candid_requests_total{route="/v1/models/{name}/samples/{number}",status="404"}'
    before = metric(client, line)
    client.get("/v1/models/some/samples/4")
    client.get("/v1/models/other/samples/5")
    assert metric(client, line) == before + 2
