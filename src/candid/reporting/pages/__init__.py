"""What every page has in common: its looks, its security policy, small pictures, the viewer."""

from candid.reporting.pages.environment import make_environment, read_together
from candid.reporting.pages.thumbnails import Previews, Thumbnail, file_previews, make_thumbnails

__all__ = [
    "Previews",
    "Thumbnail",
    "file_previews",
    "make_environment",
    "make_thumbnails",
    "read_together",
]
