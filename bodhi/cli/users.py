"""``bodhi users``: users who have logged in here; their roles come from the identity provider."""

import asyncio
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bodhi.cli.application import in_application
from bodhi.cli.command_line import CommandLine
from bodhi.cli.db import is_absent_file
from bodhi.cli.output import json_time, plain, print_json_line, print_table, time_of

if TYPE_CHECKING:
    from bodhi.server.access.profiles import StoredProfile
    from bodhi.settings import Settings

LONGEST_LIST = 10_000

json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


@click.group()
def users() -> None:
    """Look at the people who have logged in at the server."""


@users.command("list", short_help="List who has logged in here.")
@click.option("--limit", type=click.IntRange(1, LONGEST_LIST), default=100, show_default=True, help="How many at most.")
@click.option("--after", metavar="USER_ID", default="", help="Go on after this user.")
@json_option
@click.pass_obj
def list_users(command_line: CommandLine, limit: int, after: str, as_json: bool) -> None:
    """List who has logged in here, with the role they had last and how many live sessions they have.

    By user id. With --json each is a line.
    """
    from bodhi.server.access.profiles import Profiles

    settings = command_line.settings()
    found = in_application(settings, lambda database: Profiles(database).list_page(after=after, size=limit + 1))
    page = found[:limit]
    counts = _session_counts(settings, [person.user_id for person in page])
    if as_json:
        for person, sessions in zip(page, counts, strict=True):
            print_json_line(_entry(person, sessions))
    else:
        rows = [_row(person, sessions) for person, sessions in zip(page, counts, strict=True)]
        print_table(("USER", "NAME", "ROLE", "SESSIONS", "CHANGED (UTC)"), rows)
    if len(found) > limit:
        click.echo(f"there are more: --after {shlex.quote(plain(page[-1].user_id))}", err=True)


def _session_counts(settings: "Settings", user_ids: Sequence[str]) -> list[int]:
    from bodhi.server.app import session_database_faults, session_service

    if is_absent_file(settings.session_db_url):
        return [0] * len(user_ids)

    async def count() -> list[int]:
        async with session_service(settings, sweep_seconds=None, auto_migrate=False) as service:
            return [await service.count_sessions_for_user(user_id) for user_id in user_ids]

    with session_database_faults(settings):
        return asyncio.run(count())


def _row(person: "StoredProfile", sessions: int) -> list[str | None]:
    role = "removed" if person.is_removed else person.role
    return [person.user_id, person.username or None, role, str(sessions), time_of(person.changed_at)]


def _entry(person: "StoredProfile", sessions: int) -> dict[str, object]:
    return {
        "user_id": person.user_id,
        "username": person.username,
        "role": person.role,
        "is_removed": person.is_removed,
        "sessions": sessions,
        "changed_at": json_time(person.changed_at),
    }
