"""Startup errors: one line with setting and cause, status 2, no traceback."""

import socket
import sqlite3
from urllib.parse import urlsplit

import pytest

from bodhi.database import Schema, open_database
from bodhi.errors import ConfigurationError
from bodhi.run.runner import Runner
from bodhi.run.sockets import bind, share
from bodhi.server.app import create_app
from support.ports import free_port

PASSWORD = "hunter2-correct-horse"


@pytest.fixture
def refused(launch):
    """Return the single stderr line of a server that does not start."""

    def refused(*arguments, **settings):
        # With a key of its own it makes no key file, which would be a line in the log.
        server = launch(*arguments, BODHI_ENCRYPTION_KEY="k" * 32, **settings)
        status = server.popen.wait(300)
        lines = server.stderr.splitlines()
        assert (2, b"", 1) == (status, server.rest_of_stdout(), len(lines)), server.stderr
        assert PASSWORD not in lines[0]
        return lines[0]

    return refused


@pytest.fixture
def refusal_of(make_settings):
    """Return the error raised by an application's startup."""

    async def refusal_of(**environ):
        runner = Runner(create_app(make_settings(**environ)), grace_seconds=1)
        with pytest.raises(ConfigurationError) as caught:
            await runner.setup()
        await runner.cleanup()
        line = str(caught.value)
        assert 1 == len(line.splitlines())
        assert PASSWORD not in line
        return line

    return refusal_of


@pytest.fixture
def taken_port():
    """An occupied port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_wrong_password_is_one_line_and_status_2(refused, postgres_url, workers):
    """The password is not shown, and one line is enough for all workers."""
    url = postgres_url.replace("bodhi_test:kx7-password@", f"bodhi_test:{PASSWORD}@")

    line = refused(BODHI_SESSION_DB_URL=url, BODHI_WORKERS=workers)

    masked = url.replace(PASSWORD, "***")
    assert line.startswith(f"bodhi: error: BODHI_SESSION_DB_URL (environment): cannot open {masked}: ")
    assert 'password authentication failed for user "bodhi_test"' in line


def test_port_in_use_is_one_line_and_status_2(refused, taken_port):
    """With the source that the port comes from."""
    assert (
        f"bodhi: error: BODHI_PORT (command line): {taken_port} cannot be bound at 127.0.0.1: Address already in use"
    ) == refused("--port", str(taken_port))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_port_of_another_program_is_a_one_line_error(make_settings, taken_port, workers):
    """Whether it would be shared by workers or not."""
    settings = make_settings(BODHI_HOST="127.0.0.1", BODHI_PORT=str(taken_port), BODHI_WORKERS=workers)

    with pytest.raises(ConfigurationError, match=r"BODHI_PORT \(environment\): .* Address already in use"):
        bind(settings)


def test_port_of_another_servers_workers_is_a_one_line_error(make_settings):
    """Two servers do not share a port by accident."""
    bound = bind(make_settings(BODHI_HOST="127.0.0.1", BODHI_PORT="0", BODHI_WORKERS="2"))
    shared = share(bound)
    for one in shared:
        one.listen()
    port = bound[0].getsockname()[1]

    with pytest.raises(ConfigurationError, match="Address already in use"):
        bind(make_settings(BODHI_HOST="127.0.0.1", BODHI_PORT=str(port), BODHI_WORKERS="2"))

    for one in (*bound, *shared):
        one.close()


@pytest.mark.parametrize(
    ("host", "cause"),
    [("192.0.2.1", "Cannot assign requested address"), ("no-such-host.invalid", "has no address: ")],
)
def test_host_that_is_not_this_machine_is_named(make_settings, host, cause):
    """The setting is another one then."""
    with pytest.raises(ConfigurationError, match=rf"BODHI_HOST \(environment\): {host} .*{cause}"):
        bind(make_settings(BODHI_HOST=host, BODHI_PORT="0"))


def test_every_address_of_a_host_has_the_same_port(make_settings, monkeypatch):
    """Any free port is one that is free on all of them; an address that this machine lacks is left out."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "192.0.2.1", "127.0.0.2")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    bound = bind(make_settings(BODHI_PORT="0"))

    addresses = [one.getsockname() for one in bound]
    assert ["127.0.0.1", "127.0.0.2"] == [host for host, _ in addresses]
    assert 1 == len({port for _, port in addresses})
    for one in bound:
        one.close()


