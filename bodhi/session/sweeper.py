"""Deleting expired sessions, now and then, a little at a time."""

import asyncio
import logging
import random

from bodhi.database import Damaged
from bodhi.session.counters import SessionCounters
from bodhi.session.endings import note_ended
from bodhi.session.errors import SessionError
from bodhi.session.store import SessionStore

PAUSE_SECONDS = 0.005  # between two batches, so that saves get their turn

log = logging.getLogger(__name__)


class Sweeper:
    """Deletes what has expired. In a cluster the store lets one sweeper work at a time."""

    def __init__(self, store: SessionStore, counters: SessionCounters) -> None:
        self._store = store
        self._counters = counters

    async def sweep(self) -> int:
        """Delete every expired session, in batches with pauses; how many. Stops where another sweeper is at it."""
        total = 0
        try:
            while swept := await self._store.sweep():
                total += swept
                self._counters.swept += swept
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            note_ended(self._counters, "expired", total)
        return total

    async def run(self, every_seconds: float) -> None:
        """Sweep every so often until cancelled, whatever goes wrong in between."""
        while True:
            # Spread out, so that the processes of a cluster do not all knock at once.
            await asyncio.sleep(every_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                await self.sweep()
            except SessionError as error:
                self._counters.sweep_failures += 1
                cause = error.__cause__ or error
                level = logging.ERROR if isinstance(cause, Damaged) else logging.WARNING
                log.log(level, "sweeping expired sessions failed and is tried again: %s", cause)
            except Exception:
                self._counters.sweep_failures += 1
                log.exception("sweeping expired sessions failed and is tried again")
