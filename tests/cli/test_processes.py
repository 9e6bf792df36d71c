"""Every command as a process, and on each database: it exits with status 0 and reports its work."""

import asyncio
import json
import re
from dataclasses import dataclass

import pytest

from bodhi.database import Schema, open_database
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.tokens.service import ApiTokens
from bodhi.session import DefaultSessionService
from cli.conftest import KEY
from support.commands import all_commands
from support.server_process import environ as environ  # noqa: PLC0414 - fixtures, which one has by importing them
from support.server_process import launch as launch  # noqa: PLC0414
from support.server_process import serve as serve  # noqa: PLC0414
from transfer.tower import TowerTable

OLD_KEY = "an-old-key-for-tests-of-at-least-thirty-two-characters"


@dataclass(frozen=True)
class Run:
    """Arguments with placeholders, and the expected output: equal JSON or a pattern."""

    arguments: str
    told: object


# By the command: those that ask no database.
ALONE = {
    "config export": Run("--format json", r'"BODHI_PORT"'),
    "config generate-key": Run("", r"\A\S{32,}\n\Z"),
    "config list": Run("--json", r'"name": "BODHI_PORT"'),
    "openapi": Run("", r'"openapi": "3\.1'),
}
# Those that do, on databases of ann with two sessions, one under an old key, a third that has expired, and a token.
ON_A_DATABASE = {
    "db migrate": Run("", r"session schema: nothing to do\n.*application schema: nothing to do\n\Z"),
    "db status": Run("--json", r'"state": "current"'),
    "doctor": Run("--json", r"1 of 2 sessions is encrypted with an older key"),
    "sessions clear": Run("--user ann --yes --json", {"ended": 2}),
    "sessions copy": Run(
        "--from {url} --to {target} --json",
        {"read": 2, "written": 2, "kept": 0, "failed": 0, "ended": 0, "dry_run": False},
    ),
    "sessions count": Run("--json", {"live": 2}),
    "sessions dump": Run("", r"\A(\S{16}  ann\n){2}\Z"),
    "sessions import tower-sessions": Run(
        "--from {tower} --json",
        {"read": 1, "written": 1, "kept": 0, "expired": 0, "empty": 0, "failed": 0, "dry_run": False},
    ),
    "sessions list": Run("--limit 1", r"\AHANDLE .*\n\S{16}  ann .*\n\Z"),
    "sessions rekey": Run("--json", {"re-encrypted": 1, "seen": 2, "kept": 0}),
    "sessions revoke": Run("{handle} --yes --json", {"ended": 1}),
    "sessions sweep": Run("--json", {"swept": 1}),
    "tokens list": Run("", r"\AID .*\n{token} +ann +first .*\n\Z"),
    "tokens revoke": Run("{token} --yes --json", {"revoked": 1}),
    "users list": Run("", r"\AUSER .*\nann +Ann +- +resource_user +2 .*\n\Z"),
    "users set-role": Run("ann resource_manager", r"\Arole changed\n\Z"),
}
# Those that do something on PostgreSQL alone.
ON_POSTGRES = {"db partition": Run("2", r"the session table has 2 partitions now; 3 sessions were copied\n\Z")}
REFUSED_ON_SQLITE = "a SQLite file has no partitions"
UNTIL_A_SIGNAL = {"serve"}
OF_A_SERVER = {"health"}


