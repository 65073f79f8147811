"""Shared parts of all pages: styles, security policy, thumbnails, picture viewer."""

from candid.reporting.pages.environment import make_environment, read_together
from candid.reporting.pages.thumbnails import Previews, file_previews, make_thumbnails

__all__ = [
    "Previews",
    "file_previews",
    "make_environment",
    "make_thumbnails",
    "read_together",
]
