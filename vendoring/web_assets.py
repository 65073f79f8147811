"""Scripts of npm packages, which pages and exports to the web take along: brought, then checked.

    python vendoring/web_assets.py     brings them; `make web` runs this

``pins.json`` names the packages, their versions, the folder that each is kept in, and the SHA-256
of each file that is kept. Texts of their licences stand here. Needs nothing but Python and npm.
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
from typing import NamedTuple

HERE = Path(__file__).parent
_MAX_BYTES = 64 * 2**20
_TIMEOUT_S = 900


class AssetError(Exception):
    """What is wanted can't be had; the text is for a person."""


class Package(NamedTuple):
    """A pinned package.

    Attributes:
        package: Its name.
        version: The version that was pinned.
        folder: Where its files are kept, from the root of the repository.
        needed_by: What does not work without it, for a message.
        files: SHA-256 by the name of a file in the package.
    """

    package: str
    version: str
    folder: str
    needed_by: str
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        """As npm wants it."""
        return f"{self.package}@{self.version}"

    @property
    def licence(self) -> str:
        """The file of its licence, here and beside its files."""
        return f"LICENSE-{self.package}"

    @property
    def kept(self) -> dict[str, str]:
        """SHA-256 by the name that a file is kept under."""
        return {Path(file).name: digest for file, digest in self.files.items()}

    def is_in(self, root: Path) -> bool:
        """Whether every file is there as its pin says, and the licence."""
        target = root / self.folder
        same = (hash_of(target / name) == expected for name, expected in self.kept.items())
        return (target / self.licence).is_file() and all(same)

    def bring(self, root: Path) -> None:
        """Fetch the package and keep the pinned files of it.

        Args:
            root: Of the repository.

        Raises:
            AssetError: There is no npm, or the package is not as it was when it was pinned.
        """
        with tempfile.TemporaryDirectory(prefix="candid-web-") as scratch:
            packed = pack(find_npm(), self.name, Path(scratch))
            contents = {file: read_member(packed, f"package/{file}") for file in self.files}
        for file, data in contents.items():
            received = hashlib.sha256(data).hexdigest()
            if received != self.files[file]:
                raise AssetError(
                    f"{file} of {self.name} is not what was pinned: expected SHA-256 "
                    f"{self.files[file]}, received {received}. Nothing was kept."
                )
        target = root / self.folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / self.licence, target / self.licence)
        for file, data in contents.items():
            partial = target / f".{Path(file).name}.{os.getpid()}"
            partial.write_bytes(data)
            partial.replace(target / Path(file).name)


def pinned(pins: Path = HERE / "pins.json") -> list[Package]:
    """The packages of a file of pins."""
    return [Package(**row) for row in json.loads(pins.read_text(encoding="utf-8"))]


def main() -> int:
    """Bring the files where they are not, and say so."""
    root = HERE.parent
    try:
        for package in pinned():
            if not package.is_in(root):
                package.bring(root)
            sys.stdout.write(f"web: {package.name} is in {package.folder}\n")
    except AssetError as error:
        sys.stderr.write(f"web: {error}\n")
        return 1
    return 0


def hash_of(file: Path) -> str:
    """The SHA-256 of a file; empty where there is none."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


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
    raise AssetError("npm is needed to fetch scripts of pages; install Node.js.")


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
