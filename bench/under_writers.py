"""Load latency on SQLite while eight writers save: bodhi's connections, compared with one shared connection.

A shared connection has one transaction for all its users, so the comparison is with coroutines that hold a lock.
Without a lock, which is reported too, loads see uncommitted data, and a commit includes the unfinished work of others:
seven of eight commits then have nothing to write.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import cycle
from statistics import median
from time import perf_counter

from bench.environment import Environment, Figures, log_progress, percentile
from bench.session_data import KEY, session_data
from bench.storages import SharedConnectionStorage, open_shared_connection
from bodhi.session import DefaultSessionService

WRITERS = 8
SESSIONS = 500
READER_PAUSE_SECONDS = 0.001  # a few hundred loads per second, which wait for writers rather than for each other

Call = Callable[[int], Awaitable[object]]


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the 99th percentile of loads, and that of one shared connection."""
    log_progress("  SQLite loads beside 8 writers")
    with environment.on_server_core():
        asyncio.run(_measure(environment, figures))


async def _measure(environment: Environment, figures: Figures) -> None:
    rounds, seconds = (3, 1.0) if environment.quick else (5, 3.0)
    separate: list[float] = []
    shared: list[float] = []
    mixed: list[float] = []
    async with AsyncExitStack() as stack:
        load, save = await _bodhi(environment, stack)
        get, put = await _one_connection(environment, stack)
        lock = asyncio.Lock()
        for _ in range(rounds):
            separate.append(await _p99_ms(load, save, seconds))
            shared.append(await _p99_ms(_with_lock(get, lock), _with_lock(put, lock), seconds))
            mixed.append(await _p99_ms(get, put, seconds))
    figures.values["load p99 sqlite"] = median(separate)
    figures.tables["SQLite loads beside 8 writers"] = [
        {"connections": "bodhi: a writer and readers", "load p99 ms": round(median(separate), 2)},
        {"connections": "one shared, with a lock", "load p99 ms": round(median(shared), 2)},
        {"connections": "one shared, without a lock", "load p99 ms": round(median(mixed), 2)},
    ]


def _with_lock(call: Call, lock: asyncio.Lock) -> Call:
    async def locked_call(number: int) -> object:
        async with lock:
            return await call(number)

    return locked_call


async def _p99_ms(load: Call, save: Call, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    times = []

    async def write(writer: int) -> None:
        for number in cycle(range(writer, SESSIONS // 2, WRITERS)):
            if loop.time() > end:
                return
            await save(number)

    async def read() -> None:
        for number in cycle(range(SESSIONS // 2, SESSIONS)):
            if loop.time() > end:
                return
            started = perf_counter()
            await load(number)
            times.append(perf_counter() - started)
            await asyncio.sleep(READER_PAUSE_SECONDS)

    await asyncio.gather(read(), *(write(writer) for writer in range(WRITERS)))
    return percentile(times, 0.99) * 1000


async def _bodhi(environment: Environment, stack: AsyncExitStack) -> tuple[Call, Call]:
    url = f"sqlite:{environment.sqlite_file('under_writers')}"
    service = await stack.enter_async_context(DefaultSessionService.from_url(url, keys=[KEY]))
    created = [await service.create(session_data(number)) for number in range(SESSIONS)]
    ids = [session_id for session_id, _ in created]
    sessions = [session for _, session in created]

    async def load(number: int) -> object:
        return await service.load(ids[number])

    async def save(number: int) -> None:
        session = sessions[number]
        data = {**session.data, "visits": session.data["visits"] + 1}
        saved = await service.save(session, data)
        assert saved is not None
        sessions[number] = saved

    return load, save


async def _one_connection(environment: Environment, stack: AsyncExitStack) -> tuple[Call, Call]:
    connection = await open_shared_connection(str(environment.sqlite_file("shared_connection")))
    stack.push_async_callback(connection.close)
    await connection.execute(SharedConnectionStorage.TABLE)
    storage = SharedConnectionStorage(connection)
    text = "x" * 1024
    for number in range(SESSIONS):
        await connection.execute(storage.PUT, (str(number), text))
    await connection.commit()

    async def save(number: int) -> None:
        await storage.put(str(number), text)

    async def load(number: int) -> object:
        return await storage.get(str(number))

    return load, save
