"""Something moves on a terminal while a step computes; a log has plain lines."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

import pytest

from candid.core.progress import Lines

_SILENT_STEP = """
import time
from candid.core.progress import for_terminal
with for_terminal().step("Computing", {total}):
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("total", [0, 4])
def test_a_terminal_shows_that_a_step_without_any_advance_is_alive(total: int) -> None:
    import pty

    terminal, end = pty.openpty()
    code = _SILENT_STEP.format(total=total)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=end, stdin=end)
    os.close(end)
    shown: list[bytes] = []
    give_up = time.monotonic() + 60
    try:
        while len(set(shown)) < 5 and time.monotonic() < give_up:
            if select.select([terminal], [], [], 1)[0]:
                shown.append(os.read(terminal, 4096))
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert len(set(shown)) >= 5  # the spinner turned
    assert b"Computing" in b"".join(shown)


def test_a_log_has_a_line_at_the_end_of_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines().step("Computing", 4) as advance:
        advance(4)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Computing: 4 in 0.0 s\n")
