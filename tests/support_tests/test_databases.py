"""The search order for a PostgreSQL server, and the error without one."""

import socketserver
import threading
from collections.abc import Iterator

import asyncpg
import pytest

from support import databases
from support.binaries import BINARIES_VARIABLE, NoPostgres, find_binaries
from support.databases import URL_VARIABLE, Databases, find_postgres, with_database
from support.ports import free_port
from support.postgres import PostgresServer


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configured server and without a compose service."""
    find_binaries()  # is remembered, so that the servers of this run stay the chosen ones
    for variable in (URL_VARIABLE, BINARIES_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(databases, "dotenv_values", lambda _: {})
    monkeypatch.setattr(databases, "COMPOSE_URL", f"postgresql://bodhi_test:kx7-password@127.0.0.1:{free_port()}/x")


class SpeaksHttp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(1)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture
def something_else() -> Iterator[int]:
    """The port of a server other than PostgreSQL."""
    with socketserver.TCPServer(("127.0.0.1", 0), SpeaksHttp) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_the_named_server_comes_first(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that a variable names is used even if the compose service answers."""
    monkeypatch.setenv(URL_VARIABLE, postgres_server.url())
    monkeypatch.setattr(databases, "COMPOSE_URL", postgres_server.url("template1"))

    assert postgres_server.url() == find_postgres().url


def test_the_compose_service_comes_second(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on the compose service's port that takes our password is used."""
    monkeypatch.setattr(databases, "COMPOSE_URL", postgres_server.url())

    assert postgres_server.url() == find_postgres().url


def test_named_binaries_go_before_the_compose_service(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who chooses a version gets it, though another server runs."""
    monkeypatch.setenv(BINARIES_VARIABLE, str(find_binaries()))
    monkeypatch.setattr(databases, "COMPOSE_URL", postgres_server.url())

    found = find_postgres()

    assert found.origin.startswith("own server")
    found.close()


def test_foreign_postgres_on_the_compose_port_is_ignored(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PostgreSQL that refuses our password belongs to somebody else."""
    monkeypatch.setattr(databases, "COMPOSE_URL", postgres_server.url().replace(":kx7-password@", ":other@"))

    found = find_postgres()
    found.close()

    assert found.origin.startswith("own server")


def test_non_postgres_server_on_the_compose_port_is_ignored(
    something_else: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever answers there without being a PostgreSQL is passed over."""
    monkeypatch.setattr(databases, "COMPOSE_URL", f"postgresql://bodhi_test:kx7-password@127.0.0.1:{something_else}/x")
    monkeypatch.setattr(databases, "_own_server", lambda: "own")

    assert "own" == find_postgres()  # type: ignore[comparison-overlap]


def test_a_named_server_that_does_not_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests do not quietly run on another server than was asked for."""
    monkeypatch.setenv(URL_VARIABLE, f"postgresql://user:secret@127.0.0.1:{free_port()}/x")

    with pytest.raises(NoPostgres, match=URL_VARIABLE) as fault:
        find_postgres()
    assert "secret" not in str(fault.value)


async def test_dropping_a_database_closes_its_connections(postgres_databases: Databases) -> None:
    """A connection that a test left open does not keep the database."""
    url = postgres_databases.create()
    left_open = await asyncpg.connect(url, timeout=300)

    postgres_databases.drop(url)

    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(url, timeout=300)
    left_open.terminate()


def test_with_database_keeps_parameters() -> None:
    """Only the database's name changes."""
    assert "postgresql://u:p@h:1/new?a=b" == with_database("postgresql://u:p@h:1/old?a=b", "new")
