"""Whether who asks this very machine calls it so; needs neither FastAPI nor a network."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Final

#: What the error is called, and what a person is told, where `is_named_as_it_is` says no.
OTHER_HOST: Final = "other_host"
OTHER_HOST_REMEDY: Final = "ask as localhost or 127.0.0.1"


def is_named_as_it_is(asked: str, host: str) -> bool:
    """Whether a request to a loopback address calls it by a name that only this machine has.

    The page of another site can have its own name mean 127.0.0.1 (DNS rebinding), and is then of
    the same origin to a browser; but the name stays in the header.

    Args:
        asked: The address of this machine that the request came to.
        host: The request's header ``Host``, empty where it has none.

    >>> is_named_as_it_is("127.0.0.1", "localhost:8000")
    True
    >>> is_named_as_it_is("127.0.0.1", "evil.example:8000")
    False
    >>> is_named_as_it_is("192.168.0.7", "photos.example")
    True
    """
    if not is_loopback(asked):
        return True
    name = host.strip().lower()
    name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
    # 0.0.0.0 is what is printed where all networks are listened to. No site has a number's name.
    return name in ("localhost", "0.0.0.0", "[::]") or is_loopback(name.strip("[]"))


def is_loopback(host: str) -> bool:
    """Whether an address, IPv4 or IPv6, is one of this machine alone; a name is none."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # What came by IPv4 to a socket for both is ::ffff:127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
