"""The prediction page of the server and of web exports; see README.md."""

from candid.reporting.app.files import (
    PAGE_FILES,
    index_html,
    read_file,
    read_samples,
    sentence_of,
    title_of,
)

__all__ = ["PAGE_FILES", "index_html", "read_file", "read_samples", "sentence_of", "title_of"]
