import pytest

from candid.untrusted_json import parse


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63) + 1, 0, 1.5, 1e300])
def test_numbers_that_libraries_hold_are_read(number):
    assert parse(f'{{"a": [{number}]}}') == {"a": [number]}
    assert parse(f"{number}".encode()) == number


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**400])
def test_larger_ones_are_refused(number):
    with pytest.raises(ValueError, match=f"it has a number of {len(str(abs(number)))} digits"):
        parse(f'{{"a": [{number}]}}')
