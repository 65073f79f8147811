"""The server conforms to its OpenAPI document."""

from __future__ import annotations

import httpx
import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from candid.runs.prediction import Prediction

SAMPLE = "/v1/models/{name}/samples/{number}"
PATHS = ("/v1/predict", "/v1/models", SAMPLE, "/healthz", "/readyz", "/metrics")


CASES = [(path, GenerationMode.POSITIVE) for path in PATHS]
ASKED_WRONGLY = [(path, GenerationMode.NEGATIVE) for path in ("/v1/predict", SAMPLE)]


# What takes no parameter can't be asked wrongly.
@pytest.mark.parametrize(("path", "mode"), [*CASES, *ASKED_WRONGLY])
def test_every_answer_is_one_that_the_document_promises(
    client: httpx.Client, path: str, mode: GenerationMode
) -> None:
    document = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    (operation,) = (one.ok() for one in document.include(path=path).get_all_operations())

    @settings(max_examples=30 if path == "/v1/predict" else 3, database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        # A part of a form is an image whatever is in it: no bytes are wrong, they are unreadable.
        case.call_and_validate(excluded_checks=[negative_data_rejection])

    check()


def test_the_document_is_openapi_and_names_all_there_is(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]) == set(PATHS)
    forms = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    assert set(forms) == {
        "multipart/form-data",
        "application/json",
        "application/octet-stream",
        "image/*",
    }


def test_the_document_names_the_values_of_an_answer(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["components"]["schemas"]["PredictionOut"]
    names = list(Prediction.unreadable("a.jpg", "empty file").to_json())
    assert described["required"] == names
    assert list(described["properties"]) == [*names, "explanation"]
    verdict, _ = described["properties"]["verdict"]["anyOf"]
    assert verdict["enum"] == ["sure", "uncertain", "unknown", "unreadable"]
    assert described["properties"]["probability"]["description"] == "Of the label."
