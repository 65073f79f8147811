"""Pictures of instruments, those of the benchmark: read rightly, or refused for the true reason."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from candid.data.images import (
    PixelContract,
    Reading,
    decode,
    identify,
    inspect,
    preview,
    read_header,
)
from candid.data.images.packages import missing
from candid.data.images.tiff import is_band
from candid.data.scan import scan
from candid.errors import ImageError, UsageError
from tests.dicom import encode_dicom
from tests.scripts import load_script

SMALL = PixelContract(32)


instruments = load_script("benchmarks/instruments.py")
CASES = {case.name: case for case in instruments.cases()}


def tiff(values: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def ramp(dtype: str, low: float, high: float) -> np.ndarray:
    return np.tile(np.linspace(low, high, 32), (32, 1)).astype(dtype)


@pytest.mark.parametrize("name", CASES)
def test_a_picture_is_read_rightly_or_refused_truly(name: str) -> None:
    is_right, seen = instruments.judge(CASES[name])
    assert is_right, seen


@pytest.mark.parametrize("order", ["<", ">"])
def test_12_bits_in_one_and_a_half_bytes_are_read(order: str) -> None:
    values = ramp("uint16", 0, 4095)
    bits = (values[..., None] >> np.arange(11, -1, -1)) & 1
    packed = np.packbits(bits.astype(np.uint8).reshape(32, -1), axis=1).tobytes()
    data = tiff(values, byteorder=order, bitspersample=12, photometric="minisblack")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start = file.pages[0].dataoffsets[0]
    # The writer swaps the bytes of big-endian files.
    data = data[:start] + packed + data[start + len(packed) :]
    for reading in (Reading(), Reading(sample_range=(0.0, 4095.0))):
        read = decode(data, PixelContract.of(reading, 32, "squash"))
        assert np.abs(read[..., 0].astype(int) - values / 4095 * 255).max() <= 1


def test_webp_in_tiff_is_read_whether_pillow_has_it_or_not() -> None:
    grey = np.repeat(ramp("uint8", 0, 255)[:, :, None], 3, axis=2)
    read = decode(tiff(grey, compression="webp", photometric="rgb"), SMALL)
    assert np.abs(read.astype(int) - grey).max() <= 2


@pytest.mark.parametrize("name", [name for name in CASES if isinstance(CASES[name].expected, str)])
def test_a_reason_is_one_line(name: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(CASES[name].data, PixelContract.of(CASES[name].reading, 32, "squash"))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["int16 big-endian zlib", "DICOM window", "OME-TIFF of three channels"]
)
def test_header_preview_and_facts_know_the_picture(name: str) -> None:
    case = CASES[name]
    size = read_header(case.data)
    assert (size.width_px, size.height_px) == (64, 64)
    assert inspect(case.data).format == identify(case.data)
    shown = preview(case.data, 64, case.reading)
    assert shown is not None
    assert np.abs(shown.astype(int) - case.expected).max() <= 2


class TestRange:
    def test_one_brighter_sample_changes_nothing_else(self) -> None:
        """The range is no longer guessed from each picture's own maximum."""
        one, other = ramp("int16", 0, 255), ramp("int16", 0, 255)
        other[0, 0] = 256
        contract = SMALL.with_range((0, 255))
        difference = decode(tiff(one), contract)[1:].astype(int) - decode(tiff(other), contract)[1:]
        assert not difference.any()

    def test_samples_beyond_the_range_are_black_and_white(self) -> None:
        row = decode(tiff(ramp("float32", -1, 2)), SMALL.with_range((0, 1)))[0, :, 0]
        assert (row[:9] == 0).all()
        assert (row[-9:] == 255).all()

    def test_8_bits_are_never_stretched(self) -> None:
        grey = ramp("uint8", 0, 31)
        assert (decode(tiff(grey), SMALL.with_range((0, 31)))[..., 0] == grey).all()

    def test_without_one_16_bits_keep_their_upper_byte(self) -> None:
        row = decode(tiff(ramp("uint16", 0, 65535)), SMALL)[0, :, 0]
        assert (row == ramp("uint16", 0, 65535)[0] >> 8).all()

    def test_12_bit_samples_declare_their_range(self) -> None:
        data = encode_dicom(ramp("uint16", 0, 4095), BitsStored=12, HighBit=11)
        assert decode(data, SMALL)[0, -1, 0] == 255

    def test_values_that_mark_missing_samples_are_black(self) -> None:
        values = ramp("int16", 100, 200)
        values[:, 16:] = -9999
        data = tiff(values, extratags=[(42113, "s", 0, "-9999", True)])
        pixels = decode(data, SMALL.with_range((100, 200)))
        assert (pixels[:, 16:] == 0).all()
        assert pixels[0, 15, 0] > 100

    @pytest.mark.parametrize("bad", [(1, 1), (2, 1), (0, float("nan")), (0, 1, 2)])
    def test_a_range_that_is_none_is_refused(self, bad: tuple[float, ...]) -> None:
        with pytest.raises(UsageError, match="a range of samples must be two numbers"):
            PixelContract(sample_range=bad)  # type: ignore[arg-type]

    def test_the_key_of_a_contract_without_choices_is_as_before(self) -> None:
        assert PixelContract().key.endswith(":224:squash")
        chosen = PixelContract(sample_range=(0, 4095), page=2, bands=(4, 3, 2))
        assert chosen.key.endswith(":224:squash:range=0,4095:page=2:bands=4,3,2")


