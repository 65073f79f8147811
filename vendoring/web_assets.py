"""ONNX Runtime for browsers, which an export to the web takes along: brought once, then checked.

    python vendoring/web_assets.py     brings it; `make web` runs this

``pins.json`` names the npm package, its version, and the SHA-256 of each file that is kept. The
package has no text of its licence inside, so that stands here. Needs nothing but Python and npm.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parent / "src" / "candid" / "reporting" / "app" / "vendor"
LICENCE = "LICENSE-onnxruntime-web"
_MAX_BYTES = 64 * 2**20
_TIMEOUT_S = 900


class AssetError(Exception):
    """What is wanted can't be had; the text is for a person."""


def main() -> int:
    """Bring the files where they are not, and say so."""
    pins = json.loads((HERE / "pins.json").read_text(encoding="utf-8"))
    name = f"{pins['package']}@{pins['version']}"
    try:
        if not is_complete(TARGET, pins["files"]):
            bring(TARGET, name, pins["files"])
    except AssetError as error:
        sys.stderr.write(f"web: {error}\n")
        return 1
    sys.stdout.write(f"web: {name} is in {TARGET.relative_to(HERE.parent)}\n")
    return 0


def is_complete(target: Path, hashes: Mapping[str, str]) -> bool:
    """Whether every file is there as its pin says, and the licence."""
    same = (hash_of(target / name) == expected for name, expected in hashes.items())
    return (target / LICENCE).is_file() and all(same)


def hash_of(file: Path) -> str:
    """The SHA-256 of a file; empty where there is none."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def bring(target: Path, name: str, hashes: Mapping[str, str]) -> None:
    """Fetch the package and keep the pinned files of it.

    Args:
        target: The folder that they are kept in.
        name: The package and its version, as npm wants them.
        hashes: SHA-256 by the name of a file in the package's folder ``dist``.

    Raises:
        AssetError: There is no npm, or the package is not as it was when it was pinned.
    """
    with tempfile.TemporaryDirectory(prefix="candid-web-") as scratch:
        packed = pack(find_npm(), name, Path(scratch))
        contents = {file: read_member(packed, f"package/dist/{file}") for file in hashes}
    for file, data in contents.items():
        received = hashlib.sha256(data).hexdigest()
        if received != hashes[file]:
            raise AssetError(
                f"{file} of {name} is not what was pinned: expected SHA-256 {hashes[file]}, "
                f"received {received}. Nothing was kept."
            )
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / LICENCE, target / LICENCE)
    for file, data in contents.items():
        partial = target / f".{file}.{os.getpid()}"
        partial.write_bytes(data)
        partial.replace(target / file)


def pack(npm: str, name: str, folder: Path) -> Path:
    """Let npm fetch a package, which it checks against its registry's hash; run nothing of it."""
    command = [npm, "pack", name, "--ignore-scripts", "--pack-destination", str(folder)]
    done = run(command)
    files = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(files) != 1:
        raise AssetError(f"`{' '.join(command[:3])}` failed: {last_line(done)}")
    return files[0]


def read_member(packed: Path, name: str) -> bytes:
    """Read one file of a package, unpacking nothing."""
    with tarfile.open(packed) as package:
        try:
            member = package.getmember(name)
        except KeyError:
            raise AssetError(f"the package has no {name}.") from None
        opened = package.extractfile(member)
        if opened is None or member.size > _MAX_BYTES:
            raise AssetError(f"{name} of the package is no file of a sensible size.")
        return opened.read()


def find_npm() -> str:
    """Find npm, or install Debian's where we may."""
    if path := shutil.which("npm"):
        return path
    if shutil.which("apt-get") and distribution() == "debian" and os.geteuid() == 0:
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
        run([*apt, "update"])
        run([*apt, "install", "--no-install-recommends", "npm"])
    if path := shutil.which("npm"):
        return path
    raise AssetError("npm is needed to fetch ONNX Runtime for browsers; install Node.js.")


def distribution() -> str:
    """Which Linux this is: ``debian``; empty where that is not known."""
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command within a bounded time."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssetError(f"`{command[0]}` failed: {error}") from error


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said in the end."""
    return ([line for line in done.stderr.splitlines() if line.strip()] or ["no word"])[-1]


if __name__ == "__main__":
    sys.exit(main())
