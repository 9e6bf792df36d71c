"""Import of the sessions of a Rust server that uses tower-sessions with its SQL store.

The cookie's value stays the same, and so does the browser's login; the next login moves the session to an id of 256
bits. The source is only read. What came here is remembered: an import that runs again brings what changed at the
source, keeps what changed here, and never brings back what ended here.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bodhi.database import Database, Executor, Row
from bodhi.errors import ConfigurationError
from bodhi.keyring import Keyring, UnknownKey, Unreadable
from bodhi.session import (
    SessionDataError,
    bound_columns,
    digest_of,
    encode,
    handle_of,
    owner_of,
    seal_data,
    written_format,
)
from bodhi.transfer.copy import PAGE_SECONDS, REMEMBERED_MS
from bodhi.transfer.tower_records import TowerRecord, Undecodable, decoded

PAGE = 500
# Where the table is, as find_tower_sessions says: what reads it.
LISTS = {
    "here": "list_tower_sessions",
    "schema": "list_tower_sessions_in_schema",
    "default": "list_tower_sessions_by_default",
}

Values = dict[str, object]


class NoTowerSessions(ConfigurationError):
    """There is no table of tower-sessions in this database."""


@dataclass(slots=True)
class ImportTally:
    """What an import has done so far."""

    read: int = 0  # rows of the table
    written: int = 0
    kept: int = 0  # here already, changed here since, or ended here
    expired: int = 0
    empty: int = 0  # nothing is stored in them, and empty sessions do not exist
    failed: int = 0  # cannot be decoded; each was reported by its handle


@dataclass(frozen=True, slots=True)
class _IncomingRow:
    """One session that may be stored."""

    digest: bytes
    plaintext: bytes
    owner: str | None
    record: TowerRecord


class TowerImport:
    """Brings the sessions of the table ``tower_sessions`` in *source* into *target*; both are entered.

    They expire at their own expiry or the given timeouts, whichever is first. *failed* is called with the handle of a
    row that cannot be decoded, and the reason. Without *writes* nothing is stored.
    """

    def __init__(
        self,
        source: Database,
        target: Database,
        *,
        keyring: Keyring,
        idle_ms: int,
        lifetime_ms: int,
        failed: Callable[[str, str], object],
        writes: bool = True,
        remembers: bool = True,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Without *remembers*, the target has no tables yet and is not queried: a dry run."""
        self._source = source
        self._target = target
        self._keyring = keyring
        self._idle_ms = idle_ms
        self._lifetime_ms = lifetime_ms
        self._failed = failed
        self._writes = writes
        self._remembers = remembers
        self._clock = clock

    async def run(self) -> AsyncIterator[ImportTally]:
        """Run the import; yield the tally so far after each page. Raises :exc:`NoTowerSessions`."""
        found = await self._source.maybe("find_tower_sessions")
        if found is None:
            raise NoTowerSessions(f"{self._source.address} has no table tower_sessions")
        tally = ImportTally()
        after = None
        while True:
            rows = await self._source.many(LISTS[found["place"]], after=after, batch=PAGE)
            tally.read += len(rows)
            await self._bring(rows, tally)
            yield tally
            if len(rows) < PAGE:
                return
            after = rows[-1]["reached"]

    async def _bring(self, rows: Sequence[Row], tally: ImportTally) -> None:
        now = await self._now()
        coming = [one for row in rows if (one := self._incoming_row(row, now, tally)) is not None]
        known = await self._known(coming)
        new = [one for one in coming if one.digest not in known]
        changed = [(one, held) for one in coming if (held := known.get(one.digest)) and self._is_changed(one, held)]
        tally.kept += len(coming) - len(new) - len(changed)
        if self._writes and (new or changed):
            beginning = await self._target.maybe("read_beginning", now=now)
            data_format = written_format(beginning["data_format"] if beginning else None)
            async with self._target.transaction(limit_seconds=PAGE_SECONDS) as transaction:
                tally.written += await self._write(
                    transaction, "import_session", [self._row(one, now, data_format) for one in new]
                )
                updates = [self._row(one, now, data_format, held) for one, held in changed]
                tally.written += await self._write(transaction, "update_copied", updates)
        else:
            tally.written += len(new) + len(changed)

    def _incoming_row(self, row: Row, now: int, tally: ImportTally) -> _IncomingRow | None:
        try:
            record = decoded(row["id"], row["data"], row["expiry_date"])
            if record.expires_at <= now:
                tally.expired += 1
                return None
            if not record.data:
                tally.empty += 1
                return None
            return _IncomingRow(digest_of(record.session_id), encode(record.data), owner_of(record.data), record)
        except (Undecodable, SessionDataError) as error:
            tally.failed += 1
            self._failed(_handle(row["id"]), str(error))
            return None

    async def _known(self, coming: Sequence[_IncomingRow]) -> dict[bytes, Row]:
        if not self._remembers or not coming:
            return {}
        rows = await self._target.each("find_imported", [{"digest": one.digest} for one in coming])
        return {row["digest"]: row for row in rows}

    def _is_changed(self, one: _IncomingRow, held: Row) -> bool:
        """Return whether the session changed at the source and not here."""
        if (held["held_version"], held["held_last_seen_at"]) != (held["version"], held["last_seen_at"]):
            return False  # it ended here, or was used here
        if held["kept_until"] - REMEMBERED_MS != one.record.expires_at:
            return True
        try:
            columns = bound_columns(held["user_id"], held["created_at"], held["ends_at"])
            return self._keyring.open(held["data"], one.digest, columns) != one.plaintext
        except (Unreadable, UnknownKey):
            return True

    def _row(self, one: _IncomingRow, now: int, data_format: int, held: Row | None = None) -> tuple[Values, Values]:
        """Return the session's row, and what is remembered of it."""
        created_at = held["created_at"] if held else now
        # A new version: a request that loaded the row before may not save data that is bound to its old end.
        version = held["held_version"] + 1 if held else 1
        ends_at = max(min(one.record.expires_at, created_at + self._lifetime_ms), created_at)
        data = seal_data(
            self._keyring,
            one.plaintext,
            one.digest,
            user_id=one.owner,
            created_at=created_at,
            ends_at=ends_at,
            data_format=data_format,
        )
        session = {
            "digest": one.digest,
            "data": data,
            "user_id": one.owner,
            "version": version,
            "created_at": created_at,
            "last_seen_at": now,
            "expires_at": min(now + self._idle_ms, ends_at),
            "ends_at": ends_at,
            "ip": None,
            "user_agent": None,
            "max_age": None,
        }
        remembered = {
            "digest": one.digest,
            "version": version,
            "last_seen_at": now,
            "kept_until": one.record.expires_at + REMEMBERED_MS,
        }
        return session, remembered

    async def _write(self, transaction: Executor, statement: str, rows: Sequence[tuple[Values, Values]]) -> int:
        if not rows:
            return 0
        written = {row["digest"] for row in await transaction.each(statement, [session for session, _ in rows])}
        if remembered := [memory for session, memory in rows if session["digest"] in written]:
            await transaction.each("remember_copied", remembered)
        return len(written)

    async def _now(self) -> int:
        row = await self._target.maybe("read_clock", now=self._clock()) if self._remembers else None
        row = row or await self._source.maybe("read_clock", now=self._clock())
        assert row is not None
        return int(row["now"])


def _handle(session_id: object) -> str:
    raw = session_id if isinstance(session_id, bytes) else str(session_id).encode("utf-8", "replace")
    return handle_of(hashlib.sha256(raw).digest())
