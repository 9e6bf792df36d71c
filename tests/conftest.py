"""Test databases, and an environment isolated from the machine's.

A test that takes ``database_url`` runs once on each database; ``postgres_url`` and ``sqlite_url`` are for features of
one database. Each test gets an empty database. ``--database`` selects the databases; ``make test`` uses both.
"""

import asyncio
import gc
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from aiohttp import web_app

import bodhi
from support.binaries import NoPostgres
from support.databases import EMPTY, Databases, RunningPostgres, find_postgres, migrate
from support.leaks import Leaks, watched
from support.patience import be_patient
from support.pgbouncer import PgBouncer
from support.postgres import PARTITIONS_VARIABLE, PostgresServer
from support.replication import ReplicationPair
from support.supervisor import place_for_folders
from support.time_limit import time_limit

DIALECTS = ("sqlite", "postgres")
# The fixtures that need a specific database. A test that uses one runs only if that database is selected; a test that
# uses fixtures of both runs only with both.
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
# Set if the tests run against an installed wheel.
_WHEEL_VARIABLE = "BODHI_TEST_WHEEL"
_CHECKOUT = Path(__file__).resolve().parents[1]
_SERVER = pytest.StashKey[RunningPostgres | NoPostgres]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--database``, ``--partitions``, ``--event-loop`` and ``--time-limit``."""
    parser.addoption("--database", choices=(*DIALECTS, "both"), default="both", help="databases to test on")
    parser.addoption("--partitions", type=int, help="hash partitions of every session table on PostgreSQL")
    parser.addoption("--event-loop", choices=("asyncio", "uvloop"), default="asyncio", help="event loop of async tests")
    parser.addoption("--time-limit", type=float, default=300.0, help="seconds that a test may take; 0 is no limit")


def pytest_configure(config: pytest.Config) -> None:
    """Check that the right bodhi is tested, and remove the settings of the user's environment."""
    if _WHEEL_VARIABLE in os.environ and Path(bodhi.__file__).parent == _CHECKOUT / "bodhi":
        raise pytest.UsageError(f"{_WHEEL_VARIABLE} requires an installed bodhi, but {bodhi.__file__} shadows it")
    for name in [name for name in os.environ if name.startswith("BODHI_") and not name.startswith("BODHI_TEST_")]:
        del os.environ[name]
    if partitions := config.getoption("--partitions"):
        os.environ[PARTITIONS_VARIABLE] = str(partitions)
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", place_for_folders())  # every commit of SQLite would wait for a disk
    os.environ.setdefault("PGSSLMODE", "disable")  # to ask whether there is TLS takes a third of a connection's time
    # Every process that imports aiohttp would read all authorities, a fifth of its time; those in folders are found.
    os.environ.setdefault("SSL_CERT_FILE", os.devnull)
    be_patient()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Pass the PostgreSQL server to a new worker, and start it for the first worker."""
    server = _server(node.config)  # type: ignore[attr-defined]
    address = [server.url, server.origin] if isinstance(server, RunningPostgres) else str(server)
    node.workerinput["postgres"] = address  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the PostgreSQL server if it was started here."""
    if isinstance(server := config.stash.get(_SERVER, None), RunningPostgres):
        server.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print which PostgreSQL server the tests used."""
    if isinstance(server := config.stash.get(_SERVER, None), RunningPostgres):
        terminalreporter.write_line(f"PostgreSQL: {server.origin}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is not asked for, and mark tests that need PgBouncer (before ``-m`` is evaluated)."""
    chosen = _selected_dialects(config)
    unwanted = {name for dialect in DIALECTS if dialect not in chosen for name in FIXTURES_OF[dialect]}
    partitions = config.getoption("--partitions")  # which change nothing for tests without PostgreSQL
    left_out = [
        item
        for item in items
        if unwanted.intersection(_fixture_names(item)) or (partitions and not _uses_postgres(item))
    ]
    for item in items:
        if "pgbouncer_url" in _fixture_names(item):
            item.add_marker("pgbouncer")
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep modules and collected tests out of every search for garbage: a tenth of the time of all tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(100_000)
        gc.enable()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses ``dialect``, directly or through a fixture, once on each selected database."""
    if "dialect" in metafunc.fixturenames:
        metafunc.parametrize("dialect", _selected_dialects(metafunc.config))


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
    """Fail a test that requests a database by `getfixturevalue` without declaring it as a fixture or by `dialect`.

    A run on the other database only would collect that test without having its database.
    """
    item, name = request.node, fixturedef.argname
    dialect = next((dialect for dialect in DIALECTS if name in FIXTURES_OF[dialect]), None)
    # Fixtures with a wider scope belong to no single test.
    if dialect is None or not isinstance(item, pytest.Item) or name in _fixture_names(item):
        return
    if getattr(item, "callspec", None) is None or item.callspec.params.get("dialect") != dialect:  # type: ignore[attr-defined]
        pytest.fail(f"{name} is used only if this test runs on {dialect}: declare it as a parameter", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Gives a test, with its fixtures, no more than its time; no application outlives it."""
    with time_limit(item.config.getoption("time_limit"), item.nodeid):
        result = yield
    # Of 1,024 handlers aiohttp keeps the applications, hundreds of them, which every search for garbage goes through.
    web_app._cached_build_middleware.cache_clear()
    return result


