"""The page at ``/``, the API documentation at ``/docs``, and the files of both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Any, Final

from candid.reporting.app import PAGE_FILES, read_file

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
#: Files of the pages by URL path.
FILES: Final = {
    f"/app/{name}": "engine_http.js" if name == "engine.js" else name
    for name in (*PAGE_FILES, "engine.js", "docs.css", "docs.js")
}
#: Content-Security-Policy of the pages; `candid.server.security` adds common directives. blob: is
#: for photos in memory, data: for thumbnails in API responses.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'"
)

_ROUTES_PLACE: Final = "<!-- routes -->"


@cache
def file_at(path: str) -> tuple[bytes, str]:
    """Bytes and media type of one of `FILES`."""
    name = FILES[path]
    return read_file(name), _MEDIA_TYPES[name.rpartition(".")[2]]


def documentation(openapi: Mapping[str, Any]) -> str:
    """The page at ``/docs`` for an OpenAPI document."""
    routes = "".join(
        _route(method.upper(), path, operation)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    )
    return read_file("docs.html").decode().replace(_ROUTES_PLACE, routes, 1)


def _route(method: str, path: str, operation: Mapping[str, Any]) -> str:
    name = f"{method} {escape(path)}"
    fields = "".join(map(_field, operation.get("parameters", ())))
    if method == "POST":
        files = '<input type="file" name="images" accept="image/*" multiple required>'
        fields += f"<label><code>images</code>{files}</label>"
    responses = operation["responses"]
    (answer,) = responses["200"]["content"].values()
    more = [
        (escape(example["summary"]), f'<pre tabindex="0">{_shown(example["value"])}</pre>')
        for example in answer.get("examples", {}).values()
    ]
    errors = "".join(
        f"<dt>{status}</dt><dd>{escape(response['description'])}</dd>"
        for status, response in responses.items()
        if status != "200"
    )
    if errors:
        more.append(("Errors", f"<dl>{errors}</dl>"))
    folded = "".join(
        f"<details><summary>{title}</summary>{text}</details>" for title, text in more
    ).replace("<details>", "<details open>", 1)
    return (
        f'<section class="route" aria-label="{name}"><h2><code>{name}</code></h2>'
        f"<p>{escape(operation['description'])}</p>"
        f'<form data-method="{method}" data-path="{escape(path)}">{fields}'
        f'<pre class="command" tabindex="0"></pre><div class="buttons">'
        f'<button class="primary" aria-label="Try {name}">Try it</button></div></form>'
        f'<div class="outcome" role="status"></div>{folded}</section>'
    )


def _field(parameter: Mapping[str, Any]) -> str:
    """The field of a parameter in a form."""
    name, schema = escape(parameter["name"]), parameter["schema"]
    attributes = f'name="{name}"{" required" if parameter["required"] else ""}'
    kind = {"number": 'number" step="any', "integer": "number"}.get(schema["type"], "text")
    field = f'<input type="{kind}" {attributes}>'
    if schema["type"] == "boolean":
        field = f'<select {attributes}><option value="">false<option>true</select>'
    note = escape(parameter.get("description", ""))
    return f'<label><code>{name}</code>{field}<span class="note">{note}</span></label>'


def _shown(example: Any) -> str:
    return escape(example if isinstance(example, str) else json.dumps(example, indent=2))
