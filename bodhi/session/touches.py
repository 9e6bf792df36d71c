"""Record the use of sessions, and write it in batches after the requests."""

import asyncio
import logging

from bodhi.errors import root_cause
from bodhi.session.counters import SessionCounters
from bodhi.session.records import SessionRecord, Touch
from bodhi.session.store import SessionStore

GATHER_SECONDS = 1.0  # how long touches are collected before they are written
RETRY_SECONDS = 5.0
MOST_NOTED = 100_000  # bounds memory in a long outage; a dropped touch is recorded again at the next request
BATCH = 200

log = logging.getLogger(__name__)


class Touches:
    """The pending touches.

    A touch has the time of its request by the database's clock, so a late write does not extend the session.
    """

    def __init__(self, store: SessionStore, counters: SessionCounters, *, idle_ms: int, interval_ms: int) -> None:
        self._store = store
        self._counters = counters
        self._idle_ms = idle_ms
        self._interval_ms = interval_ms
        self._noted: dict[bytes, Touch] = {}
        self._some_noted = asyncio.Event()

    def note(self, record: SessionRecord) -> None:
        """Record the use of a session if its last touch is an interval ago."""
        if record.now - record.last_seen_at < self._interval_ms:
            return
        if len(self._noted) < MOST_NOTED or record.digest in self._noted:
            self._noted[record.digest] = Touch(record.digest, record.now, self._idle_ms, self._interval_ms)
            self._some_noted.set()

    async def flush(self) -> int:
        """Write pending touches; return how many sessions were extended. Never raises; failed touches stay pending."""
        extended = 0
        while self._noted:
            batch = [self._noted[digest] for digest in list(self._noted)[:BATCH]]
            try:
                extended += await self._store.touch(batch)
            except Exception as error:  # noqa: BLE001 - no request and no shutdown may fail because of it
                self._counters.touch_failures += 1
                log.warning(
                    "last use of sessions not stored, will be retried sessions=%d: %s",
                    len(self._noted),
                    root_cause(error),
                )
                break
            for touch in batch:
                if self._noted.get(touch.digest) is touch:  # not recorded again meanwhile
                    del self._noted[touch.digest]
        self._counters.touches += extended
        return extended

    async def run(self) -> None:
        """Write touches until cancelled."""
        self._some_noted = asyncio.Event()  # an event belongs to the loop in which it was waited for
        if self._noted:
            self._some_noted.set()
        while True:
            await self._some_noted.wait()
            self._some_noted.clear()
            await asyncio.sleep(GATHER_SECONDS)
            await self.flush()
            if self._noted:
                await asyncio.sleep(RETRY_SECONDS)
                self._some_noted.set()