@pytest.fixture(autouse=True)
def leaks() -> Iterator[Leaks]:
    """Fail the test if it logs a secret."""
    with watched() as leaks:
        yield leaks
    if leaked := leaks.found():
        pytest.fail("secrets were logged:\n" + "\n".join(leaked), pytrace=False)


@pytest.fixture(autouse=True)
def isolated_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty home and working directory, without the user's ``~/.bodhi`` and ``.env``."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; the test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(f"{dialect}_url")
    return url


@pytest.fixture
def has_tables() -> bool:
    """Whether a test's database has all tables from the start; overridden in folders whose tests need them."""
    return False


@pytest.fixture
def sqlite_url(tmp_path: Path, has_tables: bool, request: pytest.FixtureRequest) -> str:
    """The URL of a SQLite database that does not exist yet, or has its tables and nothing in them."""
    path = tmp_path / "session.sqlite"
    if has_tables:
        shutil.copy(request.getfixturevalue("migrated_file"), path)
    return f"sqlite:{path}"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with all tables; copying it takes a third of the time of creating them."""
    path = tmp_path_factory.mktemp("migrated") / "session.sqlite"
    asyncio.run(migrate(f"sqlite:{path}"))
    return path


@pytest.fixture
def postgres_url(postgres_databases: Databases, has_tables: bool) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, or of one that has its tables and nothing in them."""
    with postgres_databases.reused() if has_tables else postgres_databases.created(EMPTY) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_databases(pytestconfig: pytest.Config) -> Iterator[Databases]:
    """Creates databases on the PostgreSQL server of this run."""
    server = _server(pytestconfig)
    if isinstance(server, NoPostgres):
        pytest.fail(str(server), pytrace=False)
    databases = Databases(server.url)
    yield databases
    databases.close()


@pytest.fixture
def start_postgres() -> Callable[..., PostgresServer]:
    """Starts separate PostgreSQL servers, which the test must stop."""
    return PostgresServer.start


@pytest.fixture
def postgres_server(start_postgres: Callable[..., PostgresServer]) -> Iterator[PostgresServer]:
    """A separate PostgreSQL server, which the test may stop, kill and restart."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def replication_pair() -> Iterator[ReplicationPair]:
    """A separate primary and its streaming standby."""
    with ReplicationPair.start() as pair:
        yield pair


@pytest.fixture
def pgbouncer_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database behind PgBouncer in transaction mode."""
    with PgBouncer.start(postgres_url) as pgbouncer:
        yield pgbouncer.url


def _selected_dialects(config: pytest.Config) -> tuple[str, ...]:
    chosen: str = config.getoption("--database")
    return DIALECTS if chosen == "both" else (chosen,)


def _fixture_names(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _uses_postgres(item: pytest.Item) -> bool:
    names = _fixture_names(item)
    return "dialect" in names or not FIXTURES_OF["postgres"].isdisjoint(names)


def _server(config: pytest.Config) -> RunningPostgres | NoPostgres:
    """Return the server of this run, found or started on the first call; workers get it from the controller."""
    if _SERVER not in config.stash:
        address = getattr(config, "workerinput", {}).get("postgres")
        if "postgres" not in _selected_dialects(config):
            address = "not available with --database sqlite"
        if isinstance(address, str):
            config.stash[_SERVER] = NoPostgres(address)
        elif address:
            config.stash[_SERVER] = RunningPostgres(*address)
        else:
            try:
                config.stash[_SERVER] = find_postgres()
            except NoPostgres as error:
                config.stash[_SERVER] = error
    return config.stash[_SERVER]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the event loop of async tests."""
    if config.getoption("--event-loop") == "uvloop" and item.get_closest_marker("asyncio_loop") is None:
        import uvloop

        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
