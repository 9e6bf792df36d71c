"""The files of a SQLite database: permissions, and access by two processes."""

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from bodhi.database import CannotOpen, Schema, open_database, sqlite_path
from bodhi.session import DefaultSessionService
from database.processes import outputs_of
from database.rows import insert, row

LIMIT_SECONDS = 2
WRITE = """
import asyncio
from bodhi.session import DefaultSessionService

async def main(url):
    async with DefaultSessionService.from_url(url, keys=["k" * 32], limit_seconds=60) as service:
        ready()
        session_id, _ = await service.create({"own": 0})
        for number in range(50):
            await service.create({"number": number})
            session = await service.load(session_id)
            session.data["own"] += 1
            await service.save(session, session.data)
        print((await service.load(session_id)).data["own"])

asyncio.run(main(sys.argv[1]))
"""

COUNT = """
import sqlite3

connection = sqlite3.connect(sys.argv[1].removeprefix("sqlite:"))
ready()
print(connection.execute("SELECT count(*) FROM bodhi_session").fetchall()[0][0])
connection.close()
"""


@pytest.fixture
def open_umask():
    """An empty umask, so that the files are protected by bodhi only."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    """Return the permissions of *path*."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_umask")
async def test_files_and_a_new_folder_are_accessible_to_their_owner_only(tmp_path):
    """Database, log and shared memory 0600, the folder 0700."""
    folder = tmp_path / "new"
    async with open_database(f"sqlite:{folder}/session.sqlite") as database:
        await Schema(database, "session").migrate()
        await insert(database, "a")

        assert 0o700 == mode_of(folder)
        names = ["session.sqlite", "session.sqlite-shm", "session.sqlite-wal"]
        assert dict.fromkeys(names, 0o600) == {file.name: mode_of(file) for file in sorted(folder.iterdir())}


@pytest.mark.usefixtures("open_umask")
async def test_existing_folder_keeps_its_permissions(tmp_path):
    """It may be shared on purpose."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)

    async with open_database(f"sqlite:{folder}/session.sqlite"):
        assert 0o755 == mode_of(folder)
        assert 0o600 == mode_of(folder / "session.sqlite")


async def test_a_relative_path_is_below_the_working_directory(tmp_path, monkeypatch):
    """Not below the program's own folder."""
    monkeypatch.chdir(tmp_path)

    async with open_database("sqlite:session.sqlite"):
        assert (tmp_path / "session.sqlite").is_file()


async def test_a_path_with_odd_characters_is_taken_as_it_is(tmp_path):
    """Nothing in it is a parameter to SQLite."""
    name = "ü 100% ? # &mode=ro.sqlite"

    async with open_database(f"sqlite:{tmp_path}/{name.replace('%', '%25').replace('?', '%3F').replace('#', '%23')}"):
        assert name in {file.name for file in tmp_path.iterdir()}


async def test_folder_that_cannot_be_created_is_reported(tmp_path):
    """One line names the path and the cause."""
    (tmp_path / "file").touch()

    with pytest.raises(CannotOpen, match=r"file/below/session\.sqlite: Not a directory"):
        await open_database(f"sqlite:{tmp_path}/file/below/session.sqlite").__aenter__()


async def test_deleted_data_is_overwritten(tmp_path):
    """What was deleted cannot be read from the file's free pages."""
    path = tmp_path / "session.sqlite"
    async with open_database(f"sqlite:{path}") as database:
        await Schema(database, "session").migrate()
        await database.maybe("create_session", **row("q", data=b"s" * 32))
        await database.maybe("delete_session", digest=b"q" * 32, now=None)

    assert b"s" * 32 not in path.read_bytes()


async def test_two_processes_write_to_one_file(sqlite_url):
    """They take turns: nobody fails, nothing is lost, and the file is sound."""
    outputs = await outputs_of(2, WRITE, sqlite_url)

    assert ["50\n", "50\n"] == outputs
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:"))
    assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    assert [(102,)] == connection.execute("SELECT count(*) FROM bodhi_session").fetchall()
    connection.close()


async def test_short_lived_process_loses_no_writes_of_others(sqlite_url):
    """Nor does it when two connect to one file here, as a server does by default."""
    async with open_database(sqlite_url) as database, open_database(sqlite_url):
        await Schema(database, "session").migrate()
        before = await outputs_of(1, COUNT, sqlite_url)
        await insert(database, "a")

        assert [["0\n"], ["1\n"]] == [before, await outputs_of(1, COUNT, sqlite_url)]


async def test_write_ahead_log_is_checkpointed_regularly(tmp_path):
    """Everybody waits meanwhile: for a megabyte of it, not for four."""
    path = tmp_path / "session.sqlite"
    async with open_database(f"sqlite:{path}") as database:
        await Schema(database, "session").migrate()
        for number in range(600):
            await database.maybe("create_session", **row("", digest=number.to_bytes(32), data=b"x" * 4000))

        assert 2_400_000 < path.stat().st_size
        assert 1_500_000 > path.with_name("session.sqlite-wal").stat().st_size


@pytest.mark.parametrize("writes", ["create", "save", "atomically"])
async def test_a_process_that_writes_all_the_time_lets_others_in(sqlite_url, writes):
    """It leaves the lock for moments only, and asking ever more seldom would miss them until the time is up."""
    async with DefaultSessionService.from_url(sqlite_url, keys=["k" * 32], limit_seconds=LIMIT_SECONDS) as service:
        _, session = await service.create({"n": 0})
        attempts = {
            "create": lambda: service.create({"n": 1}),
            "save": lambda: service.save(session, {"n": os.urandom(4).hex()}),
            "atomically": lambda: service.atomically(session.record.digest, lambda data, _: data.update(n=2)),
        }
        done = threading.Event()
        writer = threading.Thread(target=_write_all_the_time, args=(sqlite_path(sqlite_url), done))
        writer.start()
        try:
            for _ in range(30):
                await attempts[writes]()
        finally:
            done.set()
            await asyncio.to_thread(writer.join)


def _write_all_the_time(path, done):
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("CREATE TABLE other (n INTEGER)")
    while not done.is_set():
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO other VALUES (1)")
        done.wait(0.1)
        connection.execute("COMMIT")
        done.wait(0.005)
    connection.close()
