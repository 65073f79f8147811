"""The page at ``/`` and the list of what there is to ask at ``/docs``: no script, no network."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;"
    "color:#1a1c1f;background:#fff}code{font-size:.95em}dt{margin-top:1rem;font-weight:600}"
    "dd{margin:0}@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#16181b}"
    "a{color:#9cc4ff}}"
)


@dataclass(frozen=True)
class Page:
    """A page and the security policy that it needs.

    Attributes:
        html: All of it.
        policy: The value of its Content-Security-Policy, without ``frame-ancestors`` and the like,
            which `candid.server.security` adds.
    """

    html: str
    policy: str


def home(openapi: Mapping[str, Any]) -> Page:
    """The page at ``/``; for now what there is to ask."""
    return reference(openapi)


def reference(openapi: Mapping[str, Any]) -> Page:
    """The list of what there is to ask.

    Args:
        openapi: The app's own OpenAPI document.
    """
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
        "<p>A classifier of photos. Send one: <code>curl -F image=@photo.jpg "
        "…/v1/predict</code></p>"
        f'<dl>{items}</dl><p>All of it for programs: <a href="/openapi.json">openapi.json</a></p>'
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
