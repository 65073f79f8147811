import pytest

from candid.core.safe_json import read_object


@pytest.fixture
def file(tmp_path):
    return tmp_path / "values.json"


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63) + 1, 0, 1.5, 1e300])
def test_numbers_below_64_bits_are_read(number, file):
    file.write_text(f'{{"ä": [{number}]}}', encoding="utf-8")
    assert read_object(file) == {"ä": [number]}


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**400])
def test_larger_ones_are_refused(number, file):
    file.write_text(f'{{"a": [{number}]}}', encoding="utf-8")
    with pytest.raises(ValueError, match=f"it has a number of {len(str(abs(number)))} digits"):
        read_object(file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[1, 2]", "it is no object"),
        (b'"{}"', "it is no object"),
        (b'{"a":' * 100_000, "it is nested too deep"),
        (b"{", "Expecting property name"),
        (b'{"a": "\xff"}', "can't decode byte"),
        (b'{"a": 1}   ', "it is too large"),
    ],
)
def test_other_invalid_files_give_a_reason(text, why, file):
    file.write_bytes(text)
    with pytest.raises(ValueError, match=why):
        read_object(file, most_bytes=10 if why == "it is too large" else 2**20)


def test_a_missing_file_raises_the_systems_error(file):
    with pytest.raises(FileNotFoundError):
        read_object(file)
