"""A server's limits and its token."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from candid.errors import UsageError

#: Environment variable of the token, read if no file is given.
TOKEN_VARIABLE: Final = "CANDID_TOKEN"
_MIN_TOKEN: Final = 16
_MIB: Final = 2**20


@dataclass(frozen=True)
class Settings:
    """Limits of a server.

    Attributes:
        max_body_bytes: Of one request.
        max_images: Of one request.
        max_pixels: Of one image, by its header; see `candid.data.images.PixelContract`.
        max_waiting_images: Accepted and not yet answered, of all requests; beyond it, 503.
        max_waiting_bytes: Of bodies being read or answered, of all requests.
        max_connections: Open at a time; further ones are closed.
        request_s: Time limit for reading and answering a request.
        headers_s: Time limit for its headers.
        idle_s: How long a connection is kept open for the next request.
        stop_s: How long a shutdown waits for accepted requests.
        poll_s: How often to check whether a run was replaced.
        token: What clients must send; None for no authentication.
        cors_origins: Origins whose pages may ask, from `candid.server.cors.read_origin`.
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
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("max_body_bytes", "max_images", "max_pixels", "max_waiting_images"):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"a server limit must be at least 1. Received: {name}={getattr(self, name)}."
                )
        if not self.request_s > 0:
            raise UsageError(
                f"the time for a request must be more than 0 s. Received: {self.request_s}."
            )


def read_token(file: Path | None) -> str | None:
    """Read the token that clients must send.

    Args:
        file: Its file; by default the environment variable ``CANDID_TOKEN`` is read.

    Returns:
        At least 16 visible ASCII characters, or None if no token is set.

    Raises:
        UsageError: The file can't be read, or its content is not a valid token.
    """
    if file is None:
        if TOKEN_VARIABLE not in os.environ:
            return None
        text = os.environ[TOKEN_VARIABLE]
    else:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise UsageError(f"the token can't be read from {file}: {why}.") from error
    token = text.strip()
    if len(token) < _MIN_TOKEN or not all("!" <= character <= "~" for character in token):
        raise UsageError(
            f"the token in {file or TOKEN_VARIABLE} is invalid: expected at least {_MIN_TOKEN} "
            f"visible ASCII characters, received {len(token)} characters. Make one with "
            "`openssl rand -hex 32`."
        )
    return token
