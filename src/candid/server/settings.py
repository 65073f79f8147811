"""How a server is set up: its limits, and the token it asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from candid.errors import UsageError

#: Where the token is looked for if no file is named.
TOKEN_VARIABLE: Final = "CANDID_TOKEN"
_LEAST_TOKEN: Final = 16
_MIB: Final = 2**20


@dataclass(frozen=True)
class Settings:
    """Limits of a server.

    Attributes:
        max_body_bytes: Of one request.
        max_images: Of one request.
        max_pixels: Of one image, by its header; see `candid.data.images.PixelContract`.
        max_waiting_images: Accepted and not yet answered, of all requests; beyond it, 503.
        max_waiting_bytes: Of bodies that are being read or worked on, of all requests.
        max_connections: Open at the same time; what comes beyond them is closed.
        request_s: Within this many seconds a request is read and answered.
        headers_s: Within this many seconds its headers have come.
        idle_s: How long a connection is kept open for the next request.
        stop_s: How long a stop waits for what was accepted.
        poll_s: How often it is looked whether a run was replaced.
        token: What clients have to send, or None where anybody may ask.
    """

    max_body_bytes: int = 32 * _MIB
    max_images: int = 64
    max_pixels: int = 50_000_000
    max_waiting_images: int = 256
    max_waiting_bytes: int = 64 * _MIB
    max_connections: int = 512
    request_s: float = 30.0
    headers_s: float = 10.0
    idle_s: float = 15.0
    stop_s: float = 35.0
    poll_s: float = 2.0
    token: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_body_bytes", "max_images", "max_pixels", "max_waiting_images"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"a limit of the server is at least 1. Received: {name}={getattr(self, name)}."
                )
        if not self.request_s > 0:
            raise UsageError(
                f"the time for a request is more than 0 seconds. Received: {self.request_s}."
            )


def read_token(file: Path | None) -> str | None:
    """The token that clients have to send.

    Args:
        file: The file it stands in; by default the environment variable ``CANDID_TOKEN`` is asked.

    Returns:
        At least 16 visible ASCII characters, or None where no token is set.

    Raises:
        UsageError: The file can't be read, or what stands there is no such token.
    """
    if file is None:
        if TOKEN_VARIABLE not in os.environ:
            return None
        return _checked(os.environ[TOKEN_VARIABLE], TOKEN_VARIABLE)
    try:
        return _checked(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"the token can't be read from {file}: {why}.") from error


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if len(token) < _LEAST_TOKEN or not all("!" <= character <= "~" for character in token):
        raise UsageError(
            f"the token in {where} is not one: expected {_LEAST_TOKEN} visible ASCII characters "
            f"or more, received {len(token)} characters. Make one with `openssl rand -hex 32`."
        )
    return token