@pytest.fixture
def prepared(database_url, process_environ, tmp_path):
    """The values of placeholders: databases, a session and a token."""
    process_environ |= {
        "BODHI_SESSION_DB_URL": database_url,
        "BODHI_DATABASE_URL": database_url,
        "BODHI_ENCRYPTION_KEY": f"{KEY},{OLD_KEY}",
        "BODHI_AUTH_MANAGEMENT": "false",
    }

    async def fill():
        async with open_database(database_url) as database:
            await Schema(database, "application").migrate()
            await Profiles(database).note("ann", "Ann", Role.USER)
            owner = SessionUser("ann", "Ann", Role.USER, "token")
            token = await ApiTokens(database).create(owner, scope=TokenScope.USER, name="first")
        await create(database_url, KEY, clock=lambda: 1_000_000_000_000)
        await create(database_url, OLD_KEY)
        async with TowerTable.in_sqlite(tmp_path / "tower.sqlite") as tower:
            await tower.add({"user_id": "ann"})
        return {"handle": await create(database_url, KEY), "token": token.record.id, "tower": tower.url}

    return {"url": database_url, "target": f"sqlite:{tmp_path / 'target.sqlite'}", **asyncio.run(fill())}


async def create(url, key, **options):
    """Create a session of ann; return its handle."""
    async with DefaultSessionService.from_url(url, keys=[key], sweep_seconds=None, **options) as service:
        _, session = await service.create({"user_id": "ann"})
    return session.handle


def check(ended, run, names):
    """Check exit status and output."""
    status, out, err = ended
    assert 0 == status, err
    if isinstance(run.told, str):
        assert re.search(run.told.replace("{token}", names.get("token", "")), out), out
    else:
        assert (run.told, 1) == (json.loads(out), out.count("\n"))


def test_every_command_is_tested():
    """A new one needs a line above."""
    assert sorted([*ALONE, *ON_A_DATABASE, *ON_POSTGRES, *UNTIL_A_SIGNAL, *OF_A_SERVER]) == sorted(
        map(" ".join, all_commands())
    )


@pytest.mark.parametrize("command", ALONE)
def test_commands_run_without_a_database(bodhi_process, command):
    """It needs nothing but itself."""
    check(bodhi_process(*command.split(), *ALONE[command].arguments.split()), ALONE[command], {})


@pytest.fixture
def start_command(dialect, bodhi_process, bodhi_command):
    """Runs a command: as a process, which shows that it imports what it needs, and on PostgreSQL in this one."""
    return bodhi_process if dialect == "sqlite" else bodhi_command


@pytest.mark.parametrize("command", ON_A_DATABASE)
def test_commands_run_on_each_database(start_command, prepared, command):
    """It does with what is there what it is for."""
    run = ON_A_DATABASE[command]
    arguments = [argument.format_map(prepared) for argument in run.arguments.split()]

    check(start_command(*command.split(), *arguments), run, prepared)


def test_a_command_opens_postgresql_as_a_process(bodhi_process, prepared):
    """With the driver, which nothing has imported before."""
    check(bodhi_process("db", "status", "--json"), ON_A_DATABASE["db status"], prepared)


@pytest.mark.parametrize("command", ON_POSTGRES)
def test_commands_run_on_postgresql_alone(start_command, prepared, dialect, command):
    """On SQLite they say so."""
    run = ON_POSTGRES[command]

    status, out, err = start_command(*command.split(), *run.arguments.split())

    if dialect == "postgres":
        check((status, out, err), run, prepared)
    else:
        assert (2, "") == (status, out)
        assert REFUSED_ON_SQLITE in err


def test_serve_ends_on_a_signal(serve, prepared):
    """On the databases that are there, with status 0."""
    server = serve(BODHI_SESSION_DB_URL=prepared["url"], BODHI_DATABASE_URL=prepared["url"])

    assert 0 == server.stop()


def test_health_is_that_of_the_server(bodhi_process, serve, prepared):
    """With the same settings, while it runs and after it has ended."""
    server = serve(BODHI_SESSION_DB_URL=prepared["url"], BODHI_DATABASE_URL=prepared["url"], BODHI_HOST="0.0.0.0")
    settings = {"BODHI_HOST": "0.0.0.0", "BODHI_PORT": str(server.port)}

    assert (0, "the server can serve requests\n") == bodhi_process("health", **settings)[:2]
    server.stop()
    assert 1 == bodhi_process("health", **settings)[0]
