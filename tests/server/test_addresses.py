import socket

import pytest

from candid.errors import UsageError
from candid.server.addresses import address_of, is_loopback, is_named_as_it_is, listen


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


def test_an_address_that_can_not_be_bound_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port}: .*in use"):
            listen("127.0.0.1", port)
    with pytest.raises(UsageError, match="can't listen on nowhere"):
        listen("nowhere.invalid", 0)


def test_an_ipv6_address_is_put_in_brackets() -> None:
    if not socket.has_ipv6:
        pytest.skip("there is no IPv6 here")
    try:
        bound = listen("::1", 0)
    except UsageError:
        pytest.skip("there is no IPv6 here")
    with bound:
        assert address_of(bound).startswith("http://[::1]:")
