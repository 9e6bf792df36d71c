import asyncio
import json
import re
import sqlite3

import pytest

from bodhi.cli import main
from bodhi.database import Schema, open_database
from bodhi.database.statements import sql_folder
from bodhi.settings import mask_url

_FILES = {
    part: sorted(file.name for file in (sql_folder("sqlite") / "migrations" / part).iterdir())
    for part in ("session", "application")
}
KNOWN = {part: len(files) for part, files in _FILES.items()}
APPLIED = {
    part: "applied " + ", ".join(name.removesuffix(".sql").replace("_", " ", 1) for name in files)
    for part, files in _FILES.items()
}


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


@pytest.fixture
def application_url(tmp_path):
    """The default URL of the application's database."""
    return f"sqlite:{tmp_path}/bodhi/bodhi.sqlite"


def test_migrate_brings_both_schemas_up_to_date(run, database_url, application_url):
    """Once; then there is nothing to do."""
    masked = mask_url(database_url)

    def status_of(sessions, application):
        return f"{masked}: session schema: {sessions}\n{application_url}: application schema: {application}\n"

    first = status_of(APPLIED["session"], APPLIED["application"])
    assert (0, first, "") == run("migrate", BODHI_SESSION_DB_URL=database_url)
    assert (0, status_of("nothing to do", "nothing to do"), "") == run("migrate")


def test_both_schemas_may_share_a_database(run, database_url):
    """As they do in a cluster; each is looked at on its own."""
    masked = mask_url(database_url)
    run("migrate", BODHI_SESSION_DB_URL=database_url, BODHI_DATABASE_URL=database_url)

    status_of = [f"{masked}: {part} schema is at version {KNOWN[part]} of {KNOWN[part]}: current\n" for part in KNOWN]
    assert (0, "".join(status_of), "") == run("status")


@pytest.mark.parametrize("parts", [("session", "application"), ("application", "session")], ids="-".join)
def test_either_schema_may_come_first(run, database_url, parts):
    """A database of either part becomes one of both, and what is in it stays."""

    async def migrate(part):
        async with open_database(database_url) as database:
            await Schema(database, part).migrate()

    for part in parts:
        asyncio.run(migrate(part))

    status, out, _ = run("status", "--json", BODHI_SESSION_DB_URL=database_url, BODHI_DATABASE_URL=database_url)
    assert (0, ["current", "current"]) == (status, [part["state"] for part in json.loads(out)])


def test_both_schemas_may_live_in_a_postgres_schema_of_their_own(run, postgres_url):
    """The one that is named for the sessions."""
    environ = {"BODHI_SESSION_DB_URL": postgres_url, "BODHI_DATABASE_URL": postgres_url}

    assert 0 == run("migrate", **environ, BODHI_SESSION_DB_SCHEMA="bodhi")[0]
    assert 0 == run("status")[0]
    assert 1 == run("status", BODHI_SESSION_DB_SCHEMA="another")[0]


def test_migrate_works_even_if_auto_migrate_is_off(run, database_url):
    """It is what the setting leaves the work to."""
    status, out, _ = run("migrate", BODHI_SESSION_DB_URL=database_url, BODHI_DB_AUTO_MIGRATE="false")

    assert (0, 2) == (status, out.count("schema: applied"))


def test_status_shows_the_schema_versions(run, database_url, application_url):
    """For people and for programs; the exit status says whether the server can work with both."""
    masked = mask_url(database_url)

    def status_of(versions, state):
        return "".join(
            f"{url}: {part} schema is at version {versions[part]} of {KNOWN[part]}: {state}\n"
            for url, part in ((masked, "session"), (application_url, "application"))
        )

    before = run("status", BODHI_SESSION_DB_URL=database_url)
    run("migrate")
    after = run("status")
    status, out, _ = run("status", "--json")

    assert (1, status_of(dict.fromkeys(KNOWN, 0), "outdated"), "") == before
    assert (0, status_of(KNOWN, "current"), "") == after
    assert 0 == status
    assert [
        {"database": url, "part": part, "applied": KNOWN[part], "known": KNOWN[part], "state": "current"}
        for url, part in ((masked, "session"), (application_url, "application"))
    ] == json.loads(out)


def test_status_fails_if_either_schema_is_outdated(run, database_url, application_url):
    """A server would not start, or have to migrate."""
    run("migrate", BODHI_SESSION_DB_URL=database_url)
    database = sqlite3.connect(application_url.removeprefix("sqlite:"))
    database.execute("DELETE FROM bodhi_schema WHERE part = 'application'")
    database.commit()
    database.close()

    status, out, _ = run("status")

    assert 1 == status
    assert "session schema is at version {0} of {0}: current".format(KNOWN["session"]) in out
    assert f"application schema is at version 0 of {KNOWN['application']}: outdated" in out


def test_status_creates_no_file(run, tmp_path):
    """Looking changes nothing."""
    status, out, _ = run("status", BODHI_SESSION_DB_URL=f"sqlite:{tmp_path}/none.sqlite")

    assert (1, 2) == (status, len(re.findall(r"version 0 of \d+: outdated", out)))
    assert not (tmp_path / "none.sqlite").exists()
    assert not (tmp_path / "bodhi").exists()


@pytest.fixture(params=["session", "application"])
def newer(run, request, sqlite_url):
    """The part and URL of a database migrated by a newer version."""
    name = {"session": "BODHI_SESSION_DB_URL", "application": "BODHI_DATABASE_URL"}[request.param]
    run("migrate", **{name: sqlite_url})
    database = sqlite3.connect(sqlite_url.removeprefix("sqlite:"))
    database.execute(f"INSERT INTO bodhi_schema VALUES ('{request.param}', 99, 'from_the_future', 0)")
    database.commit()
    database.close()
    return request.param, name


def test_newer_database_is_refused_with_one_line(run, sqlite_url, newer):
    """Only the newer program understands it."""
    part, name = newer
    status, _, err = run("migrate")

    assert (2, 1) == (status, len(err.splitlines()))
    assert f"{name} (environment): {sqlite_url} is at version 99 of the {part} schema" in err


def test_status_works_on_a_newer_database(run, newer):
    """It can still be looked at."""
    status, out, _ = run("status", "--json")

    status_of = {part["part"]: (part["state"], part["applied"]) for part in json.loads(out)}
    assert (1, ("newer", 99)) == (status, status_of[newer[0]])


@pytest.mark.parametrize("name", ["BODHI_SESSION_DB_URL", "BODHI_DATABASE_URL"])
@pytest.mark.parametrize("command", ["migrate", "status"])
def test_database_that_cannot_be_opened_is_one_line(run, command, name):
    """That names the setting and the cause."""
    status, out, err = run(command, **{name: "postgres://bodhi:x@127.0.0.1:1/bodhi"})

    assert (2, 1) == (status, len(err.splitlines()))
    assert err.startswith(f"bodhi: error: {name} (environment): ")
    assert ":x@" not in out + err
