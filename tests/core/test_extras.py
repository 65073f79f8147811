"""Optional packages are required before the work begins; TensorFlow's log is filtered."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings

import pytest

from candid.core.extras import quiet, require_packages
from candid.errors import DependencyError


def test_what_is_missing_is_named_with_the_remedy() -> None:
    names = ["numpy", "no_such_package", "nor_this"]
    with pytest.raises(DependencyError) as error:
        require_packages(names, needed_by="an audit", extra="audit")
    assert str(error.value) == (
        "an audit needs no_such_package, nor_this, which is not installed. "
        'Run: pip install "candid-image[audit]"'
    )


def test_nothing_is_imported() -> None:
    before = set(sys.modules)
    require_packages(["numpy", "tensorboard"], needed_by="it", extra="train")
    assert "tensorboard" not in set(sys.modules) - before


def test_harmless_log_lines_are_suppressed(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"I0000 00:00 1 port.cc:153] noise\nW0000 noise\nINFO: a delegate\n")
        os.write(2, b"E0000 real trouble\n")
    assert capfd.readouterr().err == "E0000 real trouble\n"


def test_other_lines_are_passed_on_at_once_in_their_order(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet():
        os.write(2, b"one\nI0000 noise\ntwo\nthree, not whole")
        end = time.monotonic() + 10
        seen = ""
        while "two" not in seen and time.monotonic() < end:
            time.sleep(0.01)
            seen += capfd.readouterr().err
        assert seen == "one\ntwo\n"
    assert capfd.readouterr().err == "three, not whole"


def test_calls_in_several_threads_give_the_descriptor_back_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before, entered, leave = os.fstat(2), threading.Event(), threading.Event()

    def work() -> None:
        with quiet():
            entered.set()
            assert leave.wait(10)

    thread = threading.Thread(target=work)
    filters = list(warnings.filters)
    with quiet():
        thread.start()
        assert entered.wait(10)
    os.write(2, b"W0000 noise\nnews\n")
    assert not os.path.samestat(os.fstat(2), before)
    leave.set()
    thread.join()
    assert os.path.samestat(os.fstat(2), before)
    assert warnings.filters == filters
    assert capfd.readouterr().err == "news\n"


def test_all_log_lines_are_printed_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"W0000 the reason\n")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), quiet():
        fail()
    assert capfd.readouterr().err == "W0000 the reason\n"


def test_warnings_are_only_ignored_within() -> None:
    with quiet():
        warnings.warn("of TensorFlow's own code", DeprecationWarning, stacklevel=1)
    with pytest.warns(DeprecationWarning, match="ours"):
        warnings.warn("ours", DeprecationWarning, stacklevel=1)
