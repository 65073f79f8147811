"""A phone may add photos, and nothing else, while a person lets it in."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from candid.errors import UsageError
from candid.studio.intake import Intake
from candid.studio.phone import Phone
from candid.studio.project import Project
from candid.studio.studio import Studio


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for place, label in enumerate(("<b>happy", "sad")):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "a.png").write_bytes(picture(place))
    project = Project(tmp_path / "data")
    project.classes = ("<b>happy", "sad")
    return project


@pytest.fixture
def phone(project: Project) -> Iterator[Phone]:
    phone = Phone(project).open(Intake(project), host="127.0.0.1")
    yield phone
    phone.close()


def send(address: str, data: bytes, label: str = "sad", **headers: str) -> httpx.Response:
    files = {"image": ("p.png", data, "image/png")}
    return httpx.post(f"{address}photos", params={"label": label}, files=files, headers=headers)


def test_photos_go_in(phone, project):
    page = httpx.get(phone.address)
    assert page.status_code == 200
    assert "<option>&lt;b&gt;happy</option><option>sad</option>" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for name in ("phone.js", "phone.css", "base.css"):
        assert httpx.get(f"{phone.address}{name}").status_code == 200
    assert send(phone.address, picture(5)).json()["added"] == [{"outcome": "saved", "reason": ""}]
    assert (project.folder / "sad" / "p.png").read_bytes() == picture(5)
    assert phone.to_json()["num"] == 1
    # What is there is not told.
    assert send(phone.address, picture(5)).json()["added"] == [{"outcome": "copy", "reason": ""}]
    assert send(phone.address, b"text").json()["added"][0]["outcome"] == "refused"


def test_without_the_secret_nothing_is_answered(phone):
    root = phone.address.rsplit("/", 2)[0]
    for path in ("/", "/guess/", "/api/state", "/guess/phone.js"):
        assert httpx.get(f"{root}{path}").status_code == 404
    assert send(f"{root}/guess/", picture(5)).status_code == 404


@pytest.mark.parametrize(
    "path", ["api/state", "api/picture/0", "api/photos/ids", "index.html", "..%2fapp.py", "photos"]
)
def test_nothing_else_is_served_with_the_secret(phone, path):
    assert httpx.get(f"{phone.address}{path}").status_code in (404, 405)


@pytest.mark.parametrize("label", ["bird", "../x", "sad/../../x"])
def test_only_classes_that_exist_are_taken(phone, project, label):
    assert send(phone.address, picture(5), label).status_code == 422
    assert sorted(path.name for path in project.folder.iterdir()) == ["<b>happy", "sad"]


def test_a_page_of_another_site_can_send_nothing(phone):
    answer = send(phone.address, picture(5), Origin="http://evil.example")
    assert answer.status_code in (200, 403)
    answer = send(phone.address, picture(6), **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_the_code_is_a_picture_of_the_address(phone):
    svg = ET.fromstring(phone.code())
    assert svg.tag.endswith("svg")
    assert b"script" not in phone.code()


def test_it_is_opened_once_and_closed_for_good(phone, project):
    address = phone.address
    assert phone.open(Intake(project), host="127.0.0.1").address == address
    phone.close()
    assert phone.to_json() == {"address": "", "num": 0, "was_idle": False}
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
    with pytest.raises(UsageError):
        phone.code()
    assert phone.open(Intake(project), host="127.0.0.1").address not in ("", address)


def test_it_closes_when_nothing_was_heard(project):
    phone = Phone(project).open(Intake(project), host="127.0.0.1", idle_s=0.05)
    for _ in range(500):
        if not phone.address:
            break
        time.sleep(0.02)
    assert phone.to_json()["was_idle"]
    phone.close()


def test_it_closes_with_the_studio(tmp_path):
    (tmp_path / "cat").mkdir()
    studio = Studio()
    studio.open(tmp_path)
    phone = studio.part(Phone).open(studio.part(Intake), host="127.0.0.1")
    address = phone.address
    assert httpx.get(address).status_code == 200
    studio.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_a_folder_that_takes_no_photos_lets_no_phone_in(project, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UsageError, match="can't be written"):
        Phone(project).open(Intake(project), host="127.0.0.1")
