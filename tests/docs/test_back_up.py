"""The commands on the backup page work, and its statements about restored sessions are true."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import bodhi
from bodhi.database import Schema, open_database
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.tokens.service import ApiTokens
from bodhi.session import DefaultSessionService
from support.binaries import runnable_clients
from support.postgres import PASSWORD, USER

KEY = "a-key-for-the-documentation-that-is-at-least-32-characters-long"
ANN = SessionUser("ann", "Ann", Role.POWER_USER, "access-token")


@pytest.fixture
def place(dialect, request, tmp_path):
    """A server's database URLs before and after a restore, and the environment of commands."""
    home, backups = tmp_path / "bodhi", tmp_path / "backups"
    home.mkdir(mode=0o700)
    environ = {
        "HOME": os.environ["HOME"],
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(bodhi.__file__).parents[1]),
        "BODHI_HOME": str(home),
        "BODHI_ENCRYPTION_KEY": KEY,
    }
    words = {"/var/backups/bodhi": str(backups)}
    if dialect == "sqlite":
        urls = {"session": f"sqlite:{home}/session.sqlite", "application": f"sqlite:{home}/bodhi.sqlite"}
        return SimpleNamespace(before=urls, after=urls, environ=environ, words=words)
    # Its programs are those for the server: others may not read what the server writes, or write what it reads.
    server = request.getfixturevalue("postgres_server")
    environ |= {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
    environ["PATH"] = f"{runnable_clients()}:{environ['PATH']}"
    before, after = server.url("bodhi_sessions"), server.url("bodhi_restored")
    words |= {
        "postgresql://bodhi@db1.example/bodhi_sessions": before,
        "postgresql://bodhi@db1.example/bodhi_restored": after,
        "--owner=bodhi ": f"--owner={USER} ",
    }
    subprocess.run(["createdb", "bodhi_sessions"], env=environ, check=True)
    return SimpleNamespace(
        before=dict.fromkeys(("session", "application"), before),
        after=dict.fromkeys(("session", "application"), after),
        environ=environ | {"BODHI_SESSION_DB_URL": after, "BODHI_DATABASE_URL": after},
        words=words,
    )


def blocks_of(page, section):
    """Return the commands of a section of the page, by code block."""
    return re.findall(r"(?:^    .+\n)+", page.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0], re.MULTILINE)


def run(place, commands, **changes):
    """Run commands of the page in a shell, with *changes* to the text."""
    for there, here in (place.words | changes).items():
        commands = commands.replace(there, here)
    ended = subprocess.run(["sh", "-ec", commands], env=place.environ, check=False, capture_output=True, text=True)
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    return ended.stdout


def sessions_at(urls):
    """Open the sessions."""
    return DefaultSessionService.from_url(urls["session"], keys=[KEY], sweep_seconds=None)


def application_at(urls):
    """Open the application's database."""
    return open_database(urls["application"])


@pytest.mark.parametrize("everything", [False, True], ids=["without-sessions", "with-sessions"])
async def test_a_backup_is_restored(pages, dialect, place, everything):
    """Sessions that ended meanwhile come back with a backup that has them, until all are ended; tokens in any case."""
    page = pages["docs/how-to/back-up-and-restore.md"]
    backup, restore = blocks_of(page, "SQLite" if dialect == "sqlite" else "PostgreSQL")
    end_all, tokens_by_id, _, doctor = blocks_of(page, "What a restore brings back")
    async with sessions_at(place.before) as service, application_at(place.before) as database:
        session_id, _ = await service.create({"user_id": "ann"})
        await Schema(database, "application").migrate()
        made = await ApiTokens(database).create(ANN, scope=TokenScope.USER)

        run(place, backup, **({" --exclude-table-data='*.bodhi_session*'": ""} if everything else {}))
        if dialect == "sqlite" and everything:
            run(place, backup, **{"bodhi.sqlite": "session.sqlite"})

        assert 1 == await service.clear_sessions_for_user("ann")
        assert await ApiTokens(database).disable(made.record.id)
    run(place, restore)
    if dialect == "sqlite" and everything:
        run(place, restore, **{"bodhi.sqlite": "session.sqlite"})

    async with sessions_at(place.after) as service, application_at(place.after) as database:
        assert everything is (await service.load(session_id) is not None)
        assert ["active"] == [token.status for token in await ApiTokens(database).list_of_all(size=10)]
        if everything:
            assert "1 live session ended\n" == run(place, end_all)
            assert None is await service.load(session_id)
            example = re.search(r"revoke (\S+)", tokens_by_id)[1]
            run(place, tokens_by_id, **{example: f"{made.record.id} --yes"})
            assert ["inactive"] == [token.status for token in await ApiTokens(database).list_of_all(size=10)]
            run(place, doctor)
