"""Delete expired sessions periodically, in small batches."""

import asyncio
import logging
import random

from bodhi.database import Damaged
from bodhi.errors import root_cause
from bodhi.session.counters import SessionCounters
from bodhi.session.endings import note_ended
from bodhi.session.errors import SessionError
from bodhi.session.store import SessionStore

PAUSE_SECONDS = 0.005  # between batches, to let saves proceed

log = logging.getLogger(__name__)


class Sweeper:
    """Deletes expired sessions. In a cluster the store lets one sweeper run at a time."""

    def __init__(self, store: SessionStore, counters: SessionCounters) -> None:
        self._store = store
        self._counters = counters

    async def sweep(self) -> int:
        """Delete every expired session, in batches with pauses; return how many. Stops if another sweeper runs."""
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
        """Sweep periodically until cancelled; errors are logged."""
        while True:
            # Random jitter, so that the processes of a cluster do not sweep at the same time.
            await asyncio.sleep(every_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                await self.sweep()
            except SessionError as error:
                self._counters.sweep_failures += 1
                level = logging.ERROR if isinstance(error.__cause__, Damaged) else logging.WARNING
                log.log(level, "sweep of expired sessions failed, will be retried: %s", root_cause(error))
            except Exception:
                self._counters.sweep_failures += 1
                log.exception("sweep of expired sessions failed, will be retried")
