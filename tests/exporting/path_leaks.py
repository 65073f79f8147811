"""Finds paths of this machine in exported files."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def leaks(folder, *places):
    """Each file below a folder that contains a path of this machine, with the path.

    The home folder and this checkout are searched for too.
    """
    own = {str(place) for place in (*places, Path.home(), REPOSITORY)} - {"/"}
    return [
        (file.relative_to(folder).as_posix(), place)
        for file in folder.rglob("*")
        if file.is_file()
        for place in own
        if place.encode() in file.read_bytes()
    ]
