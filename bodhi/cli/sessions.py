"""``bodhi sessions``: what an operator does with all sessions."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from bodhi.cli.command_line import CommandLine
from bodhi.cli.db import is_absent_file
from bodhi.cli.output import print_json
from bodhi.cli.sessions_move import copy, import_
from bodhi.errors import BodhiError

if TYPE_CHECKING:
    from bodhi.session import DefaultSessionService

REPORT_SECONDS = 1.0  # between two lines of progress

Answer = TypeVar("Answer")

json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


@click.group()
def sessions() -> None:
    """Count, sweep, re-encrypt and move the sessions.

    The server may run meanwhile.
    """


sessions.add_command(copy)
sessions.add_command(import_)


@sessions.command()
@json_option
@click.pass_obj
def count(command_line: CommandLine, as_json: bool) -> None:
    """Print how many live sessions there are."""
    live = _run(command_line, lambda service: service.count_sessions())
    if as_json:
        print_json({"live": live})
    else:
        click.echo(f"{live} live sessions")


@sessions.command()
@json_option
@click.pass_obj
def sweep(command_line: CommandLine, as_json: bool) -> None:
    """Delete the expired sessions, as the server does now and then."""
    swept = _run(command_line, lambda service: service.sweep())
    if as_json:
        print_json({"swept": swept})
    else:
        click.echo(f"{swept} expired sessions deleted")


@sessions.command()
@json_option
@click.pass_obj
def rekey(command_line: CommandLine, as_json: bool) -> None:
    """Re-encrypt with the first key of BODHI_ENCRYPTION_KEY what another one encrypted.

    Nobody is logged out. When it has ended, the other keys can be taken out of the setting. Progress goes to stderr.
    """
    rekeyed, seen = _run(command_line, _rekey)
    if as_json:
        print_json({"re-encrypted": rekeyed, "seen": seen})
    else:
        click.echo(f"{rekeyed} re-encrypted / {seen} seen")


async def _rekey(service: "DefaultSessionService") -> tuple[int, int]:
    rekeyed = seen = 0
    reported_at = time.monotonic()
    async for rekeyed, seen in service.rekey():
        if time.monotonic() - reported_at >= REPORT_SECONDS:
            reported_at = time.monotonic()
            click.echo(f"{rekeyed} re-encrypted / {seen} seen so far", file=sys.stderr)
    return rekeyed, seen


def _run(command_line: CommandLine, work: "Callable[[DefaultSessionService], Awaitable[Answer]]") -> Answer:
    """What *work* answers, on the service that the settings describe, without anything in the background."""
    from bodhi.app import session_database_faults, session_service

    settings = command_line.settings()

    async def run() -> Answer:
        # The schema is checked, not changed: `bodhi db migrate` and the server do that.
        async with session_service(settings, sweep_seconds=None, auto_migrate=False) as service:
            return await work(service)

    with session_database_faults(settings):
        if is_absent_file(settings.session_db_url):
            raise BodhiError(f"{settings.session_db_url} is not there")
        return asyncio.run(run())
