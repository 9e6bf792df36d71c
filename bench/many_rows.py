"""Many sessions: what a load takes among them, and how long a save waits while all of them expire and are deleted."""

import asyncio
import hashlib
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from time import perf_counter, time_ns

import asyncpg

from bench.session_data import KEY, session_data
from bench.environment import Absent, Figures, Surroundings, percentile, say
from bodhi.session import DefaultSessionService

FEW = 10_000
DAY_MS = 86_400_000
SEALED_BYTES = 1056  # what encryption makes of 1 KB
BLOCK = 10_000
COLUMNS = (
    "digest", "data", "user_id", "version", "created_at", "last_seen_at", "expires_at", "ends_at", "ip", "user_agent"
)  # fmt: skip
LIVE = 200
SAVERS = 2
SAVER_PAUSE_SECONDS = 0.001

Row = tuple[object, ...]


class Clock:
    """The time for a service, to be moved forward."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time_ns() // 1_000_000 + self.ahead_ms


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the growth of a load's median, and the longest stall of a save."""
    expiring = 100_000 if surroundings.quick else 1_000_000
    many = 10_000_000 if surroundings.large else expiring
    asked_for = [] if surroundings.large else ["--large measures 10,000,000"]
    asked_for += ["without --quick 1,000,000"] if surroundings.quick else []
    figures.notes.append(f"many rows: {many:,}" + (f" ({', '.join(asked_for)})" if asked_for else ""))
    figures.notes.append(f"rows that expire: {expiring:,}")
    with surroundings.on_server_core():
        for dialect in ("postgres", "sqlite"):
            try:
                asyncio.run(_measure(dialect, many, expiring, surroundings, figures))
            except Absent as absent:
                figures.absent.append(f"many rows on PostgreSQL: not measured without {absent}")


async def _measure(dialect: str, many: int, expiring: int, surroundings: Surroundings, figures: Figures) -> None:
    clock = Clock()
    few_url = await asyncio.to_thread(_url, dialect, "few", surroundings)
    many_url = await asyncio.to_thread(_url, dialect, "many", surroundings)
    async with AsyncExitStack() as stack:
        few = await stack.enter_async_context(_service(few_url, clock))
        grown = await stack.enter_async_context(_service(many_url, clock))
        for url, rows in ((few_url, FEW), (many_url, many)):
            say(f"  {dialect}: filling in {rows:,} rows")
            await fill(url, rows)
        say(f"  {dialect}: loading")
        ratio, row = await _growth((few, FEW), (grown, many), rounds=5 if surroundings.quick else 15)
        figures.values[f"growth {dialect}"] = ratio
        say(f"  {dialect}: deleting {expiring:,} expired rows")
        # Of more rows than are to expire, the rest stays behind: only what is deleted counts here.
        stall = await _stall(grown, clock, most=expiring)
        figures.values[f"stall {dialect}"] = stall["longest save ms"]
    figures.tables.setdefault("Many rows", []).append({"database": dialect, **row, **stall})


def _url(dialect: str, name: str, surroundings: Surroundings) -> str:
    if dialect == "postgres":
        return surroundings.postgres_database(f"rows_{name}")
    return f"sqlite:{surroundings.sqlite_file(f'rows_{name}')}"


def _service(url: str, clock: Clock) -> DefaultSessionService:
    return DefaultSessionService.from_url(url, keys=[KEY], sweep_seconds=None, clock=clock)


# Filling.


