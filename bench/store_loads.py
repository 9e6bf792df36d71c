"""Loads through the store, 1, 16 and 64 in flight, compared with raw queries on the same database."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from statistics import median

import asyncpg

from bench.environment import Environment, Figures, Unavailable, log_progress, median_ratio
from bench.session_data import KEY, session_data
from bench.sql_files import statements_of
from bench.storages import open_shared_connection
from bodhi.session import DefaultSessionService

IN_FLIGHT = (1, 16, 64)
SESSIONS = 2000
CONNECTIONS = 10  # bodhi's own default
# A hand-written query for the same result on the same table.
SQLITE_LOAD = "SELECT data, version, expires_at FROM bodhi_session WHERE digest = ? AND expires_at > ?"

Load = Callable[[str], Awaitable[object]]


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the ratios to raw ``fetchrow`` on PostgreSQL and to naive aiosqlite on SQLite."""
    with environment.on_server_core():
        try:
            url = environment.postgres_database("loads")
        except Unavailable as error:
            figures.skipped.append(f"loads through the store on PostgreSQL: not measured without {error}")
        else:
            asyncio.run(_measure("postgres", url, environment, figures))
        path = environment.sqlite_file("loads")
        asyncio.run(_measure("sqlite", f"sqlite:{path}", environment, figures))


async def _measure(dialect: str, url: str, environment: Environment, figures: Figures) -> None:
    rounds, seconds = (3, 0.4) if environment.quick else (7, 1.0)
    log_progress(f"  loads through the store, {dialect}")
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(DefaultSessionService.from_url(url, keys=[KEY]))
        ids = [(await service.create(session_data(number)))[0] for number in range(SESSIONS)]
        store = service.get_session_store()
        candidates: dict[str, Load] = {
            "reference": await (_raw_postgres if dialect == "postgres" else _naive_sqlite)(url, stack),
            "store": lambda session_id: store.load(_digest(session_id)),
            "service": service.load,
        }
        rates: dict[tuple[str, int], list[float]] = {(name, at): [] for name in candidates for at in IN_FLIGHT}
        for _ in range(rounds):
            for at in IN_FLIGHT:
                for name, load in candidates.items():
                    rates[name, at].append(await _rate(load, ids, at, seconds))
    _add_results(dialect, rates, figures)


def _add_results(dialect: str, rates: dict[tuple[str, int], list[float]], figures: Figures) -> None:
    titles = {
        "reference": "raw prepared fetchrow of the same statement" if dialect == "postgres" else "naive aiosqlite",
        "store": "bodhi's store",
        "service": "bodhi's service: the store, with decryption and decoding",
    }
    table = []
    for name, title in titles.items():
        row: dict[str, object] = {"loads": f"{dialect}: {title}"}
        for at in IN_FLIGHT:
            ratio = median_ratio(rates[name, at], rates["reference", at])
            row |= {f"loads/s, {at} in flight": round(median(rates[name, at])), f"x at {at}": round(ratio, 2)}
            if name == "store":
                figures.values[f"load {dialect} {at}"] = ratio
        table.append(row)
    figures.tables.setdefault("Loads", []).extend(table)


async def _rate(load: Load, ids: Sequence[str], in_flight: int, seconds: float) -> float:
    """Return loads per second of *in_flight* concurrent tasks; each loads other sessions, one at a time."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    end = started + seconds

    async def load_all(task: int) -> int:
        done = 0
        while loop.time() < end:
            assert await load(ids[(task + done * in_flight) % len(ids)]) is not None
            done += 1
        return done

    total = sum(await asyncio.gather(*(load_all(task) for task in range(in_flight))))
    return total / (loop.time() - started)


def _digest(session_id: str) -> bytes:
    """Return the key that the session is stored under."""
    return sha256(session_id.encode()).digest()


async def _raw_postgres(url: str, stack: AsyncExitStack) -> Load:
    free: asyncio.LifoQueue[asyncpg.prepared_stmt.PreparedStatement] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        connection = await asyncpg.connect(url)
        stack.push_async_callback(connection.close)
        free.put_nowait(await connection.prepare(statements_of("postgres")["load_session"].sql))

    async def load(session_id: str) -> object:
        statement = await free.get()
        try:
            return await statement.fetchrow(_digest(session_id), None)
        finally:
            free.put_nowait(statement)

    return load


async def _naive_sqlite(url: str, stack: AsyncExitStack) -> Load:
    connection = await open_shared_connection(url.removeprefix("sqlite:"))
    stack.push_async_callback(connection.close)
    connection.row_factory = sqlite3.Row

    async def load(session_id: str) -> object:
        async with connection.execute(SQLITE_LOAD, (_digest(session_id), 0)) as cursor:
            return await cursor.fetchone()

    return load
