"""Every image gets an answer, an error or is given up, and a stop answers what waits."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import cv2
import numpy as np
import pytest

from candid.core.threads import num_cores
from candid.data.images import PixelContract
from candid.runs.prediction import Prediction
from candid.server.answering import Answerer
from candid.server.uploads import Upload

PHOTO = Upload("a.png", cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes())


class Held:
    """A classifier that answers only once `go_on` is set, and can't explain."""

    contract = PixelContract(2)

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.threads: set[str] = set()
        self.go_on = threading.Event()
        self.has_begun = threading.Semaphore(0)

    def predict_pixels(self, pixels: np.ndarray, *, explain: bool) -> list[Prediction]:
        self.has_begun.release()
        assert self.go_on.wait(20)
        self.sizes.append(len(pixels))
        self.threads.add(threading.current_thread().name)
        if explain:
            raise RuntimeError("it can't")
        return [Prediction("", "sad", 1.0, {})]


@pytest.fixture
def held() -> Any:
    return Held()


async def begin(answerer: Answerer, held: Any, count: int) -> asyncio.Future[Any]:
    """Ask about some photos, and wait until each core has one."""
    task = asyncio.ensure_future(answerer.answer([PHOTO] * count, held, held, explain=False))
    for _ in range(min(count, num_cores())):
        assert await asyncio.to_thread(held.has_begun.acquire, timeout=20)
    return task


def test_images_are_answered_one_by_one_on_all_cores(held: Any) -> None:
    async def ask() -> list[dict[str, Any]]:
        task = await begin(answerer, held, 5)
        held.go_on.set()
        return list(await task)

    answerer = Answerer()
    items = asyncio.run(ask())
    assert [(item["path"], item["label"]) for item in items] == [("a.png", "sad")] * 5
    assert held.sizes == [1] * 5
    assert len(held.threads) == min(5, num_cores())
    answerer.close()


def test_an_error_reaches_those_who_wait_and_nobody_else(held: Any) -> None:
    async def ask() -> None:
        with pytest.raises(RuntimeError, match="it can't"):
            await answerer.answer([PHOTO], held, held, explain=True)
        (item,) = await answerer.answer([PHOTO], held, held, explain=False)
        assert item["label"] == "sad"

    held.go_on.set()
    answerer = Answerer()
    asyncio.run(ask())
    answerer.close()


def test_who_no_longer_waits_is_not_asked_about(held: Any) -> None:
    async def ask() -> None:
        begun = await begin(answerer, held, num_cores())
        given_up = asyncio.ensure_future(answerer.answer([PHOTO] * 3, held, held, explain=False))
        await asyncio.sleep(0.01)
        given_up.cancel()
        await asyncio.wait([given_up])
        held.go_on.set()
        await begun

    answerer = Answerer()
    asyncio.run(ask())
    answerer.close()
    assert len(held.sizes) == num_cores()


def test_a_stop_answers_what_waits(held: Any) -> None:
    async def ask() -> list[dict[str, Any]]:
        task = await begin(answerer, held, 5)
        held.go_on.set()
        await asyncio.to_thread(answerer.close)
        return list(await task)

    answerer = Answerer()
    assert len(asyncio.run(ask())) == 5
