"""Full disk: writes fail, nothing is lost, and everything works when space is available."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import asyncpg
import psutil
import pytest

from resilience.clients import Visitor, all_answers, answered, under_load, visitors
from resilience.conftest import StartApp
from resilience.outage import LIMIT_SECONDS, Switch, expect_all_works, expect_good_manners
from resilience.small_disks import SmallDisk, small_disk
from resilience.test_kill import expect_sound
from support.postgres import PostgresServer

VISITORS = 8
MUCH_BYTES = 20_000
LOG_FILE_BYTES = 16 * 1024**2


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    """A separate disk."""
    with small_disk() as disk:
        yield disk


async def write_much(visitor: Visitor) -> None:
    """Save a session of several database pages."""
    await visitor.write(size=MUCH_BYTES)


async def live_through(crowd: Sequence[Visitor], fill: Switch, free: Switch) -> None:
    """Everybody reads and writes, while the disk is full and afterwards; fails unless all goes as it has to."""
    for visitor in crowd:
        assert 200 == (await visitor.login()).status
        visitor.answers.clear()
    async with under_load(crowd, [Visitor.plain, Visitor.read, write_much]):
        await answered(crowd, since=0, status=200)
        await fill()
        await answered(crowd, since=time.monotonic(), status=503, paths=["/write"])
        await answered(crowd, since=time.monotonic(), status=503, paths=["/write"])
        await free()
        await answered(crowd, since=time.monotonic(), status=200)
    expect_good_manners(all_answers(crowd), limit_seconds=LIMIT_SECONDS)
    await expect_all_works(crowd)


async def test_sqlite_recovers_when_space_is_available(disk: SmallDisk, start_app: StartApp) -> None:
    """The same process serves the same cookies."""
    app = await start_app(f"sqlite:{disk.folder}/session.sqlite", limit_seconds=LIMIT_SECONDS)

    async def fill() -> None:
        await asyncio.to_thread(disk.fill, [app.pid])

    async def free() -> None:
        disk.free([app.pid])

    async with visitors(app.base_url, VISITORS) as crowd:
        await live_through(crowd, fill, free)
        assert {200} == {answer.status for answer in all_answers(crowd) if answer.path == "/read"}


async def test_sqlite_killed_on_a_full_disk_loses_nothing(disk: SmallDisk, start_app: StartApp) -> None:
    """What was answered 200 before the disk was full is there after a kill and a start."""
    url = f"sqlite:{disk.folder}/session.sqlite"
    app = await start_app(url, limit_seconds=LIMIT_SECONDS)
    async with visitors(app.base_url, VISITORS) as crowd:
        async with under_load(crowd, [write_much]):
            await answered(crowd, since=0, status=200, paths=["/write"])
            await asyncio.to_thread(disk.fill, [app.pid])
            await answered(crowd, since=time.monotonic(), status=503, paths=["/write"])
            app.kill()
        disk.free([])
        expect_sound(url)
        again = await start_app(url)
        for visitor in crowd:
            visitor.base_url = again.base_url
        await expect_all_works(crowd)


async def test_postgres_recovers_when_tables_can_grow_again(
    disk: SmallDisk, start_app: StartApp, start_postgres: Callable[..., PostgresServer]
) -> None:
    """The server answers each write with an error, and so does the application, until there is space."""
    with start_postgres(disk.folder / "data") as server:

        async def fill() -> None:
            await asyncio.to_thread(disk.fill, pids_of(server), largest_file_bytes=LOG_FILE_BYTES)

        async def free() -> None:
            disk.free(pids_of(server))

        app = await start_app(server.url(), limit_seconds=LIMIT_SECONDS)
        async with visitors(app.base_url, VISITORS) as crowd:
            await live_through(crowd, fill, free)
        assert server.is_running


async def test_postgres_recovers_from_a_crash_on_a_full_disk(
    disk: SmallDisk, start_app: StartApp, start_postgres: Callable[..., PostgresServer]
) -> None:
    """Without space for its log the server dies, and recovers if that leaves it some, or else is started later."""
    with start_postgres(disk.folder / "data") as server:

        async def fill() -> None:
            await asyncio.to_thread(disk.fill, pids_of(server))
            await crash_at_the_end_of_the_log(server)
            await asyncio.to_thread(disk.fill, pids_of(server))

        async def free() -> None:
            disk.free(pids_of(server))
            if not server.is_running:
                await asyncio.to_thread(server.restart)

        app = await start_app(server.url(), limit_seconds=LIMIT_SECONDS)
        async with visitors(app.base_url, VISITORS) as crowd:
            await live_through(crowd, fill, free)


async def crash_at_the_end_of_the_log(server: PostgresServer) -> None:
    """Has the server begin a new file of its log, for which there is no space; returns when it has fallen over that."""
    async with asyncio.timeout(300):
        with suppress(asyncpg.ConnectionDoesNotExistError, ConnectionError):
            connection = await asyncpg.connect(server.url())
            try:
                while True:
                    await connection.execute("SELECT pg_logical_emit_message(true, '', '')")
                    await connection.execute("SELECT pg_switch_wal()")
            finally:
                connection.terminate()
        while server.is_running and not await accepts_connections(server):
            await asyncio.sleep(0.01)


async def accepts_connections(server: PostgresServer) -> bool:
    """Return whether the server runs and has recovered."""
    try:
        await (await asyncpg.connect(server.url())).close()
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def pids_of(server: PostgresServer) -> list[int]:
    """Return the server's process ids, empty after its end."""
    try:
        main = psutil.Process(int((server.data_dir / "postmaster.pid").read_text().split()[0]))
        return [process.pid for process in (main, *main.children(recursive=True))]
    except (FileNotFoundError, psutil.NoSuchProcess):
        return []
