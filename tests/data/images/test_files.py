"""Files are read whole, however many there are, and whatever happens to them meanwhile."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from candid.data.images import files
from candid.data.images.files import read_file
from candid.errors import ImageError


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_files_that_are_kept_take_no_pages_of_their_own(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x" * 2000)
    before = len(Path("/proc/self/maps").read_text().splitlines())
    kept = [read_file(file) for _ in range(200)]
    after = len(Path("/proc/self/maps").read_text().splitlines())
    assert len(kept) == 200
    assert after - before < 100


@pytest.mark.parametrize("grown", [1, 5000])
def test_a_file_that_grows_while_it_is_read_is_read_whole(tmp_path, grown, monkeypatch):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x" * 100)
    told = os.stat_result((*file.stat()[:6], 100, 0, 0, 0))
    file.write_bytes(b"x" * (100 + grown))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: told)
    assert len(read_file(file)) == 100 + grown


def test_a_file_that_grows_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x" * 100)
    told = file.stat()
    file.write_bytes(b"x" * 1000)
    monkeypatch.setattr(files, "MAX_BYTES", 500)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: told)
    with pytest.raises(ImageError, match="too large"):
        read_file(file)
