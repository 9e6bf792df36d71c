"""How long loads take on SQLite while eight writers save: bodhi's connections, beside one that all share.

Who shares a connection shares its transaction too, so the comparison is with coroutines that take turns. Without turns,
which is shown as well, loads see what is not committed, and a commit takes along what others have half done: seven of
eight commits then have nothing left to write to the disk.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import cycle
from statistics import median
from time import perf_counter

from bench.session_data import KEY, session_data
from bench.storages import SharedConnectionStorage, open_shared_connection
from bench.environment import Figures, Surroundings, percentile, say
from bodhi.session import DefaultSessionService

WRITERS = 8
SESSIONS = 500
READER_PAUSE_SECONDS = 0.001  # a few hundred loads a second, which wait for writers rather than for each other

Call = Callable[[int], Awaitable[object]]


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fill in the 99th percentile of loads, and those of one shared connection beside it."""
    say("  SQLite loads beside 8 writers")
    with surroundings.on_server_core():
        asyncio.run(_measure(surroundings, figures))


async def _measure(surroundings: Surroundings, figures: Figures) -> None:
    rounds, seconds = (3, 1.0) if surroundings.quick else (5, 3.0)
    ours: list[float] = []
    shared: list[float] = []
    mixed: list[float] = []
    async with AsyncExitStack() as stack:
        load, save = await _bodhi(surroundings, stack)
        get, put = await _one_connection(surroundings, stack)
        turn = asyncio.Lock()
        for _ in range(rounds):
            ours.append(await _p99_ms(load, save, seconds))
            shared.append(await _p99_ms(_in_turn(get, turn), _in_turn(put, turn), seconds))
            mixed.append(await _p99_ms(get, put, seconds))
    figures.values["load p99 sqlite"] = median(ours)
    figures.tables["SQLite loads beside 8 writers"] = [
        {"connections": "bodhi: a writer and readers", "load p99 ms": round(median(ours), 2)},
        {"connections": "one for everybody, in turn", "load p99 ms": round(median(shared), 2)},
        {"connections": "one for everybody, transactions mixed up", "load p99 ms": round(median(mixed), 2)},
    ]


def _in_turn(call: Call, turn: asyncio.Lock) -> Call:
    async def called(number: int) -> object:
        async with turn:
            return await call(number)

    return called


async def _p99_ms(load: Call, save: Call, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    times = []

    async def write(writer: int) -> None:
        for turn in cycle(range(writer, SESSIONS // 2, WRITERS)):
            if loop.time() > end:
                return
            await save(turn)

    async def read() -> None:
        for turn in cycle(range(SESSIONS // 2, SESSIONS)):
            if loop.time() > end:
                return
            started = perf_counter()
            await load(turn)
            times.append(perf_counter() - started)
            await asyncio.sleep(READER_PAUSE_SECONDS)

    await asyncio.gather(read(), *(write(writer) for writer in range(WRITERS)))
    return percentile(times, 0.99) * 1000


async def _bodhi(surroundings: Surroundings, stack: AsyncExitStack) -> tuple[Call, Call]:
    url = f"sqlite:{surroundings.sqlite_file('under_writers')}"
    service = await stack.enter_async_context(DefaultSessionService.from_url(url, keys=[KEY]))
    created = [await service.create(session_data(number)) for number in range(SESSIONS)]
    ids = [session_id for session_id, _ in created]
    sessions = [session for _, session in created]

    async def load(turn: int) -> object:
        return await service.load(ids[turn])

    async def save(turn: int) -> None:
        session = sessions[turn]
        data = {**session.data, "visits": session.data["visits"] + 1}
        saved = await service.save(session, data)
        assert saved is not None
        sessions[turn] = saved

    return load, save


async def _one_connection(surroundings: Surroundings, stack: AsyncExitStack) -> tuple[Call, Call]:
    connection = await open_shared_connection(str(surroundings.sqlite_file("shared_connection")))
    stack.push_async_callback(connection.close)
    await connection.execute(SharedConnectionStorage.TABLE)
    storage = SharedConnectionStorage(connection)
    text = "x" * 1024
    for turn in range(SESSIONS):
        await connection.execute(storage.PUT, (str(turn), text))
    await connection.commit()

    async def save(turn: int) -> None:
        await storage.put(str(turn), text)

    async def load(turn: int) -> object:
        return await storage.get(str(turn))

    return load, save
