"""The server conforms to its OpenAPI document; a longer run of `test_schemas`."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from candid.server.models import Models
from candid.server.settings import Settings
from candid.training import Run
from tests.fuzz.budget import SECONDS, fuzz
from tests.server.conftest import running

pytestmark = pytest.mark.skipif(not SECONDS, reason="`make fuzz` runs it")


@pytest.fixture(scope="module")
def client(trained: Run) -> Iterator[httpx.Client]:
    with running(Models([trained.folder], Settings().max_pixels)) as client:
        yield client


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_document_promises(
    client: httpx.Client, mode: GenerationMode
) -> None:
    document = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    (operation,) = (one.ok() for one in document.include(path="/v1/predict").get_all_operations())

    def check(case: schemathesis.Case) -> None:
        # A part of a form is an image whatever is in it: no bytes are wrong, they are unreadable.
        case.call_and_validate(excluded_checks=[negative_data_rejection])

    fuzz(check, examples=1, case=operation.as_strategy(generation_mode=mode))
    assert client.get("/readyz").status_code == 200
