"""The hardening page: its settings are compatible, and its roles have exactly the required privileges."""

import asyncio
import os
import re
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

import bodhi
from bodhi.database import DatabaseError, Schema, mask_url, open_database
from bodhi.database.statements import load_statements, sql_folder
from bodhi.session import DefaultSessionService
from bodhi.settings import BY_NAME, load_settings
from support.postgres import PASSWORD

KEY = "a-key-for-the-documentation-that-is-at-least-32-characters-long"
ROW = re.compile(r"^\| `(BODHI_\w+)` \| (.+?) \| (.+?) \|", re.MULTILINE)
# What only migrations or tests of applications run, and what reads the tables of another program.
NOT_THE_SERVERS = ("schema.sql", "partition.sql", "testing.sql", "tower_sessions.sql")
VALUES = {"bytea": b"x" * 32, "text": "1000", "int8": 1_000, "json": "[]"}
NOT_ALLOWED = (
    "CREATE TABLE another (one bigint)",
    "CREATE TEMPORARY TABLE another (one bigint)",
    "CREATE SCHEMA another",
    "ALTER TABLE bodhi_session ADD COLUMN another bigint",
    "DROP TABLE bodhi_session",
    "TRUNCATE bodhi_session",
    "CREATE OR REPLACE FUNCTION now_ms(fixed bigint) RETURNS bigint LANGUAGE sql RETURN 0",
    "DELETE FROM bodhi_schema",
    "UPDATE bodhi_session_format SET written = 1",
    "INSERT INTO bodhi_schema VALUES ('session', 99, 'later', 0)",
    "SET ROLE bodhi_owner",
)


@pytest.fixture
def page(pages):
    """The page."""
    return pages["docs/how-to/harden.md"]


def test_hardened_settings_are_valid(page):
    """All of them at once; those that stand there in words are secrets."""
    rows = ROW.findall(page)
    hardened = {name: value.strip("`") for name, _, value in rows if value.startswith("`")}

    assert {"BODHI_SETUP_SECRET", "BODHI_ENCRYPTION_KEY"} == {name for name, *_ in rows} - hardened.keys()
    settings = load_settings(hardened)
    assert (3_600, 86_400, 10) == (settings.idle_seconds, settings.lifetime_seconds, settings.max_per_user)


def test_defaults_on_the_page_are_current(page):
    """Where a default is a value, it is written as one may write it."""
    written = {name: default.strip("`") for name, default, _ in ROW.findall(page) if default.startswith("`")}
    plain = {name: BY_NAME[name] for name in written if isinstance(BY_NAME[name].default, str)}

    assert "BODHI_SESSION_IDLE_TIMEOUT" in plain
    assert [] == [name for name, one in plain.items() if one.kind.parse(one.default) != one.kind.parse(written[name])]
    assert {"BODHI_SESSION_MAX_PER_USER"} <= {name for name, default, _ in ROW.findall(page) if default == "not set"}


@pytest.fixture
async def roles(page, postgres_server):
    """A database with the roles of the page, migrated by its owner; returns the URL for a role."""
    as_administrator, in_database, once = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    await execute(postgres_server.url(), as_administrator)
    for role in ("bodhi_owner", "bodhi_server"):
        await execute(postgres_server.url(), f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    administrator = postgres_server.url("bodhi_sessions")
    await execute(administrator, in_database)

    def url_of(role):
        return re.sub("//.*?:", f"//{role}:", administrator)

    async with open_database(url_of("bodhi_owner")) as database:
        for part in ("session", "application"):
            await Schema(database, part).migrate()
    await execute(url_of("bodhi_owner"), once)
    return url_of


async def execute(url, commands):
    """Run commands one by one."""
    async with connected(url) as connection:
        for command in filter(str.strip, commands.split(";")):
            await connection.execute(command)


@asynccontextmanager
async def connected(url):
    """Connect to the database."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def test_command_creates_the_tables_of_both_parts(page, tmp_path, postgres_server):
    """In the database that it names, whatever the deployment is."""
    asyncio.run(execute(postgres_server.url(), "CREATE DATABASE bodhi_sessions"))
    [commands] = [block for block in re.findall(r"(?:^    .+\n)+", page, re.MULTILINE) if "db migrate" in block]
    url = postgres_server.url("bodhi_sessions")
    script = textwrap.dedent(commands).replace("postgresql://bodhi_owner@db1.example/bodhi_sessions", url)
    environ = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(bodhi.__file__).parents[1]),
    }

    printed = subprocess.run(
        ["sh", "-ec", script], env=environ, cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout

    assert [mask_url(url)] * 2 == [line.partition(": ")[0] for line in printed.splitlines()]
    assert [] == list(tmp_path.glob("**/*.sqlite"))


async def test_the_servers_role_can_do_what_the_server_does(roles):
    """Every statement but those of migrations; PostgreSQL looks at rights before it explains."""
    files = [file for file in sql_folder("postgres").iterdir() if file.name.endswith(".sql")]
    names = {
        name
        for file in files
        if file.name not in NOT_THE_SERVERS
        for name in re.findall(r"^-- name: (\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    async with connected(roles("bodhi_server")) as connection:
        for name in sorted(names):
            prepared = await connection.prepare(load_statements("postgres")[name].sql)
            types = prepared.get_parameters()
            await prepared.explain(*([] if one.kind == "array" else VALUES[one.name] for one in types))

    options = {"keys": [KEY], "auto_migrate": False}
    async with DefaultSessionService.from_url(roles("bodhi_server"), **options) as service:
        session_id, session = await service.create({"user_id": "ann"})
        await service.save(session, {"user_id": "ann", "cart": 1})
        assert {"user_id": "ann", "cart": 1} == (await service.load(session_id)).data
        assert 1 == await service.clear_sessions_for_user("ann")


async def test_command_that_requires_the_owner_says_so(roles):
    """Such as the switch to the newest format, which the page about upgrades has as a command."""
    async with DefaultSessionService.from_url(roles("bodhi_server"), keys=[KEY], auto_migrate=False) as service:
        with pytest.raises(DatabaseError, match=r"permission denied .*: run this as the owner of the tables$"):
            await service.write_newest_format()


async def test_the_servers_role_changes_no_table(roles):
    """Nor what migrations remember."""
    for command in NOT_ALLOWED:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(roles("bodhi_server"), command)
