"""Activity of all nodes in the last day, by minute: the data of the administrator's plots."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from aiohttp import web

from bodhi.database import Database
from bodhi.errors import BodhiError, root_cause
from bodhi.server.application_metrics import ApplicationMetrics

MINUTE_MS = 60_000
RETENTION_HOURS = 25

Amount = Literal["logins", "saves", "conflicts", "revocations"]
AMOUNTS: tuple[Amount, ...] = ("conflicts", "logins", "revocations", "saves")
# Ended sessions by reason have names of their own; the previous version neither writes nor deletes them.
ENDED, AFTER_ENDED = "ended.", "ended/"
REASONS = {
    "logout": "Signed out",
    "expired": "Expired",
    "replaced": "Replaced by a new sign-in",
    "cap": "Session limit reached",
    "revoked": "Ended by the user or an administrator",
    "cleared": "All sessions ended",
    "role_change": "Role changed",
    "approval": "Access request approved",
    "removal": "User removed",
    "backchannel_logout": "Ended by the identity provider",
    "frontchannel_logout": "Signed out at the identity provider",
    "invalid_grant": "Sign-in no longer valid at the identity provider",
    "unreadable": "Stored data not readable",
}
LEVEL = "live_sessions"

Point = tuple[datetime, int]

# Reasons that are not revocations: the user's own logout, a replaced session, expiry, an unreadable row.
_NO_REVOCATIONS = frozenset({"logout", "replaced", "expired", "unreadable"})

log = logging.getLogger(__name__)


class Activity:
    """Activity stored in the database. *clock* returns milliseconds since 1970, or None for the database's time."""

    def __init__(self, database: Database, *, clock: Callable[[], int | None] = lambda: None) -> None:
        self._database = database
        self._clock = clock

    async def series(self, name: Amount | Literal["live_sessions"], hours: int = 1) -> list[Point]:
        """Return (minute in UTC, value) of the last *hours*, at most 24, oldest first.

        An amount is 0 in minutes without activity, starting at the first recorded minute. ``live_sessions`` is a
        level: minutes without a sample are left out.
        """
        span_ms = min(hours, RETENTION_HOURS - 1) * 60 * MINUTE_MS
        rows = await self._database.many("list_activity", name=name, span_ms=span_ms, now=self._clock())
        values = {row["minute"]: row["value"] for row in rows if row["minute"] is not None}
        now, first = rows[0]["now"], rows[0]["first"]
        if name == LEVEL or first is None:
            minutes = sorted(values)
        else:
            last = now // MINUTE_MS * MINUTE_MS
            minutes = list(range(max(first, last - span_ms + MINUTE_MS), last + 1, MINUTE_MS))
        return [(_minute(minute), values.get(minute, 0)) for minute in minutes]

    async def ended_by_reason(self, hours: int) -> Mapping[str, int]:
        """Return the number of sessions that ended in the last *hours*, by reason, most frequent first."""
        span_ms = min(hours, RETENTION_HOURS - 1) * 60 * MINUTE_MS
        rows = await self._database.many(
            "sum_activity", first=ENDED, last=AFTER_ENDED, span_ms=span_ms, now=self._clock()
        )
        ended = {row["name"].removeprefix(ENDED): int(row["value"]) for row in rows}
        return dict(sorted(ended.items(), key=lambda entry: (-entry[1], entry[0])))

    async def recorded_since(self) -> datetime | None:
        """Return the first recorded minute, or None without data."""
        row = await self._database.maybe("first_activity")
        return None if row is None or row["minute"] is None else _minute(row["minute"])

    async def add(self, amounts: Mapping[str, int]) -> None:
        """Add *amounts* to the current minute."""
        # Sorted: all processes lock the rows in the same order.
        values = [{"name": name, "value": amounts[name], "now": self._clock()} for name in sorted(amounts)]
        if values:
            await self._database.each("add_activity", values)

    async def sample_live_sessions(self, count_live: Callable[[], Awaitable[int]]) -> bool:
        """Store the number of live sessions, once a minute for all processes. True if this process stored it."""
        if await self._database.maybe("find_activity", name=LEVEL, now=self._clock()) is not None:
            return False
        live = await count_live()
        return await self._database.count("put_activity", name=LEVEL, value=live, now=self._clock()) > 0

    async def sweep(self) -> None:
        """Delete activity older than a day."""
        keep_ms = RETENTION_HOURS * 60 * MINUTE_MS
        for name in (*AMOUNTS, LEVEL, *(f"{ENDED}{reason}" for reason in REASONS)):
            await self._database.count("sweep_activity", name=name, keep_ms=keep_ms, now=self._clock())


class ActivityRecorder:
    """Writes the activity of this process to the database once a minute."""

    def __init__(
        self,
        activity: Activity,
        *,
        amounts: Callable[[], Mapping[str, int]],
        count_live: Callable[[], Awaitable[int]],
    ) -> None:
        """*amounts* returns totals since the process started."""
        self._activity = activity
        self._amounts = amounts
        self._count_live = count_live
        self._written: Mapping[str, int] = dict(amounts())

    async def write(self) -> None:
        """Store the increase since the last write. A write that fails is included in the next one."""
        totals = dict(self._amounts())
        if increase := {
            name: added for name, total in totals.items() if (added := total - self._written.get(name, 0)) > 0
        }:
            await self._activity.add(increase)
        self._written = totals

    async def record(self) -> None:
        """Write, and sample the live sessions: one process of the cluster does that, each minute."""
        await self.write()
        if await self._activity.sample_live_sessions(self._count_live):
            await self._activity.sweep()

    async def close(self) -> None:
        """Write the remaining activity, if the database is available."""
        try:
            await self.write()
        except BodhiError as error:
            log.warning("activity of the last minute lost: %s", root_cause(error))


def _minute(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def read_totals(metrics: ApplicationMetrics) -> Mapping[str, int]:
    """Return the totals of this process by the names of the plots."""
    ended = metrics.sessions.endings
    return {
        **{f"{ENDED}{reason}": count for reason, count in ended.items()},
        "logins": metrics.logins.logins,
        "saves": metrics.sessions.saves,
        "conflicts": metrics.sessions.merges,
        "revocations": sum(count for reason, count in ended.items() if reason not in _NO_REVOCATIONS),
    }


ACTIVITY = web.AppKey("ACTIVITY", Activity)
