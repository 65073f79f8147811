"""Bodies: which parts are images, which are parameters, and which are neither."""

from __future__ import annotations

import json
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from pathlib import Path
from typing import Any

import httpx
import pytest

from candid.server.schemas import Problem
from candid.server.uploads import Upload, Uploads, read_uploads

ErrorOf = Callable[[httpx.Response], str]
#: Holds every letter of base64, and needs padding.
DATA = bytes(range(256))
TYPE = "Content-Type: image/png\r\n"


def form(*parts: tuple[str, bytes]) -> Uploads:
    """Read a form of parts, each the parameters of its name with further headers, and its bytes."""
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    return read_uploads("multipart/form-data; boundary=b", body + b"--b--\r\n", 3)


def in_json(value: object) -> Uploads:
    body = value if isinstance(value, str) else json.dumps(value)
    return read_uploads("application/json", body.encode(), 3)


PHOTO = ('name="image"; filename="a.png"', DATA)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('name="anything"; filename="a.png"', "a.png"),
        ('name="image"; filename=""', ""),
        (f'name="image"\r\n{TYPE[:-2]}', ""),
        ('name="image"\r\nContent-Type: application/octet-stream', ""),
        ("name=image; filename*=utf-8''%C3%A9%2F..%2Fb.png", "b.png"),
        ("name=image; filename=\"a.png\"; filename*=utf-8''other.png", "a.png"),
    ],
)
def test_a_part_with_a_file_name_or_the_type_of_an_image_is_a_photo(head: str, name: str) -> None:
    (upload,) = form((head, DATA)).images
    assert (upload.name, upload.data) == (name, DATA)


def test_text_fields_are_parameters_and_move_no_photo() -> None:
    text = 'name="model"\r\nContent-Type: text/plain; charset=utf-8'
    read = form(('name="explain"', b"on"), PHOTO, (text, "schön".encode()), PHOTO)
    assert [upload.data for upload in read.images] == [DATA, DATA]
    assert read.fields == {"explain": "on", "model": "schön"}


def test_bytes_that_are_no_text_are_a_photo_in_a_field_of_that_name_alone() -> None:
    """As from a client that names no file."""
    assert form(('name="image"', DATA)).images[0].data == DATA
    with pytest.raises(Problem, match="no text field 'user'"):
        form(PHOTO, ('name="user"', "Müller".encode("latin-1")))


def test_what_looks_like_the_boundary_within_a_photo_is_part_of_it() -> None:
    data = b"\r\n--bX\r\n--b-\r\n\r\n--\r\n"
    uploads = form(PHOTO, ('name="image"; filename="a.png"', data), PHOTO)
    assert [upload.data for upload in uploads.images] == [DATA, data, DATA]
    body = b"a preamble\r\n--b \t\r\nContent-Disposition: form-data; NAME=i;\r\n filename=a\r\n\r\n"
    (upload,) = read_uploads(
        "Multipart/Form-Data; Boundary=b", body + DATA + b"\r\n--b--", 3
    ).images
    assert upload == Upload("a", DATA)


@pytest.mark.parametrize(
    ("parts", "code", "said"),
    [
        (
            [('name="user"', b"7"), PHOTO],
            "unknown_parameter",
            "explain, model, coverage, image, images",
        ),
        ([PHOTO, ("", b"7")], "unknown_parameter", "no text field ''"),
        ([PHOTO, ('name="Explain"', b"1")], "unknown_parameter", "explain"),
        ([PHOTO, *[('name="model"', b"a")] * 2], "invalid_parameter", "given twice"),
        ([('name="image"', b"photo.jpg")], "invalid_base64", "-F image=@photo.jpg, with @"),
        ([('name="image"; filename=""', b"")], "no_image", "curl"),
        ([('name="explain"', b"1")], "no_image", "curl"),
        ([PHOTO] * 4, "too_many_images", "at most 3"),
    ],
)
def test_other_text_fields_are_refused_with_the_names_that_exist(
    parts: list[tuple[str, bytes]], code: str, said: str
) -> None:
    with pytest.raises(Problem) as caught:
        form(*parts)
    assert (caught.value.status, caught.value.code) == (422, code)
    assert said in caught.value.message


def test_a_form_of_as_many_photos_as_allowed_may_have_every_field() -> None:
    fields = [(f'name="{name}"', b"") for name in ("explain", "model", "coverage")]
    assert len(form(*fields, PHOTO, PHOTO, PHOTO).images) == 3


MANY = "x" + ';a="b"' * 101


@pytest.mark.parametrize(
    "head",
    [
        "name=image; filename*=utf-8''a.jpg; filename*0=b",
        "name=image; filename*=idna''%E2%82%AC",
        "name=image; filename*=undefined''a",
        "name=image; filename*=a%00b''x",
        f'name=image; filename="a.png"; {MANY}',
    ],
)
def test_a_header_that_can_not_be_read_is_a_malformed_form(head: str) -> None:
    with pytest.raises(Problem) as refused:
        form((head, DATA))
    assert (refused.value.status, refused.value.code) == (400, "invalid_multipart")


@pytest.mark.parametrize(
    "boundary", ["boundary*=utf-8''%E2%82%AC", "boundary*0=b;boundary*=c", MANY]
)
def test_so_is_a_boundary_that_can_not_be_read(boundary: str) -> None:
    with pytest.raises(Problem) as refused:
        read_uploads(f"multipart/form-data; {boundary}", b"--b\r\n", 3)
    assert (refused.value.status, refused.value.code) == (400, "invalid_multipart")


