"""What one session costs a database that holds many: bytes, pages read, log written, time; and what vacuum costs."""

import asyncio
import os
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Protocol

import asyncpg

from bench.environment import percentile
from bench.filling import SEALED_BYTES, digest_of_row
from bodhi.session import Save, SqlSessionStore, Touch

LOADS, SAVES, PAGES = 5000, 2000, 300
PAGE = 50
TOUCHES = 64  # written together
DELETED = 1 / 16  # of the rows, before vacuum
TOUCH_MS, IDLE_MS = 60_000, 86_400_000
STATISTICS_SECONDS = 11  # after which PostgreSQL has published what an idle connection did

Costs = dict[str, object]


class Meter(Protocol):
    """What a database says of itself."""

    async def sizes(self) -> Costs:
        """Return the sizes of the table and its indexes."""

    async def read_pages(self) -> int | None:
        """Return the number of pages read so far that were not in the database's own cache."""

    async def written_bytes(self) -> int | None:
        """Return the position in the write-ahead log."""

    async def forget_pages(self) -> None:
        """Checkpoint: the next change of each page is written with the whole page."""

    async def vacuum(self) -> Costs:
        """Remove dead rows, where that is a task of its own."""


async def measure(store: SqlSessionStore, meter: Meter, rows: int) -> Costs:
    """Return times in ms (median and p99), and pages and bytes of each kind of call, one at a time."""
    costs = {"load average": load_average(), **await meter.sizes()}
    numbers = random.sample(range(rows), LOADS + SAVES)
    digests = [digest_of_row(number) for number in numbers]
    await asyncio.sleep(STATISTICS_SECONDS)
    before = await meter.read_pages()
    costs |= await _timed("load", [partial(store.load, digest) for digest in digests[:LOADS]])
    await asyncio.sleep(STATISTICS_SECONDS)
    if before is not None:
        costs["pages read a load"] = round(((await meter.read_pages() or 0) - before) / LOADS, 2)
    saved = list(zip(numbers, digests, strict=True))[LOADS:]
    for version, title in ((1, "save"), (2, "save of a page logged before")):
        if version == 1:
            await meter.forget_pages()
        data = os.urandom(SEALED_BYTES)
        saves = [Save(digest, version, data, _owner(number)) for number, digest in saved]
        costs |= await _logged(meter, title, [partial(store.save, save) for save in saves])
    costs |= await _touches(store, meter, digests[:LOADS])
    costs |= await _timed(
        "page of a user",
        [partial(store.list_user_page, _owner(number), limit=PAGE) for number in numbers[:PAGES]],
    )
    costs |= await _timed(
        f"page of {PAGE} of all",
        [partial(store.list_page, after=digest, limit=PAGE) for digest in digests[:PAGES]],
    )
    started = perf_counter()
    await store.count()
    return {**costs, "count all s": round(perf_counter() - started, 1)}


def _owner(number: int) -> str:
    return f"user-{number // 3:08}"


