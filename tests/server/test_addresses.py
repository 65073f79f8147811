import pytest

from candid.server.addresses import is_loopback, is_named_as_it_is


@pytest.mark.parametrize("asked", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_who_asks_this_machine_calls_it_by_a_name_of_its_own(asked):
    for host in ("localhost", "LocalHost:80", "127.0.0.1:8000", "[::1]:8000", "0.0.0.0:8000"):
        assert is_named_as_it_is(asked, host)
    for host in ("evil.example", "localhost.evil.example", "[evil.example]", "", ":", "["):
        assert not is_named_as_it_is(asked, host)


def test_who_asks_across_a_network_may_call_it_anything():
    assert is_named_as_it_is("192.168.0.7", "photos.example")
    assert is_named_as_it_is("", "photos.example")


def test_only_addresses_are_loopback():
    assert is_loopback("127.8.9.1")
    assert not is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::ffff:192.168.0.7")
