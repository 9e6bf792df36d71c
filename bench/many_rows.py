"""Many sessions: load times, and the longest save while expired sessions are deleted."""

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

from bench.environment import Environment, Figures, Unavailable, log_progress, percentile
from bench.session_data import KEY, session_data
from bodhi.session import DefaultSessionService

FEW = 10_000
DAY_MS = 86_400_000
SEALED_BYTES = 1056  # 1 KB of data, encrypted
BLOCK = 10_000
COLUMNS = (
    "digest", "data", "user_id", "version", "created_at", "last_seen_at", "expires_at", "ends_at", "ip", "user_agent"
)  # fmt: skip
LIVE = 200
SAVERS = 2
SAVER_PAUSE_SECONDS = 0.001

Row = tuple[object, ...]


class Clock:
    """A clock that can be advanced."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time_ns() // 1_000_000 + self.ahead_ms


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the growth of the median load time, and the longest stall of a save."""
    expiring = 100_000 if environment.quick else 1_000_000
    many = 10_000_000 if environment.large else expiring
    hints = [] if environment.large else ["--large measures 10,000,000"]
    hints += ["without --quick 1,000,000"] if environment.quick else []
    figures.notes.append(f"many rows: {many:,}" + (f" ({', '.join(hints)})" if hints else ""))
    figures.notes.append(f"rows that expire: {expiring:,}")
    with environment.on_server_core():
        for dialect in ("postgres", "sqlite"):
            try:
                asyncio.run(_measure(dialect, many, expiring, environment, figures))
            except Unavailable as error:
                figures.skipped.append(f"many rows on PostgreSQL: not measured without {error}")


async def _measure(dialect: str, many: int, expiring: int, environment: Environment, figures: Figures) -> None:
    clock = Clock()
    few_url = await asyncio.to_thread(_url, dialect, "few", environment)
    many_url = await asyncio.to_thread(_url, dialect, "many", environment)
    async with AsyncExitStack() as stack:
        few = await stack.enter_async_context(_service(few_url, clock))
        grown = await stack.enter_async_context(_service(many_url, clock))
        for url, rows in ((few_url, FEW), (many_url, many)):
            log_progress(f"  {dialect}: filling in {rows:,} rows")
            await fill(url, rows)
        log_progress(f"  {dialect}: loading")
        ratio, row = await _growth((few, FEW), (grown, many), rounds=5 if environment.quick else 15)
        figures.values[f"growth {dialect}"] = ratio
        log_progress(f"  {dialect}: deleting {expiring:,} expired rows")
        # Stop after *expiring* rows, even if there are more.
        stall = await _stall(grown, clock, most=expiring)
        figures.values[f"stall {dialect}"] = stall["longest save ms"]
    figures.tables.setdefault("Many rows", []).append({"database": dialect, **row, **stall})


def _url(dialect: str, name: str, environment: Environment) -> str:
    if dialect == "postgres":
        return environment.postgres_database(f"rows_{name}")
    return f"sqlite:{environment.sqlite_file(f'rows_{name}')}"


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
    """Insert *rows* live sessions of 1 KB directly into a migrated database, all of *user* or three per user."""
    now = time_ns() // 1_000_000
    blocks = (_rows(range(first, min(rows, first + BLOCK)), now, user) for first in range(0, rows, BLOCK))
    if not url.startswith("sqlite:"):
        return await _fill_postgres(url, blocks)
    return await asyncio.to_thread(_fill_sqlite, Path(url.removeprefix("sqlite:")), blocks)


async def _fill_postgres(url: str, blocks: Iterator[Iterator[Row]]) -> None:
    connection = await asyncpg.connect(url)
    for block in blocks:
        await connection.copy_records_to_table("bodhi_session", records=block, columns=COLUMNS)
    await connection.execute("VACUUM (ANALYZE) bodhi_session", timeout=600)  # as autovacuum would do later
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
    # Write all rows to disk now, or the next checkpoint would have to.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


# Loading.


async def _growth(
    few: tuple[DefaultSessionService, int], grown: tuple[DefaultSessionService, int], *, rounds: int
) -> tuple[float, dict[str, object]]:
    """Return the ratio of median load times with many and with few rows, measured alternately."""
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
    """Return the longest save while expired rows are deleted in the same process, and before that for comparison."""
    clock.ahead_ms = 2 * DAY_MS
    sessions = [(await service.create(session_data(number)))[1] for number in range(LIVE)]
    stopped = asyncio.Event()
    times: list[float] = []

    async def save_on(saver: int) -> None:
        index = saver
        while not stopped.is_set():
            session = sessions[index]
            started = perf_counter()
            saved = await service.save(session, {**session.data, "visits": session.data["visits"] + 1})
            times.append(perf_counter() - started)
            assert saved is not None
            sessions[index] = saved
            index = (index + SAVERS) % LIVE
            await asyncio.sleep(SAVER_PAUSE_SECONDS)

    savers = [asyncio.create_task(save_on(saver)) for saver in range(SAVERS)]
    await asyncio.sleep(3)
    before, times[:] = list(times), []
    started = perf_counter()
    deleted = await _sweep(service, most)
    taken = perf_counter() - started
    stopped.set()
    await asyncio.gather(*savers)
    return {
        "longest save ms": round(max(times) * 1000, 1),
        "save p99 ms": round(percentile(times, 0.99) * 1000, 1),
        "longest save ms before": round(max(before) * 1000, 1),
        "rows deleted/s": round(deleted / taken),
    }


async def _sweep(service: DefaultSessionService, most: int) -> int:
    """Sweep until all expired rows, or *most* of them, are deleted; return their number."""
    sweeping = asyncio.create_task(service.sweep())
    while not sweeping.done() and service.counters.swept < most:
        await asyncio.wait([sweeping], timeout=0.1)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    return service.counters.swept