class TestPages:
    @pytest.mark.parametrize("number", [0, -1])
    def test_a_page_below_the_first_is_refused(self, number: int) -> None:
        with pytest.raises(UsageError, match="page must be at least 1"):
            PixelContract(page=number)

    def test_they_are_counted_without_reduced_ones(self) -> None:
        assert inspect(CASES["a thumbnail before the picture"].data).num_frames == 1
        assert inspect(CASES["imagej stack, page 2"].data).num_frames == 3
        assert inspect(CASES["OME-TIFF of three channels"].data).num_frames == 1
        assert inspect(CASES["DICOM frame 2"].data).num_frames == 2

    def test_a_frame_of_an_imagej_stack_in_another_byte_order_is_read(self) -> None:
        stack = np.stack([ramp("uint16", 0, 9), ramp("uint16", 0, 65535)])
        data = tiff(stack, imagej=True)
        assert decode(data, PixelContract(32, page=2))[0, -1, 0] == 255

    def test_channels_of_a_stack_can_be_chosen(self) -> None:
        channels = np.moveaxis(instruments.rgb(), 2, 0)
        data = tiff(channels, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
        pixels = decode(data, PixelContract(64, bands=(3, 3, 1)))
        assert (pixels == instruments.rgb()[..., [2, 2, 0]]).all()


class TestBands:
    @pytest.mark.parametrize("bands", [(1, 2), (0, 1, 2), (1, 2, 3, 4)])
    def test_other_than_three_from_1_on_are_refused(self, bands: tuple[int, ...]) -> None:
        with pytest.raises(UsageError, match="bands must be three numbers"):
            PixelContract(bands=bands)  # type: ignore[arg-type]

    def test_a_band_that_is_not_there_has_a_reason(self) -> None:
        with pytest.raises(ImageError, match=r"3 band\(s\), and --bands asks for 4,3,2"):
            decode(tiff(instruments.rgb(), photometric="rgb"), PixelContract(32, bands=(4, 3, 2)))

    def test_real_alpha_stays_alpha(self) -> None:
        alpha = np.zeros((64, 64), np.uint8)
        alpha[:, 32:] = 255
        rgba = np.dstack([instruments.rgb(), alpha])
        pixels = decode(
            tiff(rgba, photometric="rgb", extrasamples=["unassalpha"]), PixelContract(64)
        )
        assert (pixels[:, :32] == 255).all()
        assert (pixels[:, 32:] == instruments.rgb()[:, 32:]).all()

    def test_an_even_alpha_is_alpha_too(self) -> None:
        assert not is_band(np.full((9, 9), 128, np.uint8))


class TestCameraRaw:
    @pytest.mark.parametrize("photometric", [32803, 34892])
    def test_a_sensor_s_samples_in_a_sub_directory_are_known(self, photometric: int) -> None:
        stream = io.BytesIO()
        with tifffile.TiffWriter(stream) as file:
            file.write(instruments.rgb(), photometric="rgb", subfiletype=1, subifds=1)
            sensor = instruments.rgb() if photometric == 34892 else instruments.grey()
            file.write(sensor.astype(np.uint16), photometric=photometric)
        for read in (decode, read_header, inspect):
            with pytest.raises(ImageError, match=r"^a camera raw file; export it as JPEG$"):
                read(stream.getvalue())

    @pytest.mark.parametrize(
        "start",
        [b"IIRO\x08\0", b"IIU\0", b"FUJIFILMCCD-RAW 0201", b"\0\0\0\x18ftypcrx \0\0\0\1"],
    )
    def test_formats_of_their_own_are_known(self, start: bytes, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match=r"^a camera raw file; export it as JPEG$"):
            decode(start + bytes(200))
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "photo.raw").write_bytes(start + bytes(200))
        catalog = scan(tmp_path, to_train=False)
        assert [photo.path for photo in catalog.photos] == ["a/photo.raw"]

    def test_cr2_is_known_by_its_mark(self) -> None:
        with pytest.raises(ImageError, match="camera raw"):
            decode(b"II*\0\x10\0\0\0CR\2\0" + bytes(20))


