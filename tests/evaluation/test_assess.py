"""Cross-validation, leak tax and learning curve end together."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from candid.core.progress import Silent
from candid.core.threads import go_on, num_cores
from candid.evaluation import assess
from candid.models.recipes.logistic import fit_at_once

NUM_JOBS = 3 * num_cores()


@pytest.mark.parametrize("large", [False, True])
def test_ctrl_c_ends_what_is_measured_in_other_threads(
    monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    begun: list[int] = []
    whole: list[int] = []

    def work(job: int) -> None:
        begun.append(job)
        for _ in range(30):
            go_on()
            time.sleep(0.01)
        whole.append(job)

    def measure(*_: object, **__: object) -> Any:
        return fit_at_once(work, range(NUM_JOBS), num_values=1)

    def press_ctrl_c(*_: object) -> NoReturn:
        while not begun:
            time.sleep(0.001)
        raise KeyboardInterrupt

    data = SimpleNamespace(embeddings=np.zeros((2, 2)))
    context: Any = SimpleNamespace(
        split=SimpleNamespace(places=lambda *_: np.arange(2)),
        data=SimpleNamespace(take=lambda _: data),
        seed=0,
        predictions=press_ctrl_c,
    )
    monkeypatch.setattr(assess, "LARGE_MATRIX", 0 if large else 100)
    folds = SimpleNamespace(answers=None)
    monkeypatch.setattr(assess, "predict_by_folds", lambda *_, **__: folds)
    monkeypatch.setattr(assess, "naive_hits", measure)
    monkeypatch.setattr(assess, "_learn", measure)
    fitted: Any = SimpleNamespace(strength=1.0)
    tested: Any = None
    with pytest.raises(KeyboardInterrupt):
        assess._with_folds(context, tested, fitted, Silent())
    assert len(begun) <= num_cores()
    assert not whole
