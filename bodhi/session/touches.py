"""Noting that sessions are in use, and writing it behind the requests, in batches."""

import asyncio
import logging

from bodhi.session.counters import SessionCounters
from bodhi.session.records import SessionRecord, Touch
from bodhi.session.store import SessionStore

GATHER_SECONDS = 1.0  # how long touches wait for company before they are written
RETRY_SECONDS = 5.0
MOST_NOTED = 100_000  # in a long outage memory stays bounded; a session left out is noted again at its next request
BATCH = 200

log = logging.getLogger(__name__)


class Touches:
    """The sessions whose idle time is due to be extended.

    A touch carries the time of the request by the database's clock, so that writing it late extends nothing.
    """

    def __init__(self, store: SessionStore, counters: SessionCounters, *, idle_ms: int, interval_ms: int) -> None:
        self._store = store
        self._counters = counters
        self._idle_ms = idle_ms
        self._interval_ms = interval_ms
        self._noted: dict[bytes, Touch] = {}
        self._some_noted = asyncio.Event()

    def note(self, record: SessionRecord) -> None:
        """A request used this session: remember it if its last touch is an interval ago."""
        if record.now - record.last_seen_at < self._interval_ms:
            return
        if len(self._noted) < MOST_NOTED or record.digest in self._noted:
            self._noted[record.digest] = Touch(record.digest, record.now, self._idle_ms, self._interval_ms)
            self._some_noted.set()

    async def flush(self) -> int:
        """Write what is noted; how many sessions were extended. What fails stays noted; it never raises."""
        extended = 0
        while self._noted:
            batch = [self._noted[digest] for digest in list(self._noted)[:BATCH]]
            try:
                extended += await self._store.touch(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, no request and no shutdown fails for it
                self._counters.touch_failures += 1
                log.warning(
                    "touching %d sessions failed and is tried again: %r", len(self._noted), error.__cause__ or error
                )
                break
            for touch in batch:
                if self._noted.get(touch.digest) is touch:  # not noted anew meanwhile
                    del self._noted[touch.digest]
        self._counters.touches += extended
        return extended

    async def run(self) -> None:
        """Write touches as they come, until cancelled."""
        while True:
            await self._some_noted.wait()
            self._some_noted.clear()
            await asyncio.sleep(GATHER_SECONDS)
            await self.flush()
            if self._noted:
                await asyncio.sleep(RETRY_SECONDS)
                self._some_noted.set()
