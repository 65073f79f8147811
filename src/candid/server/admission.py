"""How much is accepted at the same time, so that memory has a bound whoever asks."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from candid.server.problems import busy
from candid.server.settings import Settings


class Admission:
    """Counts what was accepted and is not yet answered. For one thread: the event loop's.

    Attributes:
        num_requests: Requests that are being read or worked on.
        num_images: Their images.
        num_bytes: Bytes of their bodies.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin with nothing."""
        self._settings = settings
        self.num_requests = 0
        self.num_images = 0
        self.num_bytes = 0

    def enter(self) -> Ticket:
        """Begin a request; what its ticket takes is given back when the ticket is closed."""
        return Ticket(self, self._settings)


class Ticket:
    """What one request takes."""

    def __init__(self, admission: Admission, settings: Settings) -> None:
        """Take nothing yet."""
        self._admission = admission
        self._settings = settings
        self._num_images = 0
        self._num_bytes = 0

    def __enter__(self) -> Self:
        self._admission.num_requests += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._admission.num_requests -= 1
        self._admission.num_images -= self._num_images
        self._admission.num_bytes -= self._num_bytes

    def take_bytes(self, count: int) -> None:
        """Take room for bytes that have come.

        Raises:
            Problem: 503, there is none left.
        """
        if self._admission.num_bytes + count > self._settings.max_waiting_bytes:
            raise busy("the bodies of other requests fill the memory that is set aside for them.")
        self._admission.num_bytes += count
        self._num_bytes += count

    def take_images(self, count: int) -> None:
        """Take places in the queue.

        Raises:
            Problem: 503, there are not as many left.
        """
        waiting = self._admission.num_images
        # A request that is larger than the whole queue is taken when nothing else waits.
        if waiting and waiting + count > self._settings.max_waiting_images:
            raise busy(f"{waiting} images are waiting already.")
        self._admission.num_images += count
        self._num_images += count
