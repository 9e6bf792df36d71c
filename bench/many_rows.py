"""Many sessions: load times, and the longest save while expired sessions are deleted."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, time_ns
from typing import cast

import asyncpg

from bench import row_costs
from bench.environment import Environment, Figures, Unavailable, log_progress, percentile
from bench.filling import DAY_MS, digest_of_row, fill
from bench.row_costs import PostgresMeter, SqliteMeter, load_average
from bench.session_data import KEY, session_data
from bodhi.session import DefaultSessionService, SqlSessionStore

FEW = 10_000
LIVE = 200
SAVERS = 2
SAVER_PAUSE_SECONDS = 0.001
LONGEST_SWEEP_SECONDS = 120  # on a busy machine it gives way to the saves
PARTITIONS = 8
PARTITIONED = f"postgres, {PARTITIONS} partitions"


class Clock:
    """A clock that can be advanced."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time_ns() // 1_000_000 + self.ahead_ms


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the growth of the median load time, the longest stall of a save, and what a session costs."""
    expiring = 100_000 if environment.quick else 1_000_000
    many = 10_000_000 if environment.large else expiring
    expiring = min(expiring, many // 20) if environment.large else expiring
    hints = [] if environment.large else ["--large measures 10,000,000, and partitions"]
    hints += ["without --quick 1,000,000"] if environment.quick else []
    figures.notes.append(f"many rows: {many:,}" + (f" ({', '.join(hints)})" if hints else ""))
    figures.notes.append(f"rows that expire: {expiring:,}")
    with environment.on_server_core():
        for target in ("postgres", *([PARTITIONED] if environment.large else []), "sqlite"):
            try:
                asyncio.run(_measure(target, many, expiring, environment, figures))
            except Unavailable as error:
                figures.skipped.append(f"many rows on PostgreSQL: not measured without {error}")


async def _measure(target: str, many: int, expiring: int, environment: Environment, figures: Figures) -> None:
    clock = Clock()
    few_url = await _url(target, "few", environment)
    many_url = await _url(target, "many", environment)
    for url, rows in ((few_url, FEW), (many_url, many)):
        log_progress(f"  {target}: filling in {rows:,} rows")
        started = perf_counter()
        async with _service(url, clock):
            pass  # it makes the tables
        await fill(url, rows)
    async with AsyncExitStack() as stack:
        few = await stack.enter_async_context(_service(few_url, clock))
        grown = await stack.enter_async_context(_service(many_url, clock))
        row: dict[str, object] = {"filling s": round(perf_counter() - started)}
        log_progress(f"  {target}: loading")
        ratio, loads = await _growth((few, FEW), (grown, many), rounds=5 if environment.quick else 15)
        figures.values[f"growth {target}"] = ratio
        meter = await stack.enter_async_context(_meter(many_url))
        log_progress(f"  {target}: what a session costs")
        row |= loads | await row_costs.measure(cast("SqlSessionStore", grown.get_session_store()), meter, many)
        log_progress(f"  {target}: deleting {expiring:,} expired rows")
        # Stop after *expiring* rows, even if there are more.
        figures.values[f"stall {target}"], stall = await _stall(grown, clock, most=expiring)
        log_progress(f"  {target}: vacuum")
        row |= stall | await meter.vacuum() | {f"{size} after": value for size, value in (await meter.sizes()).items()}
    _add(figures.tables.setdefault("Many rows", []), target, row)
    await _remove(many_url)  # tens of gigabytes


def _add(table: list[dict[str, object]], target: str, row: dict[str, object]) -> None:
    """Add a column to *table*, whose rows are the figures."""
    by_name = {line["what"]: line for line in table}
    for name, value in row.items():
        if name in by_name:
            by_name[name][target] = value
        else:
            table.append({"what": name, target: value})


async def _url(target: str, name: str, environment: Environment) -> str:
    if target == "sqlite":
        return f"sqlite:{environment.sqlite_file(f'rows_{name}')}"
    url = await asyncio.to_thread(environment.postgres_database, f"rows_{name}")
    if target == PARTITIONED:
        # As the page about capacity advises: plans are kept, and not compiled.
        settings = {
            "bodhi.session_partitions": PARTITIONS, "plan_cache_mode": "force_generic_plan", "jit": "off"
        }  # fmt: skip
        connection = await asyncpg.connect(url)
        for setting, value in settings.items():
            await connection.execute(f"ALTER DATABASE rows_{name} SET {setting} = {value}")
        await connection.close()
    return url


async def _remove(url: str) -> None:
    if url.startswith("sqlite:"):
        await asyncio.to_thread(Path(url.removeprefix("sqlite:")).unlink)
        return
    server, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)", timeout=600)
    await connection.close()


@asynccontextmanager
async def _meter(url: str) -> AsyncIterator[row_costs.Meter]:
    if url.startswith("sqlite:"):
        yield SqliteMeter(Path(url.removeprefix("sqlite:")))
        return
    connection = await asyncpg.connect(url)
    yield PostgresMeter(connection)
    await connection.close()


def _service(url: str, clock: Clock) -> DefaultSessionService:
    # Counting tens of gigabytes takes longer than a request may.
    return DefaultSessionService.from_url(url, keys=[KEY], sweep_seconds=None, clock=clock, limit_seconds=3600)


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
    digests = [digest_of_row(random.randrange(rows)) for _ in range(loads)]
    times = []
    for digest in digests:
        started = perf_counter()
        assert await store.load(digest) is not None
        times.append(perf_counter() - started)
    return median(times) * 1000


# Expiring.


async def _stall(service: DefaultSessionService, clock: Clock, *, most: int) -> tuple[float, dict[str, object]]:
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
    longest_ms = round(max(times) * 1000, 1)
    return longest_ms, {
        "longest save ms": longest_ms,
        "save p99 ms as they expire": round(percentile(times, 0.99) * 1000, 1),
        "longest save ms before": round(max(before) * 1000, 1),
        "rows deleted/s": round(deleted / taken),
        "load average as they expire": load_average(),
    }


async def _sweep(service: DefaultSessionService, most: int) -> int:
    """Sweep until all expired rows, or *most* of them, are deleted, or the time is over; return their number."""
    sweeping = asyncio.create_task(service.sweep())
    ends_at = perf_counter() + LONGEST_SWEEP_SECONDS
    while not sweeping.done() and service.counters.swept < most and perf_counter() < ends_at:
        await asyncio.wait([sweeping], timeout=0.1)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    return service.counters.swept
