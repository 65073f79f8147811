"""The files of an export to the web: what they are called, and how they are to be served."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

#: Where the page and its engine may get anything from: the place that they came from.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)

#: What a host should send with each file. The two about other origins let several threads share
#: memory, which makes the model faster.
HEADERS: Final = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}


def type_of(name: str) -> str:
    """The media type of a file, by its suffix.

    >>> type_of("app/vendor/ort.mjs"), type_of("model.onnx")
    ('text/javascript; charset=utf-8', 'application/octet-stream')
    """
    suffix = PurePosixPath(name).suffix
    if not suffix and name.split("/")[-1].startswith("LICENSE"):
        return "text/plain; charset=utf-8"
    return _TYPES.get(suffix, "application/octet-stream")