@pytest.mark.parametrize("word", ["base64", "BASE64", " Base64 "])
def test_the_encoding_of_a_part_is_named_in_any_case(word: str) -> None:
    head = f'name="image"; filename="a.png"\r\nContent-Transfer-Encoding: {word}'
    (upload,) = form((head, b64encode(DATA))).images
    assert upload.data == DATA


def test_a_part_in_base64_as_mail_libraries_write_it_is_decoded() -> None:
    part = MIMEImage(DATA, "png")
    part.add_header("Content-Disposition", "form-data", name="image", filename="a.png")
    whole = MIMEMultipart("form-data", "b", [part])
    body = whole.as_bytes().partition(b"\n\n")[2].replace(b"\n", b"\r\n")
    (upload,) = read_uploads("multipart/form-data; boundary=b", body, 3).images
    assert (upload.name, upload.data) == ("a.png", DATA)


PLAIN = b64encode(DATA).decode()
#: As base64(1), Android, JavaScript and browsers write it.
SPELLINGS = {
    "plain": PLAIN,
    "in lines": encodebytes(DATA).decode(),
    "in lines of Windows": encodebytes(DATA).decode().replace("\n", "\r\n"),
    "URL-safe": urlsafe_b64encode(DATA).decode(),
    "URL-safe without padding": urlsafe_b64encode(DATA).decode().rstrip("="),
    "a data: URL": f"data:image/jpeg;base64,{PLAIN}",
    "a data: URL with a parameter": f"DATA:image/png;charset=utf-8;base64,{PLAIN}",
    "a data: URL without a type, in lines": f" data:;base64,\n{encodebytes(DATA).decode()}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_base64_is_taken_in_every_spelling(spelling: str) -> None:
    text = SPELLINGS[spelling]
    assert in_json({"images": [text, PLAIN]}).images[0].data == DATA
    assert in_json(f'{{"images": ["{text}"]}}').images[0].data == DATA, "not escaped, as by a shell"
    assert form(('name="images"', text.encode())).images[0].data == DATA


@pytest.mark.parametrize(
    "text",
    [
        "?",
        "data:image/svg+xml,%3Csvg%3E",
        f"data:image/png,{PLAIN}",
        f"{PLAIN}{PLAIN}",  # padding in the middle
        PLAIN.replace("+", " "),  # a form decoded it: another picture might come out
        "A",
    ],
)
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        in_json({"images": [text]})
    assert (caught.value.status, caught.value.code) == (422, "invalid_base64")


def test_a_json_body_holds_parameters_too() -> None:
    read = in_json({"images": [PLAIN], "explain": True, "model": "a, [b]"})
    assert read.fields == {"explain": True, "model": "a, [b]"}
    with pytest.raises(Problem, match=r"no field 'user'.*images, explain, model, coverage"):
        in_json({"images": [PLAIN], "user": 7})


@pytest.mark.parametrize("how", ["query", "form", "json"])
def test_parameters_mean_the_same_in_the_query_a_form_and_json(
    client: httpx.Client, photos: list[Path], how: str
) -> None:
    data = photos[0].read_bytes()
    given = {"explain": "1", "coverage": "0.999", "model": "run"}
    asked: dict[str, dict[str, Any]] = {
        "query": {"params": given, "files": {"image": data}},
        "form": {"data": given, "files": {"image": data}},
        "json": {"json": given | {"images": [b64encode(data).decode()]}},
    }
    answer = client.post("/v1/predict", **asked[how])
    (item,) = answer.json()["predictions"]
    assert item["explanation"]["similar"]
    assert item["possible"] == ["happy", "sad"]


@pytest.mark.parametrize(
    ("query", "fields", "status", "code", "said"),
    [
        ("?model=other", {"model": "run"}, 404, "unknown_model", "run"),
        ("?user=7", {}, 422, "unknown_parameter", "explain, model, coverage"),
        ("?explain=1&explain=0", {}, 422, "invalid_parameter", "twice"),
        ("?coverage=2", {}, 422, "invalid_parameter", "coverage: "),
        ("", {"user": "7"}, 422, "unknown_parameter", "explain, model, coverage"),
        ("", {"coverage": "2"}, 422, "invalid_parameter", "coverage: "),
        ("", {"explain": "perhaps"}, 422, "invalid_parameter", "explain: "),
        ("", {"model": "other"}, 404, "unknown_model", "run"),
    ],
)
def test_parameters_that_do_not_exist_are_refused(
    client: httpx.Client,
    photos: list[Path],
    error_of: ErrorOf,
    query: str,
    fields: dict[str, str],
    status: int,
    code: str,
    said: str,
) -> None:
    files = {"image": photos[0].read_bytes()}
    answer = client.post(f"/v1/predict{query}", files=files, data=fields)
    assert (answer.status_code, error_of(answer)) == (status, code)
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/run/samples/0"])
def test_a_route_without_parameters_says_that_it_has_none(
    client: httpx.Client, error_of: ErrorOf, path: str
) -> None:
    answer = client.get(f"{path}?size=3")
    assert (answer.status_code, error_of(answer)) == (422, "unknown_parameter")
    assert "none" in answer.json()["error"]["message"]


def test_empty_fields_as_a_browser_sends_them_are_not_given(
    client: httpx.Client, photos: list[Path]
) -> None:
    nothing = 'name="more"; filename=""\r\nContent-Type: application/octet-stream'
    assert len(form(PHOTO, (nothing, b"")).images) == 1
    fields = {"model": "", "coverage": "", "image": ""}
    answer = client.post("/v1/predict", files={"file": photos[0].read_bytes()}, data=fields)
    assert len(answer.json()["predictions"]) == 1
