"""A run that was replaced is loaded beside the old one, and answers once it is ready."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from candid.server.state import State

_LOG: Final = logging.getLogger("candid.server")


class Reloader:
    """Loads runs again. Requests that have begun are answered by the run that they began with."""

    def __init__(self, state: State) -> None:
        """Remember whose runs they are."""
        self._state = state
        self._turn = asyncio.Lock()
        self._asked: set[asyncio.Task[None]] = set()

    def ask(self) -> None:
        """Load all runs again, soon; called in the event loop, such as by a signal."""
        task = asyncio.get_running_loop().create_task(self.reload(always=True))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def watch(self) -> None:
        """Look again and again whether a run was replaced. Ends when it is cancelled."""
        while True:
            await asyncio.sleep(self._state.settings.poll_s)
            try:
                await self.reload()
            except Exception:  # else nobody would look again, and nobody would know
                _LOG.exception("looking for new runs failed; it goes on")

    async def reload(self, *, always: bool = False) -> None:
        """Load what was replaced, or everything."""
        async with self._turn:
            for result in await asyncio.to_thread(self._state.models.reload, always=always):
                said = "failed" if result.problem else "loaded"
                self._state.metrics.reloads.labels(result.name, said).inc()
                if result.problem:
                    _LOG.error("%s goes on as it was: %s", result.name, result.problem)
                else:
                    _LOG.warning("%s was loaded again", result.name)
