"""PostgreSQL test servers: start, control and cleanup."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import psutil
import pytest

from support.postgres import PostgresServer
from support.replication import ReplicationPair
from support.supervisor import Supervisor

TESTS = Path(__file__).resolve().parents[1]

POOL_SIZE = 3  # of PgBouncer, see support.pgbouncer

StartPostgres = Callable[..., PostgresServer]


async def run(url: str, statement: str) -> object:
    """Run *statement*; return the first value."""
    connection = await asyncpg.connect(url, timeout=300)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_killed_server_comes_back_on_its_port_with_its_data(postgres_server: PostgresServer) -> None:
    """What was committed before SIGKILL is there after a restart, under the same URL."""
    url = postgres_server.url()
    await run(url, "CREATE TABLE kept AS SELECT 7 AS number")

    postgres_server.kill()
    # Refused; or reset, where the dying server still had the connection in its queue.
    with pytest.raises(ConnectionError):
        await run(url, "SELECT 1")
    postgres_server.restart()

    assert 7 == await run(url, "SELECT number FROM kept")


async def test_a_stopped_server_is_stopped_until_restarted(postgres_server: PostgresServer) -> None:
    """Stopping ends open connections and says so; restarting takes a running server down first."""
    connection = await asyncpg.connect(postgres_server.url(), timeout=300)

    await asyncio.to_thread(postgres_server.stop)
    assert not postgres_server.is_running
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()
    postgres_server.restart()
    postgres_server.restart()

    assert 1 == await run(postgres_server.url(), "SELECT 1")


async def test_a_wrong_password_is_refused(postgres_server: PostgresServer) -> None:
    """The servers check passwords, so that tests can give a wrong one."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await run(postgres_server.url().replace(":kx7-password@", ":wrong@"), "SELECT 1")


def test_a_server_that_cannot_start_shows_its_log(start_postgres: StartPostgres) -> None:
    """The error says what PostgreSQL said."""
    with pytest.raises(RuntimeError, match="unrecognized configuration parameter"):
        start_postgres(settings={"no_such_setting": "1"})


async def test_data_directory_can_be_chosen(start_postgres: StartPostgres) -> None:
    """A test may put the data on a file system of its own, which is still there when the server has gone."""
    with Supervisor("place") as owner:
        with start_postgres(owner.folder / "data") as server:
            assert 1 == await run(server.url(), "SELECT 1")
        assert (owner.folder / "data" / "PG_VERSION").exists()


async def test_a_promoted_standby_has_what_the_primary_answered(replication_pair: ReplicationPair) -> None:
    """No commit that was answered is lost with the primary, and the pair's URL leads to the new one."""
    await run(replication_pair.url(), "CREATE TABLE kept AS SELECT 7 AS number")

    replication_pair.fail_over()

    assert 7 == await run(replication_pair.url(), "SELECT number FROM kept")
    assert not await run(replication_pair.url(), "SELECT pg_is_in_recovery()")


async def test_pgbouncer_shares_connections_between_transactions(pgbouncer_url: str) -> None:
    """A client holds one of its three connections to the server while its transaction is open, and no longer."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(POOL_SIZE + 1):
            client = await asyncpg.connect(pgbouncer_url, timeout=300, command_timeout=20, statement_cache_size=0)
            stack.callback(client.terminate)
            clients.append(client)
        *busy, last = clients
        transactions = [client.transaction() for client in busy]
        for transaction in transactions:
            await transaction.start()
        pids = [await client.fetchval("SELECT pg_backend_pid()") for client in busy]
        assert POOL_SIZE == len(set(pids))

        waiting = asyncio.create_task(last.fetchval("SELECT pg_backend_pid()"))
        await transactions[1].commit()
        async with asyncio.timeout(300):
            assert pids[1] == await waiting

        for transaction in (transactions[0], transactions[2]):
            await transaction.commit()


@pytest.mark.usefixtures("start_postgres")
@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "suspended"])
def test_a_server_goes_away_when_its_tests_are_killed(is_stopped: bool) -> None:
    """After kill -9 of the process that started it, a server ends, even a suspended one, and its data is removed."""
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with starter:
        assert starter.stdout is not None
        folder, pid = starter.stdout.readline().split()
        server = psutil.Process(int(pid))
        children = server.children()
        if is_stopped:
            server.suspend()
        starter.kill()

    _, alive = psutil.wait_procs([server, *children], timeout=300)
    assert not alive
    deadline = time.monotonic() + 300
    while Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


_STARTER = """
from support.postgres import PostgresServer
server = PostgresServer.start()
print(server.data_dir.parent, server._pid, flush=True)
input()
"""


def test_an_interrupt_of_the_terminal_does_not_reach_the_server(postgres_server: PostgresServer) -> None:
    """Ctrl-C signals the tests' process group; the server is in another and is ended by the tests in order."""
    pid = int((postgres_server.data_dir / "postmaster.pid").read_text().split()[0])

    assert os.getpgid(pid) != os.getpgrp()
