"""Looks for folders of this machine in what is handed on."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def leaks(folder, *places):
    """Each file below a folder that names a place of this machine, with the place.

    Besides the places that are given, the home folder and this checkout are looked for.
    """
    own = {str(place) for place in (*places, Path.home(), REPOSITORY)} - {"/"}
    return [
        (file.relative_to(folder).as_posix(), place)
        for file in folder.rglob("*")
        if file.is_file()
        for place in own
        if place.encode() in file.read_bytes()
    ]
