"""The disk is full: writes are refused, nothing is lost, and all works when there is space again."""

import time
from collections.abc import Callable, Iterator, Sequence

import psutil
import pytest

from resilience.conftest import StartApp
from resilience.outage import LIMIT_SECONDS, expect_all_works, expect_good_manners
from resilience.small_disks import SmallDisk, small_disk
from resilience.test_kill import expect_sound
from resilience.visitors import Visitor, all_answers, answered, under_load, visitors
from support.postgres import PostgresServer

VISITORS = 8
MUCH_BYTES = 20_000


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    """A disk that nobody else uses."""
    with small_disk() as disk:
        yield disk


async def write_much(visitor: Visitor) -> None:
    """Saves a session that takes several pages."""
    await visitor.write(size=MUCH_BYTES)


async def live_through(crowd: Sequence[Visitor], fill: Callable[[], object], free: Callable[[], object]) -> None:
    """Everybody reads and writes, while the disk is full and afterwards; fails unless all goes as it has to."""
    for visitor in crowd:
        assert 200 == (await visitor.login()).status
        visitor.answers.clear()
    async with under_load(crowd, [Visitor.plain, Visitor.read, write_much]):
        await answered(crowd, since=0, status=200)
        fill()
        await answered(crowd, since=time.monotonic(), status=503, paths=["/write"])
        await answered(crowd, since=time.monotonic(), status=503, paths=["/write"])
        free()
        await answered(crowd, since=time.monotonic(), status=200)
    expect_good_manners(all_answers(crowd), limit_seconds=LIMIT_SECONDS)
    await expect_all_works(crowd)


async def test_sqlite_goes_on_when_there_is_space_again(disk: SmallDisk, start_app: StartApp) -> None:
    """The same process serves the same cookies."""
    app = await start_app(f"sqlite:{disk.folder}/session.sqlite", limit_seconds=LIMIT_SECONDS)
    async with visitors(app.base_url, VISITORS) as crowd:
        await live_through(crowd, lambda: disk.fill([app.pid]), lambda: disk.free([app.pid]))
        assert {200} == {answer.status for answer in all_answers(crowd) if answer.path == "/read"}


async def test_sqlite_killed_on_a_full_disk_loses_nothing(disk: SmallDisk, start_app: StartApp) -> None:
    """What was answered 200 before the disk was full is there after a kill and a start."""
    url = f"sqlite:{disk.folder}/session.sqlite"
    app = await start_app(url, limit_seconds=LIMIT_SECONDS)
    async with visitors(app.base_url, VISITORS) as crowd:
        async with under_load(crowd, [write_much]):
            await answered(crowd, since=0, status=200, paths=["/write"])
            disk.fill([app.pid])
            await answered(crowd, since=time.monotonic(), status=503, paths=["/write"])
            app.kill()
        disk.free([])
        expect_sound(url)
        again = await start_app(url)
        for visitor in crowd:
            visitor.base_url = again.base_url
        await expect_all_works(crowd)


@pytest.mark.parametrize("full", ["tables", "log"])
async def test_postgres_goes_on_when_there_is_space_again(full: str, disk: SmallDisk, start_app: StartApp) -> None:
    """A table that cannot grow is an error; a log that cannot be written ends the server, until it is started again."""
    # Written in advance, the log's files have their space; otherwise they are the first to be without.
    settings = {"wal_init_zero": "on" if full == "tables" else "off"}
    with PostgresServer.start(disk.folder / "data", settings=settings) as server:

        def fill() -> None:
            disk.fill(pids_of(server), largest_file_bytes=17 * 1024**2 if full == "tables" else 4096)

        def free() -> None:
            disk.free(pids_of(server))
            if full == "log":
                server.restart()

        app = await start_app(server.url(), limit_seconds=LIMIT_SECONDS)
        async with visitors(app.base_url, VISITORS) as crowd:
            await live_through(crowd, fill, free)
        assert full == "log" or server.is_running


def pids_of(server: PostgresServer) -> list[int]:
    """The process ids of the server, none where it has ended."""
    try:
        main = psutil.Process(int((server.data_dir / "postmaster.pid").read_text().split()[0]))
        return [process.pid for process in (main, *main.children(recursive=True))]
    except (FileNotFoundError, psutil.NoSuchProcess):
        return []
