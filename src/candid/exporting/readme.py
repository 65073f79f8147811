"""The ``README.md`` of an export."""

from __future__ import annotations

from collections.abc import Sequence

from candid.exporting.format import Format
from candid.exporting.int8_gate import Int8
from candid.exporting.metadata import MANIFEST
from candid.exporting.parity import Parity
from candid.exporting.snippets import Snippet
from candid.exporting.source import Source
from candid.markdown import escape_markdown, fence


def write_readme(
    form: Format, source: Source, parity: Parity | Int8, snippets: Sequence[Snippet]
) -> str:
    """What the export is, how near it is to its run, and how to use it, as Markdown."""
    classes = ", ".join(escape_markdown(name) for name in source.classifier.classes)
    size = source.size_px
    files = ", ".join(f"`{name}`" for name in form.files)
    parts = [
        f"# {escape_markdown(source.name)} for {form.title}",
        f"A classifier that `candid train` made, written by `candid export`: {files}. It tells "
        f"{classes}.",
        f"- In: `image`, uint8 `(n, {size}, {size}, 3)`, RGB, 0 to 255. The preprocessing is "
        f"inside; photos are made square by `{source.classifier.contract.fit}`.",
        "- Out: `probabilities`, float32, a column a class in that order, calibrated.",
        f"- `{MANIFEST}` has the classes, the pixels, the decision rule and what the model "
        "needs to know when to say nothing.",
        "## As the run says",
        fence(parity.to_text()),
    ]
    for snippet in snippets:
        parts += [f"## {snippet.title}", fence(snippet.code.rstrip("\n"), snippet.language)]
    return "\n\n".join(parts) + "\n"
