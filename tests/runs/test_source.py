"""What `predict` takes has the pixels that its file has; what it does not take is named."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, ImageSequence

from candid.data.images import PixelContract
from candid.errors import ImageError, UsageError
from candid.runs.source import files_of, is_several, take

CONTRACT = PixelContract(size_px=32)
RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def read(source: object, contract: PixelContract = CONTRACT) -> np.ndarray:
    return take(source).read(contract)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def turned() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif.tobytes()}


PNG = encoded(Image.fromarray(RGB), "PNG")


def palette() -> Image.Image:
    image = Image.fromarray(RGB).quantize(7)
    image.info["transparency"] = 3
    return image


ALPHA = Image.fromarray(np.dstack([RGB, GREY]))
DEEP = Image.fromarray((GREY.astype(np.uint16) << 8) + 77)
#: Files whose pixels depend on what Pillow keeps beside the samples.
FILES = {
    "jpeg-turned": encoded(Image.fromarray(RGB), "JPEG", quality=95, **turned()),
    "webp-turned": encoded(Image.fromarray(RGB), "WEBP", lossless=True, **turned()),
    "png-turned": encoded(Image.fromarray(RGB), "PNG", **turned()),
    "tiff-turned": encoded(Image.fromarray(RGB), "TIFF", **turned()),
    "alpha": encoded(ALPHA, "PNG"),
    "grey-and-alpha": encoded(ALPHA.convert("LA"), "PNG"),
    "transparent-palette": encoded(palette(), "PNG", transparency=3),
    "transparent-colour": encoded(
        Image.fromarray(RGB), "PNG", transparency=tuple(RGB[0, 0].tolist())
    ),
    "deep-grey": encoded(DEEP, "PNG"),
    "two-colours": encoded(Image.fromarray(RGB).convert("1"), "PNG"),
    "cmyk": encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "gif": encoded(Image.fromarray(RGB), "GIF"),
    "floats": encoded(Image.fromarray(GREY / np.float32(255)), "TIFF"),
}
WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "not loaded": lambda image: image,
    "loaded": lambda image: image.load() and image,
    "copied": lambda image: image.copy(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_an_image_of_pillows_has_the_pixels_of_its_file(name: str, way: str) -> None:
    image = WAYS[way](Image.open(io.BytesIO(FILES[name])))
    assert read(image).shape[:2] == ((30, 20) if "turned" in name else (20, 30))
    np.testing.assert_array_equal(read(image), read(FILES[name]))


@pytest.mark.parametrize("way", ["not loaded", "loaded"])
def test_what_pillow_drops_when_it_loads_is_read_from_the_file(tmp_path: Path, way: str) -> None:
    """Sixteen bits of colours, in a range; Pillow keeps eight."""
    import cv2

    file = tmp_path / "deep.png"
    cv2.imwrite(str(file), RGB.astype(np.uint16) + 1000)
    contract = PixelContract(size_px=32, sample_range=(1000.0, 1255.0))
    # Of an image that is loaded from memory, the file is gone.
    for opened_from in (file, io.BytesIO(file.read_bytes()))[: 1 if way == "loaded" else 2]:
        with Image.open(opened_from) as image:
            np.testing.assert_array_equal(read(WAYS[way](image), contract), RGB[..., ::-1])


def test_a_changed_image_is_not_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    with Image.open(tmp_path / "a.png") as image:
        image.paste((1, 2, 3), (0, 0, 30, 20))
        assert (read(image) == (1, 2, 3)).all()
        assert take(image).name == str(tmp_path / "a.png")


def test_another_page_and_a_draft_are_taken_as_pillow_has_them() -> None:
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        assert (read(image) == (0, 0, 255)).all()
    with Image.open(io.BytesIO(encoded(Image.new("RGB", (640, 480), "red"), "JPEG"))) as photo:
        photo.draft("L", (80, 60))
        assert np.ptp(read(photo), axis=2).max() == 0


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("way", ["not loaded", "loaded"])
def test_each_frame_of_an_image_is_a_picture_of_its_own(form: str, way: str) -> None:
    colours = [(255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    pages = [Image.new("RGB", (8, 8), colour) for colour in colours]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(pages[0], form, save_all=True, append_images=pages[1:], **options)
    with Image.open(io.BytesIO(data)) as image:
        frames = ImageSequence.Iterator(WAYS[way](image))
        assert is_several(frames)
        photos = list(map(take, frames))  # all before one is read, as `predict` does
    assert [tuple(photo.read(CONTRACT)[4, 4].tolist()) for photo in photos] == colours


def test_frames_in_one_array_are_pictures_of_their_own() -> None:
    buffer = np.zeros((8, 8, 3), np.uint8)

    def frames(array: np.ndarray) -> Iterator[np.ndarray]:
        for number in range(3):
            buffer[:] = number
            yield array

    for array in (buffer, buffer[::2, ::2], buffer[..., :1], buffer[..., 0]):
        photos = list(map(take, frames(array)))
        assert [photo.read(CONTRACT).max() for photo in photos] == [0, 1, 2]


def test_an_image_that_was_turned_already_is_not_turned_again() -> None:
    with Image.open(io.BytesIO(FILES["png-turned"])) as image:
        upright = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(read(upright), read(FILES["png-turned"]))


def test_whole_numbers_are_16_bits_and_others_need_a_range() -> None:
    deep = Image.fromarray(GREY.astype(np.int32) * 256, "I")
    np.testing.assert_array_equal(read(deep)[..., 1], GREY)
    wide = Image.fromarray(GREY.astype(np.int32) - 100, "I")
    with pytest.raises(ImageError, match="signed 32-bit samples"):
        read(wide)
    contract = PixelContract(size_px=32, sample_range=(-100.0, 155.0))
    np.testing.assert_array_equal(read(wide, contract)[..., 1], GREY)


def test_an_image_that_can_not_be_read_has_the_reason_of_its_file() -> None:
    with Image.open(io.BytesIO(PNG[:-30])) as image, pytest.raises(ImageError, match="truncated"):
        read(image)
    with pytest.raises(ImageError, match="no pixels"):
        read(Image.new("RGB", (0, 5)))
    with Image.open(io.BytesIO(PNG)) as left:
        pass
    left.fp = None  # as of a path
    with pytest.raises(ImageError, match="closed before Pillow loaded it"):
        read(left)
    closed = Image.open(io.BytesIO(PNG))
    closed.close()
    with pytest.raises(ImageError, match="damaged or unsupported"):
        read(closed)


def opened(folder: Path, stack: ExitStack) -> Iterator[object]:
    """Open files that hold `PNG`, each at another place."""
    (folder / "photo.png").write_bytes(PNG)
    yield stack.enter_context((folder / "photo.png").open("rb"))
    yield stack.enter_context((folder / "photo.png").open("rb", buffering=0))
    written = io.BytesIO()
    written.write(PNG)  # and so at its end
    yield written
    spooled = stack.enter_context(tempfile.SpooledTemporaryFile())  # noqa: SIM115
    spooled.write(PNG)
    yield spooled
    archive = stack.enter_context(zipfile.ZipFile(folder / "photos.zip", "w"))
    archive.writestr("photo.png", PNG)
    yield stack.enter_context(archive.open("photo.png"))


class Pipe:
    """Has no start to go back to, and gives a few bytes at a time."""

    def __init__(self) -> None:
        self.rest = PNG

    def read(self, size: int) -> bytes:
        part, self.rest = self.rest[: min(size, 100)], self.rest[min(size, 100) :]
        return part


def test_an_open_file_is_read_from_its_start_and_not_by_lines(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for file in opened(tmp_path, stack):
            assert not is_several(file)
            for _ in range(2):
                np.testing.assert_array_equal(read(file), RGB)
    np.testing.assert_array_equal(read(Pipe()), RGB)
    with (tmp_path / "photo.png").open("rb") as file:
        assert take(file).name == str(tmp_path / "photo.png")
    with pytest.raises(ImageError, match=r"can't be read: .*closed file"):
        read(file)


def test_bytes_have_many_types_and_arrays_of_grey_are_pictures() -> None:
    for data in (PNG, bytearray(PNG), memoryview(PNG), memoryview(b"ab" + PNG)[2:]):
        np.testing.assert_array_equal(read(data), RGB)
        assert take(data).name == ""
    for array in (GREY, GREY[..., None], np.asfortranarray(GREY)):
        np.testing.assert_array_equal(read(array), np.repeat(GREY[..., None], 3, axis=2))
    np.testing.assert_array_equal(read(RGB), RGB)


class Upload:
    async def read(self) -> bytes:
        return PNG


REFUSED = {
    "dict": ({"image": "a.jpg"}, "dict"),
    "None": (None, "NoneType"),
    "a number": (3, "int"),
    "an empty text": ("", "0 characters"),
    "an address": ("https://example.org/a.jpg", "address https://example.org/a.jpg; download"),
    "a data address": ("data:image/png;base64,iVBO", "address data:image"),
    "base64": ("iVBO" * 2000, "8000 characters"),
    "several lines": ("a\nb", "3 characters"),
    "a text file": (io.StringIO("text"), "StringIO opened as text; open it with 'rb'"),
    "an asynchronous file": (Upload(), "Upload, which is asynchronous; give `await"),
    "a class": (io.BytesIO, "type"),
    "floats": (GREY / 255, "float64 \\(20, 30\\)"),
    "16 bits": (RGB.astype(np.uint16), "uint16"),
    "truth values": (GREY > 9, "bool"),
    "alpha": (np.zeros((4, 4, 4), np.uint8), "uint8 \\(4, 4, 4\\)"),
    "a batch": (RGB[None], "uint8 \\(1, 20, 30, 3\\)"),
    "a row": (GREY[0], "uint8 \\(30,\\)"),
    "nothing": (np.zeros((0, 4, 3), np.uint8), "uint8 \\(0, 4, 3\\)"),
    "a memoryview of an array": (memoryview(RGB), "memoryview of shape \\(20, 30, 3\\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_taken_is_named_in_a_line(name: str) -> None:
    given, named = REFUSED[name]
    assert not is_several(given)
    with pytest.raises(
        UsageError, match=f"expected a path, a file's bytes.*Received: .*{named}"
    ) as e:
        take(given)
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 500


class Tensor:
    """Can be iterated, as those of PyTorch and TensorFlow."""

    ndim = 3

    def __iter__(self) -> Iterator[int]:
        return iter([1])


def test_lists_iterators_and_columns_are_several_and_tensors_are_not() -> None:
    import pandas as pd

    column = pd.Series(["a.jpg", "b.jpg"])
    for several in (["a.jpg"], (), {"a.jpg"}, iter(["a.jpg"]), {1: "a.jpg"}.values(), column):
        assert is_several(several)
    for one in (Tensor(), pd.DataFrame({"a": ["b"]}), RGB, "ab", b"ab", Path("a"), {"a": 1}):
        assert not is_several(one)


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    assert files_of(tmp_path / "absent") is None
    assert files_of(b"") is files_of(None) is None
    with pytest.raises(UsageError, match="has no file in it"):
        files_of(tmp_path)
    for name in ("b.png", "deep/a.txt", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    assert files_of(str(tmp_path)) == [tmp_path / "b.png", tmp_path / "deep/a.txt"]
    with pytest.raises(UsageError, match="0 characters"):
        files_of("")  # which is no name of the current folder
