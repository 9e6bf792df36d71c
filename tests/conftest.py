"""The databases that tests run on, and a surrounding that holds nothing of the machine's.

A test that takes ``database_url`` runs once on each database; ``postgres_url`` and ``sqlite_url`` are for what only one
of them has. Every database is empty, and its test's alone. ``--database`` chooses; ``make test`` takes both.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bodhi
from support.binaries import NoPostgres
from support.databases import EMPTY, Databases, RunningPostgres, find_postgres
from support.leaks import Leaks, watched
from support.patience import be_patient
from support.pgbouncer import PgBouncer
from support.postgres import PostgresServer
from support.replication import ReplicationPair

DIALECTS = ("sqlite", "postgres")
# The fixtures that need one database. A test that names one of them runs only where that database is chosen; one that
# names some of both runs only with both.
FIXTURES_OF = {
    "sqlite": {"sqlite_url"},
    "postgres": {
        "postgres_url",
        "postgres_databases",
        "postgres_server",
        "replication_pair",
        "pgbouncer_url",
        "start_postgres",
    },
}
# Set where the tests are about an installed wheel.
_WHEEL_VARIABLE = "BODHI_TEST_WHEEL"
_CHECKOUT = Path(__file__).resolve().parents[1]
_SERVER = pytest.StashKey[RunningPostgres | NoPostgres]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--database`` and ``--event-loop``."""
    parser.addoption("--database", choices=(*DIALECTS, "both"), default="both", help="databases to test on")
    parser.addoption("--event-loop", choices=("asyncio", "uvloop"), default="asyncio", help="event loop of async tests")


def pytest_configure(config: pytest.Config) -> None:
    """Makes sure that the right bodhi is tested, without the settings of whoever runs the tests."""
    if _WHEEL_VARIABLE in os.environ and Path(bodhi.__file__).parent == _CHECKOUT / "bodhi":
        raise pytest.UsageError(f"{_WHEEL_VARIABLE} asks for an installed bodhi, but {bodhi.__file__} is in the way")
    for name in [name for name in os.environ if name.startswith("BODHI_") and not name.startswith("BODHI_TEST_")]:
        del os.environ[name]
    be_patient()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tells a new worker which PostgreSQL server to use, after starting it for the first worker."""
    server = _server(node.config)  # type: ignore[attr-defined]
    told = [server.url, server.origin] if isinstance(server, RunningPostgres) else str(server)
    node.workerinput["postgres"] = told  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the PostgreSQL server if it was started here."""
    if isinstance(server := config.stash.get(_SERVER, None), RunningPostgres):
        server.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which PostgreSQL the tests ran on."""
    if isinstance(server := config.stash.get(_SERVER, None), RunningPostgres):
        terminalreporter.write_line(f"PostgreSQL: {server.origin}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what only another database has, and marks what needs PgBouncer (before ``-m`` looks at marks)."""
    chosen = _chosen(config)
    unwanted = {name for dialect in DIALECTS if dialect not in chosen for name in FIXTURES_OF[dialect]}
    left_out = [item for item in items if unwanted.intersection(_fixtures_of(item))]
    for item in items:
        if "pgbouncer_url" in _fixtures_of(item):
            item.add_marker("pgbouncer")
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for ``dialect``, itself or through a fixture, once on each chosen database."""
    if "dialect" in metafunc.fixturenames:
        metafunc.parametrize("dialect", _chosen(metafunc.config))


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
    """Fail a test that gets a database by `getfixturevalue` which neither its fixtures nor its `dialect` announce.

    A run on the other database alone would collect that test, and have no such database for it.
    """
    item, name = request.node, fixturedef.argname
    dialect = next((dialect for dialect in DIALECTS if name in FIXTURES_OF[dialect]), None)
    # Fixtures of a wider scope are no single test's.
    if dialect is None or not isinstance(item, pytest.Item) or name in _fixtures_of(item):
        return
    if getattr(item, "callspec", None) is None or item.callspec.params.get("dialect") != dialect:  # type: ignore[attr-defined]
        pytest.fail(f"{name} is needed only where this test runs on {dialect}: name it as a parameter", pytrace=False)


@pytest.fixture(autouse=True)
def leaks() -> Iterator[Leaks]:
    """What the test logs, in which there must be no secret."""
    with watched() as leaks:
        yield leaks
    if found := leaks.found():
        pytest.fail("secrets were logged:\n" + "\n".join(found), pytrace=False)


@pytest.fixture(autouse=True)
def surrounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home and working directory: no ``~/.bodhi`` and no ``.env`` but the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database on SQLite, then of one on PostgreSQL."""
    url: str = request.getfixturevalue(f"{dialect}_url")
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:{tmp_path / 'session.sqlite'}"


@pytest.fixture
def postgres_template() -> str:
    """What a test's PostgreSQL database is a copy of; a folder whose tests all need the tables overrides it."""
    return EMPTY


@pytest.fixture
def postgres_url(postgres_databases: Databases, postgres_template: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    url = postgres_databases.create(postgres_template)
    yield url
    postgres_databases.drop(url)


@pytest.fixture(scope="session")
def postgres_databases(pytestconfig: pytest.Config) -> Iterator[Databases]:
    """What makes databases on the PostgreSQL server of this run."""
    server = _server(pytestconfig)
    if isinstance(server, NoPostgres):
        pytest.fail(str(server), pytrace=False)
    databases = Databases(server.url)
    yield databases
    databases.close()


@pytest.fixture
def start_postgres() -> Callable[..., PostgresServer]:
    """What starts PostgreSQL servers of the test's own, for the test to end."""
    return PostgresServer.start


@pytest.fixture
def postgres_server(start_postgres: Callable[..., PostgresServer]) -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own, to be stopped, killed and restarted."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def replication_pair() -> Iterator[ReplicationPair]:
    """A primary and its streaming standby, of the test's own."""
    with ReplicationPair.start() as pair:
        yield pair


@pytest.fixture
def pgbouncer_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database behind PgBouncer in transaction mode."""
    with PgBouncer.start(postgres_url) as pgbouncer:
        yield pgbouncer.url


def _chosen(config: pytest.Config) -> tuple[str, ...]:
    chosen: str = config.getoption("--database")
    return DIALECTS if chosen == "both" else (chosen,)


def _fixtures_of(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _server(config: pytest.Config) -> RunningPostgres | NoPostgres:
    """The server of this run, looked for or started on the first call; a worker takes what it was told."""
    if _SERVER not in config.stash:
        told = getattr(config, "workerinput", {}).get("postgres")
        if "postgres" not in _chosen(config):
            told = "--database sqlite leaves it out"
        if isinstance(told, str):
            config.stash[_SERVER] = NoPostgres(told)
        elif told:
            config.stash[_SERVER] = RunningPostgres(*told)
        else:
            try:
                config.stash[_SERVER] = find_postgres()
            except NoPostgres as error:
                config.stash[_SERVER] = error
    return config.stash[_SERVER]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that async tests run on."""
    if config.getoption("--event-loop") == "uvloop" and item.get_closest_marker("asyncio_loop") is None:
        import uvloop

        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