async def test_database_server_that_is_down_is_a_one_line_error(refusal_of):
    """Nobody listens on that port."""
    line = await refusal_of(BODHI_SESSION_DB_URL=f"postgres://bodhi:{PASSWORD}@127.0.0.1:{free_port()}/bodhi")

    assert line.startswith("BODHI_SESSION_DB_URL (environment): cannot open postgres://bodhi:***@127.0.0.1:")
    assert "Connect call failed" in line


async def test_database_server_that_does_not_answer_is_a_one_line_error(refusal_of):
    """It takes connections and says nothing: given up on after the limit."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"postgres://bodhi:{PASSWORD}@127.0.0.1:{mute.getsockname()[1]}/bodhi"
        line = await refusal_of(BODHI_SESSION_DB_URL=url, BODHI_DB_TIMEOUT="0.2")

    assert line.startswith("BODHI_SESSION_DB_URL (environment): cannot open postgres://bodhi:***@")
    assert line.endswith(": no answer in time")


async def test_missing_database_is_a_one_line_error(refusal_of, postgres_url):
    """The server's own words say it."""
    url = urlsplit(postgres_url)._replace(path="/nothing_here").geturl()

    assert 'database "nothing_here" does not exist' in await refusal_of(BODHI_SESSION_DB_URL=url)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("sqlite:/dev/null/session.sqlite", "Not a directory"),
        ("sqlite:/proc/session.sqlite", "No such file or directory"),
        (f"postgres://bodhi:{PASSWORD}@no-such-host.invalid/bodhi", "Name or service not known"),
        (f"postgres://bodhi:{PASSWORD}@127.0.0.1/bodhi?sslmode=nonsense", "sslmode"),
    ],
)
async def test_unusable_database_url_is_a_one_line_error(refusal_of, url, cause):
    """No folder to write, no such host, nonsense."""
    line = await refusal_of(BODHI_SESSION_DB_URL=url)

    assert line.startswith("BODHI_SESSION_DB_URL (environment): cannot open ")
    assert cause in line


async def test_file_that_is_no_database_is_a_one_line_error(refusal_of, tmp_path):
    """It stays as it is."""
    file = tmp_path / "text.sqlite"
    file.write_text("this is no database, but a text that somebody may need " * 20)

    line = await refusal_of(BODHI_SESSION_DB_URL=f"sqlite:{file}")

    assert f"cannot open sqlite:{file}: file is not a database" in line
    assert file.read_text().startswith("this is no database")


async def test_newer_schema_is_a_one_line_error(refusal_of, make_settings, tmp_path):
    """Which only that program understands."""
    url = f"sqlite:{tmp_path / 'newer.sqlite'}"
    runner = Runner(create_app(make_settings(BODHI_SESSION_DB_URL=url)), grace_seconds=1)
    await runner.setup()
    await runner.cleanup()
    database = sqlite3.connect(tmp_path / "newer.sqlite")
    database.execute("INSERT INTO bodhi_schema VALUES ('session', 99, 'from_the_future', 0)")
    database.commit()
    database.close()

    line = await refusal_of(BODHI_SESSION_DB_URL=url)

    assert f"BODHI_SESSION_DB_URL (environment): {url} is at version 99 of the session schema" in line
    assert "run a newer bodhi" in line


async def test_outdated_session_schema_without_auto_migrate_is_a_one_line_error(refusal_of, database_url):
    """The line names the command that helps."""
    line = await refusal_of(BODHI_SESSION_DB_URL=database_url, BODHI_DB_AUTO_MIGRATE="false")

    assert line.startswith("BODHI_SESSION_DB_URL (environment): ")
    assert "is at version 0 of the session schema" in line
    assert "python -m bodhi db migrate" in line


async def test_outdated_application_schema_without_auto_migrate_is_a_one_line_error(refusal_of, database_url):
    """It is another part, with a setting of its own, even where both are in one database."""
    async with open_database(database_url) as database:
        await Schema(database, "session").migrate()

    urls = {"BODHI_SESSION_DB_URL": database_url, "BODHI_DATABASE_URL": database_url}
    line = await refusal_of(**urls, BODHI_DB_AUTO_MIGRATE="false")

    assert line.startswith("BODHI_DATABASE_URL (environment): ")
    assert "is at version 0 of the application schema" in line
    assert "python -m bodhi db migrate" in line
