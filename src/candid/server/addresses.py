"""Listening addresses, and whether a request names this machine as its own. Needs no FastAPI."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import Final

from candid.errors import UsageError

#: Error code and remedy where `is_named_as_it_is` returns False.
OTHER_HOST: Final = "other_host"
OTHER_HOST_REMEDY: Final = "ask as localhost or 127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """Bind a port, before anything slow is done.

    Args:
        host: A name or an address.
        port: 0 for any free port.

    Raises:
        UsageError: The address can't be bound.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
        return bound
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"can't listen on {host}, port {port}: {why}. Choose another --port, or 0 for any."
        ) from error


def address_of(bound: socket.socket) -> str:
    """URL of a bound socket: ``http://127.0.0.1:8000``."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_named_as_it_is(asked: str, host: str) -> bool:
    """Whether a request to a loopback address carries a host name that means this machine only.

    Protects from DNS rebinding: another site's name can resolve to 127.0.0.1, which gives its page
    the same origin in a browser; but the header ``Host`` still has that name.

    Args:
        asked: The address of this machine that the request came to.
        host: The request's header ``Host``; empty if it has none.

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
    # 0.0.0.0 is what is printed when listening on all networks; no site's name is a number.
    return name in ("localhost", "0.0.0.0", "[::]") or is_loopback(name.strip("[]"))


def is_loopback(host: str) -> bool:
    """Whether a string is a loopback address, IPv4 or IPv6; host names are not."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # IPv4 clients of a dual-stack socket appear as ::ffff:127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
