import json
import sqlite3

import pytest

from bodhi.cli import main
from bodhi.settings import mask_url


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs ``bodhi db`` in this process: exit status, stdout and stderr."""

    def run(*arguments, **environ):
        monkeypatch.setenv("BODHI_HOME", str(tmp_path / "bodhi"))
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        status = main(["db", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_migrate_brings_the_schema_up_to_date(run, database_url):
    """Once; then there is nothing to do."""
    masked = mask_url(database_url)

    assert (0, f"{masked}: applied 0001 sessions\n", "") == run("migrate", BODHI_SESSION_DB_URL=database_url)
    assert (0, f"{masked}: nothing to do\n", "") == run("migrate", BODHI_SESSION_DB_URL=database_url)


def test_migrate_ignores_that_servers_may_not(run, database_url):
    """It is what the setting leaves the work to."""
    status, out, _ = run("migrate", BODHI_SESSION_DB_URL=database_url, BODHI_DB_AUTO_MIGRATE="false")

    assert (0, True) == (status, "applied" in out)


def test_status_tells_where_the_schema_stands(run, database_url):
    """For people and for programs; the exit status says whether the server can work with it."""
    masked = mask_url(database_url)

    before = run("status", BODHI_SESSION_DB_URL=database_url)
    run("migrate")
    after = run("status")
    status, out, _ = run("status", "--json")

    assert (1, f"{masked}: session schema is at version 0 of 1: outdated\n", "") == before
    assert (0, f"{masked}: session schema is at version 1 of 1: current\n", "") == after
    assert 0 == status
    assert {"database": masked, "part": "session", "applied": 1, "known": 1, "state": "current"} == json.loads(out)


def test_status_makes_no_file(run, tmp_path):
    """Looking changes nothing."""
    status, out, _ = run("status", BODHI_SESSION_DB_URL=f"sqlite:{tmp_path}/none.sqlite")

    assert (1, True) == (status, "version 0 of 1: outdated" in out)
    assert not (tmp_path / "none.sqlite").exists()
    assert not (tmp_path / "bodhi").exists()


@pytest.fixture
def newer_url(run, sqlite_url):
    """The URL of a database that a newer program has migrated."""
    run("migrate", BODHI_SESSION_DB_URL=sqlite_url)
    database = sqlite3.connect(sqlite_url.removeprefix("sqlite:"))
    database.execute("INSERT INTO bodhi_schema VALUES ('session', 99, 'from_the_future', 0)")
    database.commit()
    database.close()
    return sqlite_url


def test_newer_database_is_refused_with_one_line(run, newer_url):
    """Only the newer program understands it."""
    status, out, err = run("migrate")

    assert (2, "", 1) == (status, out, len(err.splitlines()))
    assert f"BODHI_SESSION_DB_URL (environment): {newer_url} is at version 99 of the session schema" in err


@pytest.mark.usefixtures("newer_url")
def test_newer_database_has_a_status(run):
    """It can still be looked at."""
    status, out, _ = run("status", "--json")

    assert (1, "newer", 99) == (status, json.loads(out)["state"], json.loads(out)["applied"])


@pytest.mark.parametrize("command", ["migrate", "status"])
def test_database_that_cannot_be_opened_is_one_line(run, command):
    """That names the setting and the cause."""
    assert (2, "", "bodhi: error: BODHI_SESSION_DB_URL (environment): ") == (
        *(told := run(command, BODHI_SESSION_DB_URL="postgres://bodhi:x@127.0.0.1:1/bodhi"))[:2],
        told[2][: len("bodhi: error: BODHI_SESSION_DB_URL (environment): ")],
    )
    assert 1 == len(told[2].splitlines())
    assert ":x@" not in told[2]
