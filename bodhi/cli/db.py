"""``bodhi db``: the schema of the session database."""

import asyncio
from pathlib import Path

import click

from bodhi.cli.command_line import CommandLine
from bodhi.cli.output import print_json
from bodhi.database import Schema, SchemaStatus, dialect_of, sqlite_path
from bodhi.settings import Settings, mask_url


@click.group()
def db() -> None:
    """Look at the schema of the session database, and bring it up to date."""


@db.command()
@click.pass_obj
def migrate(command_line: CommandLine) -> None:
    """Bring the schema up to date; what is there already stays. A database of a newer bodhi is refused."""
    from bodhi.app import session_database, session_database_faults

    settings = command_line.resolve().settings

    async def run() -> list[str]:
        async with session_database(settings) as database:
            return [f"{it.version:04} {it.name}" for it in await Schema(database, "session").migrate()]

    with session_database_faults(settings):
        applied = asyncio.run(run())
    done = f"applied {', '.join(applied)}" if applied else "nothing to do"
    click.echo(f"{mask_url(settings.session_db_url)}: {done}")


@db.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def status(command_line: CommandLine, as_json: bool) -> int:
    """Show where the schema stands; changes nothing. The exit status is 0 if the server can work with it, else 1."""
    settings = command_line.resolve().settings
    schema = _status(settings)
    url = mask_url(settings.session_db_url)
    state = "current" if schema.is_current else "outdated" if schema.applied < schema.known else "newer"
    if as_json:
        print_json(
            {"database": url, "part": schema.part, "applied": schema.applied, "known": schema.known, "state": state}
        )
    else:
        click.echo(f"{url}: {schema.part} schema is at version {schema.applied} of {schema.known}: {state}")
    return 0 if schema.is_current else 1


def _status(settings: Settings) -> SchemaStatus:
    from bodhi.app import session_database, session_database_faults

    async def run() -> SchemaStatus:
        async with session_database(settings) as database:
            return await Schema(database, "session").status()

    with session_database_faults(settings):
        if is_absent_file(settings.session_db_url):
            return SchemaStatus("session", 0, len(Schema(session_database(settings), "session").migrations))
        return asyncio.run(run())


def is_absent_file(url: str) -> bool:
    """Whether *url* names a SQLite file that opening would create."""
    return dialect_of(url) == "sqlite" and not Path(sqlite_path(url)).exists()