class TestWithoutTheExtra:
    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("float32 big-endian zlib", "compressed big-endian float32 TIFF needs packages"),
            ("uint16 jpeg2000", "uint16 TIFF with JPEG 2000 inside needs packages"),
            ("DICOM 8 bits", "DICOM needs packages"),
        ],
    )
    def test_a_file_that_needs_it_names_it(
        self, name: str, what: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for package in ("tifffile", "pydicom"):
            monkeypatch.setitem(sys.modules, package, None)
        case = CASES[name]
        with pytest.raises(ImageError, match=f'{what}: pip install "candid-image.science."'):
            decode(case.data, PixelContract.of(case.reading, 32, "squash"))

    def test_what_pillow_reads_rightly_needs_no_package(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "tifffile", None)
        names = ("uint16 big-endian zlib", "int16 big-endian plain", "float32 little-endian zlib")
        for name in (*names, "WhiteIsZero uint16 <", "palette of 8-bit values"):
            is_right, seen = instruments.judge(CASES[name])
            assert is_right, seen

    def test_other_photos_import_none_of_it(self) -> None:
        code = (
            "import io, sys; from PIL import Image\n"
            "from candid.data.images import decode, inspect\n"
            "for kind in ('JPEG', 'PNG', 'TIFF'):\n"
            "    file = io.BytesIO(); Image.new('RGB', (8, 8)).save(file, kind)\n"
            "    decode(file.getvalue()), inspect(file.getvalue())\n"
            "print([m for m in ('tifffile', 'imagecodecs', 'pydicom') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "[]\n", done.stderr

    def test_the_reason_is_one_line(self) -> None:
        assert "\n" not in str(missing("DICOM"))


@pytest.mark.parametrize("name", ["float32 big-endian zlib", "DICOM 12 of 16 bits", "uint16 lerc"])
def test_damaged_files_raise_nothing_else(name: str) -> None:
    case = CASES[name]
    contract = PixelContract.of(case.reading, 16, "squash")
    for end in np.linspace(1, len(case.data) - 1, 40).astype(int):
        with suppress(ImageError):  # and nothing else
            decode(case.data[:end], contract)


def test_dicom_with_a_value_of_half_a_number_is_damaged() -> None:
    data = bytearray(CASES["DICOM 8 bits"].data)
    data[138] = 5  # bytes of the first value, a number of four
    for read in (decode, read_header, inspect):
        with pytest.raises(ImageError, match=r"^damaged DICOM file \(.*\)$"):
            read(bytes(data))


def test_a_bigtiff_whose_directory_lies_nowhere_is_damaged(tmp_path: Path) -> None:
    data = b"II+\0\x08\0\0\0" + b"\xff" * 8
    with pytest.raises(ImageError, match="damaged header"):
        decode(data)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "photo.tif").write_bytes(data)
    assert [photo.path for photo in scan(tmp_path, to_train=False).photos] == ["a/photo.tif"]


def test_a_signalling_nan_is_a_missing_sample() -> None:
    values = ramp("float32", 0, 1)
    values.view(np.uint32)[0, 5] = 0x7F800001
    assert (decode(tiff(values), SMALL.with_range((0, 1)))[0, 5] == 0).all()


def test_tiff_s_orientation_is_applied_once() -> None:
    values = instruments.rgb()[:40]
    for deep in (values, values.astype(np.float32)):
        data = tiff(deep, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
        header = read_header(data)
        assert (header.width_px, header.height_px) == (40, 64)
        pixels = decode(data, PixelContract(40, "crop", sample_range=(0, 255)))
        turned = np.asarray(Image.fromarray(values).transpose(Image.Transpose.ROTATE_270))
        assert (pixels == turned[12:52]).all()