async def _touches(store: SqlSessionStore, meter: Meter, digests: Sequence[bytes]) -> Costs:
    record = await store.load(digests[0])
    assert record is not None
    batches = [digests[at : at + TOUCHES] for at in range(0, len(digests) // 2, TOUCHES)]
    costs: Costs = {}
    for minute, title in ((1, f"{TOUCHES} touches"), (2, f"{TOUCHES} touches of pages logged before")):
        seen_at = record.now + minute * TOUCH_MS
        touches = ([Touch(digest, seen_at, IDLE_MS, TOUCH_MS) for digest in batch] for batch in batches)
        costs |= await _logged(meter, title, [partial(store.touch, batch) for batch in touches])
    return costs


async def _logged(meter: Meter, title: str, calls: Sequence[Callable[[], Awaitable[object]]]) -> Costs:
    before = await meter.written_bytes()
    costs = await _timed(title, calls)
    after = await meter.written_bytes()
    if before is not None and after is not None:
        costs[f"{title} log bytes"] = round((after - before) / len(calls))
    return costs


async def _timed(title: str, calls: Sequence[Callable[[], Awaitable[object]]]) -> Costs:
    times = []
    for call in calls:
        started = perf_counter()
        assert await call() not in (None, False, 0), title
        times.append((perf_counter() - started) * 1000)
    return {
        f"{title} p50 ms": round(percentile(times, 0.5), 3),
        f"{title} p99 ms": round(percentile(times, 0.99), 3),
    }


def load_average() -> str:
    """Return the machine's load averages: how far times can be believed."""
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


class PostgresMeter:
    """Of the table, or of all its partitions."""

    _LEAVES = (
        "(SELECT relid FROM pg_partition_tree('bodhi_session') WHERE isleaf"
        " UNION SELECT 'bodhi_session'::regclass WHERE NOT EXISTS (SELECT FROM pg_partition_tree('bodhi_session')))"
    )

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def sizes(self) -> Costs:
        """Return the sizes of the heap, and of each index over all partitions."""
        sizes = await self._connection.fetch(
            "SELECT pg_get_indexdef(indexrelid, 1, true) AS name, sum(pg_relation_size(indexrelid)) AS bytes"
            f" FROM pg_index WHERE indrelid IN {self._LEAVES} GROUP BY 1 ORDER BY 1"
        )
        heap = await self._connection.fetchval(f"SELECT sum(pg_table_size(relid)) FROM {self._LEAVES} AS leaves")
        return {"table MB": round(int(heap) / 1e6), **{f"index {row[0]} MB": round(int(row[1]) / 1e6) for row in sizes}}

    async def read_pages(self) -> int:
        """Return what came from the disk or the system's cache."""
        return int(
            await self._connection.fetchval(
                "SELECT sum(heap_blks_read + coalesce(idx_blks_read, 0)) FROM pg_statio_user_tables"
                f" WHERE relid IN {self._LEAVES}"
            )
        )

    async def written_bytes(self) -> int:
        """Return the position in the write-ahead log."""
        return int(await self._connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    async def forget_pages(self) -> None:
        """Checkpoint: the next change of each page is logged with the whole page."""
        await self._connection.execute("CHECKPOINT", timeout=7200)

    async def vacuum(self) -> Costs:
        """Delete a part of the rows and vacuum each partition; return what that takes, and the share of HOT updates."""
        before = await self.written_bytes()
        deleted = await self._connection.execute(
            "DELETE FROM bodhi_session WHERE digest < $1", bytes([round(256 * DELETED)]), timeout=7200
        )
        logged = await self.written_bytes() - before
        await asyncio.sleep(STATISTICS_SECONDS)
        (updates,) = await self._connection.fetch(
            "SELECT sum(n_dead_tup) AS dead, 100.0 * sum(n_tup_hot_upd) / sum(n_tup_upd) AS hot"
            f" FROM pg_stat_user_tables WHERE relid IN {self._LEAVES}"
        )
        names = await self._connection.fetch(f"SELECT relid::regclass::text FROM {self._LEAVES} AS leaves")
        times = []
        before = await self.written_bytes()
        for (name,) in names:
            started = perf_counter()
            await self._connection.execute(f"VACUUM {name}", timeout=7200)
            times.append(perf_counter() - started)
        return {
            "log bytes of a deleted row": round(logged / int(deleted.split()[1])),
            "HOT updates %": round(float(updates["hot"]), 1),
            "dead rows before vacuum": int(updates["dead"]),
            "load average at vacuum": load_average(),
            "vacuum s": round(sum(times), 1),
            "longest vacuum of one table s": round(max(times), 1),
            "vacuum log MB": round((await self.written_bytes() - before) / 1e6),
        }


class SqliteMeter:
    """Of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def sizes(self) -> Costs:
        """Return the sizes of the table and of each index."""
        return await asyncio.to_thread(self._sizes)

    def _sizes(self) -> Costs:
        with closing(sqlite3.connect(self._path)) as connection:
            sizes = connection.execute(
                # The number of pages: pgsize, their sum, has 32 bits only.
                "SELECT name, pageno * page_size AS bytes FROM dbstat, pragma_page_size"
                " WHERE aggregate = TRUE AND name GLOB '*bodhi_session*' AND bytes > 1e6"
            )
            names = {
                "bodhi_session": "table MB",
                "sqlite_autoindex_bodhi_session_1": "index digest MB",
                "bodhi_session_expiry": "index expires_step MB",
                "bodhi_session_user": "index user_id MB",
            }
            return {names.get(name, f"{name} MB"): round(size / 1e6) for name, size in sizes}

    async def read_pages(self) -> None:
        """Return nothing: SQLite does not count for other connections."""

    async def written_bytes(self) -> None:
        """Return nothing: the log is written from its start again after each checkpoint."""

    async def forget_pages(self) -> None:
        """Do nothing: the log always has whole pages."""

    async def vacuum(self) -> Costs:
        """Return the pages that sessions left, which new ones will take: there is no task to run."""
        return await asyncio.to_thread(self._free)

    def _free(self) -> Costs:
        with closing(sqlite3.connect(self._path)) as connection:
            free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
            )
            return {"free MB": round(free * size / 1e6)}
