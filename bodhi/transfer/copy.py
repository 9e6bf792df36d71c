"""Copy sessions from one database to another while users stay logged in.

A pass walks through both databases at once, by digest, a page at a time, and compares version and last use; each page
is one transaction at the target. Whole rows are read only where something differs, so that a pass over sessions that
nobody used costs lists alone. What came here is remembered at the target (``bodhi_session_copied``), as it was then.
That makes a pass safe to break off and to run again, however often and whenever:

- a live session of the source that never came here is written; one that has a newer version, or was used later, is
  written over its older copy, and a copy that is newer stays;
- a session that came here and is not at the target any more ended at the target: it is never written again;
- a session that came here and is not live at the source any more ended there (or has another id since a login): its
  copy ends, unless it was used at the target meanwhile;
- a session that did not come from the source is none of its business.

Digests, versions, times, users and devices stay as they are, so cookies remain valid. No request may be served from the
target before the source has ended to change: what the two then hold of one session is not merged, the newer stays.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from bodhi.database import Conflict, Database, DatabaseError, DatabaseUnavailable, Executor, Row
from bodhi.keyring import Keyring, UnknownKey, Unreadable
from bodhi.session import DIGEST_BYTES, StoredData, drop_user_index, handle_of, make_user_index, resealed

PAGE = 2000
PAGE_SECONDS = 60.0  # the longest that a page's transaction may take
REMEMBERED_MS = 30 * 86_400_000  # how long after its end a session that came here is remembered
LAST_DIGEST = b"\xff" * DIGEST_BYTES
FEW = 4  # of less than every fourth row of a page each is fetched on its own
SESSIONS_TABLE, COPIED_TABLE = "bodhi_session", "bodhi_session_copied"
COLUMNS = (
    "digest", "data", "user_id", "version", "created_at", "last_seen_at", "expires_at", "ends_at", "ip", "user_agent",
    "max_age",
)  # fmt: skip
TEXTS = tuple(COLUMNS.index(name) for name in ("user_id", "ip", "user_agent"))
COPIED_COLUMNS = ("digest", "version", "last_seen_at", "kept_until")

SessionRow = tuple[Any, ...]  # by COLUMNS
Reseal = Callable[[StoredData], StoredData]


@dataclass(slots=True)
class Tally:
    """What one pass has done so far."""

    read: int = 0  # live sessions at the source
    written: int = 0  # new at the target, or newer than there
    kept: int = 0  # at the target in the same or a newer version, or ended there
    failed: int = 0  # left out; each was reported by its handle
    ended: int = 0  # at the target, since they ended at the source
    others: int = 0  # live at the target, and never came from anywhere else
    reached: bytes = field(default=b"", compare=False)  # all digests up to this one are done

    @property
    def changed(self) -> int:
        """How many sessions of the target are not as they were."""
        return self.written + self.ended


@dataclass(slots=True)
class _Page:
    """One range of digests, up to *bound*: how it is, and what is to be done for it."""

    fills: bool = False  # the first of many, and the target holds nothing
    new: list[bytes] = field(default_factory=list)
    newer: list[bytes] = field(default_factory=list)
    ended: list[Row] = field(default_factory=list)
    rows: list[SessionRow] = field(default_factory=list)  # those of new and newer, as they are to be written
    bound: bytes = LAST_DIGEST
    read: int = 0
    written: int = 0
    kept: int = 0
    failed: int = 0
    others: int = 0


class Transfer:
    """Copies the live sessions of *source* to *target*; both are entered, and the target is migrated.

    *reseal* makes of a session's data what is stored at the target, and raises :exc:`Unreadable` or
    :exc:`UnknownKey`; without it data is copied as it is, for the same keys. With *target* None all counts as new.
    *failed* is called with the handle of a skipped session and the reason, once over all passes. Unless *writes*,
    nothing is changed.
    """

    def __init__(
        self,
        source: Database,
        target: Database | None,
        *,
        failed: Callable[[str, str], object],
        reseal: Reseal | None = None,
        writes: bool = True,
        follows: bool = False,
        clock: Callable[[], int | None] = lambda: None,
        page: int = PAGE,
    ) -> None:
        self._source = source
        self._target = target
        self._failed = failed
        self._reseal = reseal
        self._writes = writes
        self._compares_keys = follows and reseal is None
        self._clock = clock
        self._page = page
        self._reported: set[bytes] = set()

    async def run(self) -> AsyncIterator[Tally]:
        """Run one pass; yield the tally so far after each page, the same object each time."""
        tally = Tally()
        reading: asyncio.Task[_Page] | None = asyncio.create_task(self._read_page(b""))
        try:
            while reading is not None:
                page = await reading
                if page.fills and self._writes and self._target is not None:
                    await drop_user_index(self._target)
                # The next page is read while this one is written: they are of different databases.
                is_last = page.bound == LAST_DIGEST
                reading = None if is_last else asyncio.create_task(self._read_page(page.bound))
                await self._carry_out(page)
                tally.read += page.read
                tally.written += page.written
                tally.kept += page.kept
                tally.failed += page.failed
                tally.ended += len(page.ended)
                tally.others += page.others
                tally.reached = page.bound
                yield tally
            if self._writes and self._target is not None:
                await make_user_index(self._target)
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read_page(self, after: bytes) -> "_Page":
        """Plan the page of digests after *after*."""
        there = await self._source.many("list_versions", after=after, batch=self._page, now=self._clock())
        lists = (there, *await self._at_target(after))
        # As far as all of the lists go: one of them may be much denser here than another.
        bound = min((rows[-1]["digest"] for rows in lists if len(rows) == self._page), default=LAST_DIGEST)
        sources, targets, memory = ({row["digest"]: row for row in rows if row["digest"] <= bound} for rows in lists)
        page = self._planned(sources, targets, memory)
        page.bound, page.read = bound, len(sources)
        page.fills = not after and len(there) == self._page and not any(lists[1:])
        wanted = sorted([*page.new, *page.newer])
        page.kept = len(sources) - len(wanted)
        if wanted:
            rows = await self._rows(wanted)
            sound = [row for row in rows if self._is_sound(row)]
            page.rows = sound if self._reseal is None else self._resealed(sound, self._reseal)
            page.failed = len(rows) - len(page.rows)
        return page

    async def _at_target(self, after: bytes) -> tuple[Sequence[Row], Sequence[Row]]:
        if self._target is None:
            return (), ()
        here = await self._target.many("list_held", after=after, batch=self._page, now=self._clock())
        return here, await self._target.many("list_copied", after=after, batch=self._page)

    def _planned(self, there: Mapping[bytes, Row], here: Mapping[bytes, Row], copied: Mapping[bytes, Row]) -> _Page:
        page = _Page()
        for digest, row in there.items():
            held = here.get(digest)
            if held is None:
                if digest not in copied:
                    page.new.append(digest)
            elif self._is_newer(row, held):
                page.newer.append(digest)
        for digest, row in copied.items():
            held = here.get(digest)
            if held is not None and digest not in there and _state(held) == _state(row):
                page.ended.append(row)
        page.others = sum(bool(here[digest]["live"]) for digest in here.keys() - there.keys() - copied.keys())
        return page

    def _is_newer(self, row: Row, held: Row) -> bool:
        if _state(row) == _state(held):
            # Re-encrypted at the source under a new key or in a newer format, which is no new version.
            return self._compares_keys and bool(row["header"] != held["header"])
        return _state(row) > _state(held)

    async def _rows(self, wanted: Sequence[bytes]) -> list[SessionRow]:
        """Return the rows of these digests, without those that ended since they were listed."""
        if len(wanted) * FEW < self._page:
            now = self._clock()
            rows = await self._source.each("load_session", [{"digest": digest, "now": now} for digest in wanted])
        else:
            rows = await self._source.many("read_sessions", low=wanted[0], high=wanted[-1], now=self._clock())
        found = set(wanted)
        return [tuple(cast("Iterable[object]", row))[: len(COLUMNS)] for row in rows if row["digest"] in found]

    def _is_sound(self, row: SessionRow) -> bool:
        """Return whether all text columns are valid UTF-8; SQLite returns bytes for one that is not."""
        for place in TEXTS:
            if isinstance(row[place], bytes):
                self._report_failure(row[0], f"{COLUMNS[place]} is not UTF-8")
                return False
        return True

    def _resealed(self, rows: Sequence[SessionRow], reseal: Reseal) -> list[SessionRow]:
        written = []
        for row in rows:
            digest, data, user_id, version, created_at, _, _, ends_at, *_ = row
            try:
                new = reseal(StoredData(digest, version, data, user_id, created_at, ends_at))
                written.append((digest, new.data, *row[2:]))
            except (Unreadable, UnknownKey) as error:
                self._report_failure(digest, str(error))
        return written

    async def _carry_out(self, page: "_Page") -> None:
        """Execute the plan of a page, and count it."""
        if not self._writes or self._target is None or not (page.rows or page.ended):
            page.written = len(page.rows)
            return
        new = set(page.new)
        try:
            await self._write(page.rows, new, page.ended)
            page.written = len(page.rows)
        except DatabaseUnavailable:
            raise
        except DatabaseError:
            # One row that this database cannot hold must not keep the others: find out which it is.
            for row in page.rows:
                await self._write_one(row, new, page)
            await self._write([], new, page.ended)

    async def _write_one(self, row: SessionRow, new: set[bytes], page: "_Page") -> None:
        try:
            await self._write([row], new, [])
            page.written += 1
        except DatabaseUnavailable:
            raise
        except Conflict:
            page.kept += 1  # another copy brought it meanwhile
        except DatabaseError as error:
            page.failed += 1
            self._report_failure(row[0], str(error))

    async def _write(self, rows: Sequence[SessionRow], new: set[bytes], ended: Sequence[Row]) -> None:
        assert self._target is not None
        inserts = [row for row in rows if row[0] in new]
        updates = [row for row in rows if row[0] not in new]
        async with self._target.transaction(limit_seconds=PAGE_SECONDS) as transaction:
            if inserts:
                await transaction.fill(SESSIONS_TABLE, COLUMNS, inserts)
                await transaction.fill(COPIED_TABLE, COPIED_COLUMNS, [_memory(row) for row in inserts])
            if updates:
                await _update(transaction, updates)
            if ended:
                await transaction.each("end_copied", [_ending(row) for row in ended])

    def _report_failure(self, digest: bytes, reason: str) -> None:
        if digest not in self._reported:
            self._reported.add(digest)
            self._failed(handle_of(digest), reason.partition("\n")[0])  # further lines may show what is in the row


async def _update(transaction: Executor, rows: Sequence[SessionRow]) -> None:
    written = await transaction.each("update_copied", [dict(zip(COLUMNS, row, strict=True)) for row in rows])
    updated = {row["digest"] for row in written}
    remembered = [dict(zip(COPIED_COLUMNS, _memory(row), strict=True)) for row in rows if row[0] in updated]
    if remembered:
        await transaction.each("remember_copied", remembered)


def resealing(opens: Keyring, seals: Keyring) -> Reseal:
    """Return a function that decrypts with *opens* and encrypts with the newest key of *seals*."""
    return partial(resealed, opens, seals)


def _memory(row: SessionRow) -> tuple[object, ...]:
    """Return what the target remembers of a session: COPIED_COLUMNS."""
    digest, _, _, version, _, last_seen_at, _, ends_at, *_ = row
    return digest, version, last_seen_at, ends_at + REMEMBERED_MS


def _ending(row: Row) -> dict[str, object]:
    return {"digest": row["digest"], "version": row["version"], "last_seen_at": row["last_seen_at"]}


def _state(row: Row) -> tuple[int, int]:
    return row["version"], row["last_seen_at"]
