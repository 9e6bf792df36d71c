"""What happened in the last day, minute by minute, on all nodes together: for the administrator's plots."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from aiohttp import web

from bodhi.database import Database
from bodhi.errors import BodhiError
from bodhi.server.application_metrics import ApplicationMetrics

MINUTE_MS = 60_000
KEPT_HOURS = 25

Amount = Literal["logins", "saves", "conflicts", "revocations"]
AMOUNTS: tuple[Amount, ...] = ("conflicts", "logins", "revocations", "saves")  # in the order in which rows are locked
LEVEL = "live_sessions"

Point = tuple[datetime, int]

# Ends that are nobody's decision about somebody: one's own, or the clock's.
_NO_REVOCATIONS = frozenset({"logout", "replaced", "expired", "unreadable"})

log = logging.getLogger(__name__)


class Activity:
    """The last day in the application's database; *clock* gives the time in milliseconds, or None for its own."""

    def __init__(self, database: Database, *, clock: Callable[[], int | None] = lambda: None) -> None:
        self._database = database
        self._clock = clock

    async def series(self, name: Amount | Literal["live_sessions"], hours: int = 1) -> list[Point]:
        """What happened in each minute of the last *hours*, oldest first, with the minute in UTC; 24 hours at most.

        A minute in which nothing happened is there with 0, from the first one on of which anything is known.
        ``live_sessions`` is a level: minutes in which nobody looked are left out.
        """
        span_ms = min(hours, KEPT_HOURS - 1) * 60 * MINUTE_MS
        rows = await self._database.many("list_activity", name=name, span_ms=span_ms, now=self._clock())
        values = {row["minute"]: row["value"] for row in rows if row["minute"] is not None}
        now, first = rows[0]["now"], rows[0]["first"]
        if name == LEVEL or first is None:
            minutes = sorted(values)
        else:
            last = now // MINUTE_MS * MINUTE_MS
            minutes = list(range(max(first, last - span_ms + MINUTE_MS), last + 1, MINUTE_MS))
        return [(_minute(minute), values.get(minute, 0)) for minute in minutes]

    async def add(self, amounts: Mapping[str, int]) -> None:
        """Add what happened to this minute."""
        values = [{"name": name, "value": amounts[name], "now": self._clock()} for name in AMOUNTS if name in amounts]
        if values:
            await self._database.each("add_activity", values)

    async def look(self, count_live: Callable[[], Awaitable[int]]) -> bool:
        """Note how many sessions are live, unless another process has done it in this minute; whether this one did."""
        if await self._database.maybe("find_activity", name=LEVEL, now=self._clock()) is not None:
            return False
        live = await count_live()
        return await self._database.count("put_activity", name=LEVEL, value=live, now=self._clock()) > 0

    async def sweep(self) -> None:
        """Remove what is older than a day."""
        keep_ms = KEPT_HOURS * 60 * MINUTE_MS
        for name in (*AMOUNTS, LEVEL):
            await self._database.count("sweep_activity", name=name, keep_ms=keep_ms, now=self._clock())


class ActivityRecorder:
    """Writes once a minute what happened in this process."""

    def __init__(
        self,
        activity: Activity,
        *,
        amounts: Callable[[], Mapping[str, int]],
        count_live: Callable[[], Awaitable[int]],
    ) -> None:
        """*amounts* gives what has happened since the process began."""
        self._activity = activity
        self._amounts = amounts
        self._count_live = count_live
        self._written: Mapping[str, int] = dict(amounts())

    async def write(self) -> None:
        """Add what has happened since the last time; what fails is added the next time."""
        now = dict(self._amounts())
        if since := {name: more for name, total in now.items() if (more := total - self._written.get(name, 0)) > 0}:
            await self._activity.add(since)
        self._written = now

    async def run(self) -> None:
        """Write once a minute until cancelled, whatever goes wrong in between."""
        # Each process at a second of its own, so that those of a cluster do not all come at once.
        await asyncio.sleep(random.uniform(0, 60))  # noqa: S311 - no secret
        while True:
            await self._step()
            await asyncio.sleep(60)

    async def close(self) -> None:
        """Write what has not been written, if the database answers."""
        try:
            await self.write()
        except BodhiError as error:
            log.warning("the activity of the last minute is not kept: %s", error.__cause__ or error)

    async def _step(self) -> None:
        try:
            await self.write()
            if await self._activity.look(self._count_live):  # one of all processes
                await self._activity.sweep()
        except BodhiError as error:
            log.warning("the activity cannot be written and is tried again: %s", error.__cause__ or error)
        except Exception:
            log.exception("the activity cannot be written and is tried again")


def _minute(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def amounts_of(metrics: ApplicationMetrics) -> Mapping[str, int]:
    """What has happened in this process, as the administrator's plots name it."""
    ended = metrics.sessions.endings.items()
    return {
        "logins": metrics.logins.logins,
        "saves": metrics.sessions.saves,
        "conflicts": metrics.sessions.merges,
        "revocations": sum(count for reason, count in ended if reason not in _NO_REVOCATIONS),
    }


ACTIVITY = web.AppKey("ACTIVITY", Activity)