def _digest(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


def _rows(numbers: range, now: int, user: str | None) -> Iterator[Row]:
    sealed = os.urandom(SEALED_BYTES)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    for number in numbers:
        expires_at = now + DAY_MS + number % 3_600_000  # within an hour, a day from now
        owner = user or f"user-{number // 3:08}"
        yield _digest(number), sealed, owner, 1, now, now, expires_at, now + 14 * DAY_MS, "192.0.2.1", agent


async def fill(url: str, rows: int, *, user: str | None = None) -> None:
    """Put *rows* live sessions of 1 KB into a migrated database, past bodhi: all of *user*, else three for each."""
    now = time_ns() // 1_000_000
    blocks = (_rows(range(first, min(rows, first + BLOCK)), now, user) for first in range(0, rows, BLOCK))
    if not url.startswith("sqlite:"):
        return await _fill_postgres(url, blocks)
    return await asyncio.to_thread(_fill_sqlite, Path(url.removeprefix("sqlite:")), blocks)


async def _fill_postgres(url: str, blocks: Iterator[Iterator[Row]]) -> None:
    connection = await asyncpg.connect(url)
    for block in blocks:
        await connection.copy_records_to_table("bodhi_session", records=block, columns=COLUMNS)
    await connection.execute("VACUUM (ANALYZE) bodhi_session", timeout=600)  # as autovacuum would in time
    await connection.execute("CHECKPOINT", timeout=600)
    await connection.close()


def _fill_sqlite(path: Path, blocks: Iterator[Iterator[Row]]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    insert = f"INSERT INTO bodhi_session ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    for block in blocks:
        with connection:
            connection.executemany(insert, block)
    # On the disk, as rows are that others saved: or the next checkpoint would have to bring all of them there.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


# Loading.


async def _growth(
    few: tuple[DefaultSessionService, int], grown: tuple[DefaultSessionService, int], *, rounds: int
) -> tuple[float, dict[str, object]]:
    """How much longer a load's median is among many rows, measured in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for (service, rows), medians in zip((few, grown), times, strict=True):
            medians.append(await _median_load_ms(service, rows))
    few_ms, grown_ms = (median(medians) for medians in times)
    ratio = median(slow / quick for quick, slow in zip(*times, strict=True))
    return ratio, {
        f"load p50 ms of {few[1]:,}": round(few_ms, 3),
        f"load p50 ms of {grown[1]:,}": round(grown_ms, 3),
    }


async def _median_load_ms(service: DefaultSessionService, rows: int, loads: int = 1000) -> float:
    store = service.get_session_store()
    digests = [_digest(random.randrange(rows)) for _ in range(loads)]
    times = []
    for digest in digests:
        started = perf_counter()
        assert await store.load(digest) is not None
        times.append(perf_counter() - started)
    return median(times) * 1000


# Expiring.


async def _stall(service: DefaultSessionService, clock: Clock, *, most: int) -> dict[str, float]:
    """The longest save while expired rows are deleted in the same process, and without that for comparison."""
    clock.ahead_ms = 2 * DAY_MS
    sessions = [(await service.create(session_data(number)))[1] for number in range(LIVE)]
    over = asyncio.Event()
    times: list[float] = []

    async def save_on(saver: int) -> None:
        turn = saver
        while not over.is_set():
            session = sessions[turn]
            started = perf_counter()
            saved = await service.save(session, {**session.data, "visits": session.data["visits"] + 1})
            times.append(perf_counter() - started)
            assert saved is not None
            sessions[turn] = saved
            turn = (turn + SAVERS) % LIVE
            await asyncio.sleep(SAVER_PAUSE_SECONDS)

    savers = [asyncio.create_task(save_on(saver)) for saver in range(SAVERS)]
    await asyncio.sleep(3)
    before, times[:] = list(times), []
    started = perf_counter()
    deleted = await _sweep(service, most)
    taken = perf_counter() - started
    over.set()
    await asyncio.gather(*savers)
    return {
        "longest save ms": round(max(times) * 1000, 1),
        "save p99 ms": round(percentile(times, 0.99) * 1000, 1),
        "longest save ms before": round(max(before) * 1000, 1),
        "rows deleted/s": round(deleted / taken),
    }


async def _sweep(service: DefaultSessionService, most: int) -> int:
    """Sweeps until all, or *most*, expired rows are gone; how many they were."""
    sweeping = asyncio.create_task(service.sweep())
    while not sweeping.done() and service.counters.swept < most:
        await asyncio.wait([sweeping], timeout=0.1)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    return service.counters.swept
