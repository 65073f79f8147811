"""Name the formats of pictures that Candid does not read, and say what to do with such files.

``reporting/app/foreign.js`` is the same for the page.
"""

from __future__ import annotations

from typing import Final

#: Why camera raw files are refused: a sensor's samples, which a raw converter makes into a picture.
CAMERA_RAW: Final = "a camera raw file; export it as JPEG"

# Olympus, Panasonic, Fujifilm, Sigma and Minolta; Canon's CR3 is ISO media.
_RAW_MAGIC: Final = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")


def is_raw(data: bytes) -> bool:
    """Whether a file is a camera raw file of a format of its own, by its first bytes.

    DNG, NEF, CR2, ARW, PEF and others are TIFF files; `candid.data.images.tiff_tags.has_raw` looks
    into them. What Pillow would read of them is their thumbnail.
    """
    return data.startswith(_RAW_MAGIC) or data[4:12] == b"ftypcrx "


_MAGIC = {
    # Icons and cursors, with the number of pictures: a TGA may begin with the same four bytes.
    "ICO": tuple(bytes((0, 0, 1, 0, count, 0)) for count in range(1, 32)),
    "CUR": tuple(bytes((0, 0, 2, 0, count, 0)) for count in range(1, 32)),
    "HDR": (b"#?RADIANCE", b"#?RGBE"),
    "QOI": (b"qoif",),
    "PSD": (b"8BPS",),
    "XCF": (b"gimp xcf",),
    "OpenEXR": (b"v/1\x01",),
    "DDS": (b"DDS ",),
    "Farbfeld": (b"farbfeld",),
    "FITS": (b"SIMPLE  =",),
    "JPEG XL": (b"\xff\x0a", b"\x00\x00\x00\x0cJXL "),
    "JPEG XR": (b"II\xbc\x01",),
    "PAM": (b"P7\n",),
    "PFM": (b"Pf\n", b"PF\n"),
    "PDF": (b"%PDF",),
    "PostScript": (b"%!PS",),
    "ZIP": (b"PK\x03\x04",),
    "SVG": (b"<svg",),
    "video": (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"FLV\1"),
}

_TGA_TYPES = frozenset({1, 2, 3, 9, 10, 11})
_TGA_DEPTHS = frozenset({8, 15, 16, 24, 32})

# Of one file, and of several.
_REMEDIES = {
    "PDF": ("save its pages as JPEG or PNG", "save their pages as JPEG or PNG"),
    "video": ("save frames of it as JPEG or PNG", "save frames of them as JPEG or PNG"),
    "ZIP": ("unpack it", "unpack them"),
}
_SAVE = ("save it as JPEG or PNG", "save them as JPEG or PNG")


def identify_foreign(data: bytes) -> str | None:
    """Name the format of a file that is none of `candid.data.images.FORMATS`.

    Args:
        data: The file; all of it tells more TGA files than its first 64 bytes.

    Returns:
        A name, or None if it is unknown.

    >>> identify_foreign(b"%PDF-1.7")
    'PDF'
    """
    for name, magic in _MAGIC.items():
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp" or (data[:4] == b"RIFF" and data[8:12] == b"AVI "):
        return "video"
    # TGA has no magic number: newer files have a footer, older ones a plausible header (colour map
    # or none, a known picture type, a known depth).
    if data[-18:-2] == b"TRUEVISION-XFILE":
        return "TGA"
    is_tga = len(data) > 18 and data[1] < 2 and data[2] in _TGA_TYPES and data[16] in _TGA_DEPTHS
    return "TGA" if is_tga else None


def remedy(name: str, number: int = 1) -> str:
    """What to do with so many files of a format that `identify_foreign` names."""
    return _REMEDIES.get(name, _SAVE)[number != 1]
