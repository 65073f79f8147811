"""The page at ``/`` with its files, and the API reference at ``/docs``."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any, Final

from candid.reporting.app import PAGE_FILES, index_html, read_file

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
#: The page's files by URL path.
FILES: Final = {
    f"/app/{name}": "engine_http.js" if name == "engine.js" else name
    for name in (*PAGE_FILES, "engine.js")
}
# blob: for photos in memory, data: for thumbnails in API responses.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'"
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;"
    "color:#1a1c1f;background:#fff}code{font-size:.95em}dt{margin-top:1rem;font-weight:600}"
    "dd{margin:0}@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#16181b}"
    "a{color:#9cc4ff}}"
)


@dataclass(frozen=True)
class Page:
    """A page and its Content-Security-Policy; `candid.server.security` adds common directives."""

    html: str
    policy: str


@cache
def home() -> Page:
    """The page at ``/`` for trying a model."""
    return Page(index_html().decode(), _POLICY)


@cache
def file_at(path: str) -> tuple[bytes, str]:
    """Bytes and media type of one of `FILES`."""
    name = FILES[path]
    return read_file(name), _MEDIA_TYPES[name.rpartition(".")[2]]


def reference(openapi: Mapping[str, Any]) -> Page:
    """The API reference of an OpenAPI document."""
    items = "".join(
        f"<dt><code>{escape(method.upper())} {escape(path)}</code></dt>"
        f"<dd>{_describe(operation)}</dd>"
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    )
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Candid</title><style>{_STYLE}</style></head><body><main><h1>Candid</h1>"
        "<p>A photo classifier. Send a photo: <code>curl -F image=@photo.jpg "
        "…/v1/predict</code></p>"
        f'<dl>{items}</dl><p>Machine-readable: <a href="/openapi.json">openapi.json</a></p>'
        "</main></body></html>"
    )
    digest = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return Page(html, f"default-src 'none'; style-src 'sha256-{digest}'")


def _describe(operation: Mapping[str, Any]) -> str:
    lines = [escape(operation.get("description", ""))] + [
        f"<code>?{escape(parameter['name'])}=</code> {escape(parameter.get('description', ''))}"
        for parameter in operation.get("parameters", [])
    ]
    return "<br>".join(lines)
