"""Renders templates to pages: one HTML file each, which works offline and opens from disk.

File names and class names are untrusted. Jinja2 escapes them, `sanitize` removes line breaks and
changes of writing direction, and should both fail, the page's Content-Security-Policy allows only
the one script whose hash it names.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from base64 import b64encode
from contextlib import suppress
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.core import text
from candid.core.cache import default_folder
from candid.core.extras import require_packages
from candid.core.hashing import hash_bytes

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment
    from jinja2.bccache import Bucket

_FOLDER: Final = Path(__file__).parent


def make_environment(folder: Path, *, extra: str) -> Environment:
    """Make a Jinja2 environment for a page.

    Args:
        folder: The page's templates; the shared ones are found too.
        extra: Candid's extra that installs Jinja2, for the error message.

    Returns:
        An environment that escapes and sanitises every value, refuses undefined names, and has the
        filter ``hash`` for the security policy.

    Raises:
        DependencyError: Jinja2 is not installed.
    """
    require_packages(["jinja2"], needed_by="the page", extra=extra)
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def finalize(value: object) -> object:
        return value if hasattr(value, "__html__") else text.sanitize(str(value))

    environment = Environment(
        loader=FileSystemLoader([folder, _FOLDER]),
        bytecode_cache=_compiled_templates(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to every value that the template outputs.
        finalize=finalize,
    )
    environment.filters["hash"] = _hash
    return environment


def _compiled_templates() -> BytecodeCache | None:
    """Compiled templates in the cache, each behind a hash of it and of all that it was made of.

    They are code, and several people may share the folder: what others may write is not run.
    Windows' modes do not tell, so that there none is kept.
    """
    if sys.platform == "win32":
        return None
    from jinja2 import BytecodeCache, __version__

    folder = default_folder()
    ours = b"".join(Path(source).read_bytes() for source in (__file__, text.__file__))

    def sign(bucket: Bucket, code: bytes) -> bytes:
        made_of = MAGIC_NUMBER + f"{__version__} {bucket.checksum}".encode() + ours
        return hash_bytes(made_of + code).encode()

    class Kept(BytecodeCache):
        def load_bytecode(self, bucket: Bucket) -> None:
            file, flags = folder / f"template-{bucket.key}", os.O_NOFOLLOW | os.O_NONBLOCK
            with suppress(OSError), os.fdopen(os.open(file, flags), "rb") as stream:
                status, kept = os.fstat(stream.fileno()), stream.read()
                is_own = (status.st_uid, status.st_mode & 0o77) == (os.getuid(), 0)
                if is_own and kept[:64] == sign(bucket, kept[64:]):
                    bucket.code = marshal.loads(kept[64:])

        def dump_bytecode(self, bucket: Bucket) -> None:
            file, code = folder / f"template-{bucket.key}", marshal.dumps(bucket.code)
            with suppress(OSError):
                file.unlink(missing_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with os.fdopen(os.open(file, flags, 0o600), "wb") as stream:
                    stream.write(sign(bucket, code) + code)

    return Kept()


def read_together(folder: Path, *names: str) -> str:
    """Concatenate styles or scripts; files in ``folder`` take precedence over shared ones."""
    files = (folder / name if (folder / name).exists() else _FOLDER / name for name in names)
    return "".join(file.read_text("utf-8") for file in files)


def _hash(source: str) -> str:
    """Hash source of a script or style in a policy (CSP Level 3, section 2.3.1)."""
    return f"sha256-{b64encode(hashlib.sha256(source.encode('utf-8')).digest()).decode('ascii')}"
