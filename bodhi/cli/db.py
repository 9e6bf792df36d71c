"""``bodhi db``: schemas of the session and the application database, which may be the same."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import click

from bodhi.cli.command_line import CommandLine
from bodhi.cli.output import Progress, print_json
from bodhi.database import CannotOpen, Database, Schema, SchemaStatus, dialect_of, sqlite_path
from bodhi.settings import Settings, mask_url


@dataclass(frozen=True)
class Part:
    """One part of the schema, and its database."""

    name: str
    url: str
    database: Database
    faults: Callable[[], AbstractContextManager[None]]  # names the setting of the database in errors


def parts_of(settings: Settings) -> Iterator[Part]:
    """Yield every part of the schema."""
    from bodhi.server import databases

    yield Part(
        "session",
        settings.session_db_url,
        databases.session_database(settings),
        lambda: databases.session_database_faults(settings),
    )
    yield Part(
        "application",
        settings.database_url,
        databases.application_database(settings),
        lambda: databases.application_database_faults(settings),
    )


@click.group()
def db() -> None:
    """Show and migrate the schemas of both databases, and divide the session table."""


@db.command()
@click.pass_obj
def migrate(command_line: CommandLine) -> None:
    """Migrate both schemas; existing data stays. Databases of a newer version are refused."""
    for part in parts_of(command_line.resolve().settings):
        with part.faults():
            applied = asyncio.run(_migrate(part))
        done = f"applied {', '.join(applied)}" if applied else "nothing to do"
        click.echo(f"{mask_url(part.url)}: {part.name} schema: {done}")


async def _migrate(part: Part) -> list[str]:
    from bodhi.session import make_user_index

    async with part.database as database:
        migrations = await Schema(database, part.name).migrate()
        if part.name == "session":
            await make_user_index(database)  # missing after an interrupted copy
        return [f"{it.version:04} {it.name}" for it in migrations]


@db.command(short_help="Divide the session table on PostgreSQL.")
@click.argument("partitions", type=click.IntRange(1, 1024))
@click.pass_obj
def partition(command_line: CommandLine, partitions: int) -> None:
    """Divide the sessions on PostgreSQL into PARTITIONS by digest, while requests go on; 1 undoes it."""
    part = next(parts_of(command_line.resolve().settings))
    with part.faults():
        done = asyncio.run(_partition(part, partitions))
    click.echo(f"{mask_url(part.url)}: {done}")


async def _partition(part: Part, partitions: int) -> str:
    from bodhi.session import count_partitions, partition_sessions

    if dialect_of(part.url) == "sqlite":
        raise CannotOpen("a SQLite file has no partitions: see docs/how-to/plan-capacity.md")
    async with part.database as database:
        await Schema(database, part.name).check()
        if max(await count_partitions(database), 1) == partitions:
            return f"{_divided(partitions)} already: nothing to do"
        progress = Progress("{} sessions copied".format)
        copied = await partition_sessions(database, partitions, progress.report)
        return f"{_divided(partitions)} now; {copied} sessions were copied"


def _divided(partitions: int) -> str:
    return "the session table is undivided" if partitions == 1 else f"the session table has {partitions} partitions"


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(command_line: CommandLine, as_json: bool) -> int:
    """Show the versions of both schemas. The exit status is 0 if both are current, else 1."""
    schemas = []
    for part in parts_of(command_line.resolve().settings):
        with part.faults():
            schemas.append((part, _status(part)))
    if as_json:
        print_json([_json_status(part, schema) for part, schema in schemas])
    else:
        for part, schema in schemas:
            message = f"{schema.part} schema is at version {schema.applied} of {schema.known}: {_state(schema)}"
            click.echo(f"{mask_url(part.url)}: {message}")
    return 0 if all(schema.is_current for _, schema in schemas) else 1


def _status(part: Part) -> SchemaStatus:
    async def run() -> SchemaStatus:
        async with part.database as database:
            return await Schema(database, part.name).status()

    if is_absent_file(part.url):
        return SchemaStatus(part.name, 0, len(Schema(part.database, part.name).migrations))
    return asyncio.run(run())


def _json_status(part: Part, schema: SchemaStatus) -> dict[str, object]:
    return {
        "database": mask_url(part.url),
        "part": schema.part,
        "applied": schema.applied,
        "known": schema.known,
        "state": _state(schema),
    }


def _state(schema: SchemaStatus) -> str:
    return "current" if schema.is_current else "outdated" if schema.applied < schema.known else "newer"


def is_absent_file(url: str) -> bool:
    """Whether *url* names a SQLite file that opening would create."""
    return dialect_of(url) == "sqlite" and not Path(sqlite_path(url)).exists()
