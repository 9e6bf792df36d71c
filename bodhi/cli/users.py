"""``bodhi users``: users who have signed in here, and their roles."""

import asyncio
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bodhi import logs
from bodhi.cli.application import in_application
from bodhi.cli.command_line import BY, CommandLine
from bodhi.cli.db import is_absent_file
from bodhi.cli.output import json_time, plain, print_json_line, time_of
from bodhi.cli.tables import print_table
from bodhi.errors import BodhiError
from bodhi.settings.auth_settings import ROLES

if TYPE_CHECKING:
    from bodhi.database import Database
    from bodhi.server.access.profile_lists import StoredProfile
    from bodhi.settings import Settings

LONGEST_LIST = 10_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def users() -> None:
    """List users who have signed in, and give them roles."""


@users.command("list", short_help="List users who have signed in.")
@click.option("--limit", type=click.IntRange(1, LONGEST_LIST), default=100, show_default=True, help="Maximum number.")
@click.option("--after", metavar="USER_ID", default="", help="Continue after this user.")
@json_option
@click.pass_obj
def list_users(command_line: CommandLine, limit: int, after: str, as_json: bool) -> None:
    """List users who have signed in, by user id, with their last known role and number of live sessions.

    With --json each user is a line.
    """
    from bodhi.server.access.profiles import Profiles

    settings = command_line.settings()
    profiles = in_application(settings, lambda database: Profiles(database).list_page(after=after, size=limit + 1))
    page = profiles[:limit]
    counts = _session_counts(settings, [profile.user_id for profile in page])
    if as_json:
        for profile, sessions in zip(page, counts, strict=True):
            print_json_line(_entry(profile, sessions))
    else:
        rows = [_row(profile, sessions) for profile, sessions in zip(page, counts, strict=True)]
        print_table(("USER", "USERNAME", "NAME", "ROLE", "SESSIONS", "CHANGED (UTC)"), rows)
    if len(profiles) > limit:
        click.echo(f"more entries: continue with --after {shlex.quote(plain(page[-1].user_id))}", err=True)


@users.command("set-role", short_help="Give a user a role.")
@click.argument("user_id")
@click.argument("role", metavar="ROLE", type=click.Choice(ROLES))
@click.pass_obj
def set_role(command_line: CommandLine, user_id: str, role: str) -> None:
    """Give a user a role, and end the user's sessions, which have the old one.

    ROLE is resource_user, resource_power_user, resource_manager or resource_admin. The user must have signed in before.
    Roles are stored here only if BODHI_AUTH_MANAGEMENT is false; otherwise, the identity provider stores them.
    """
    settings = command_line.settings()
    if settings.auth_management:
        raise BodhiError("roles are stored at the identity provider, since BODHI_AUTH_MANAGEMENT is true")
    logs.configure(settings.log_level, settings.log_format)
    refusal = in_application(settings, lambda database: _set_role(settings, database, user_id, role))
    if refusal is not None:
        raise refusal
    click.echo("role changed")


async def _set_role(settings: "Settings", database: "Database", user_id: str, role: str) -> BodhiError | None:
    """Change the role; return the error of a refused change, which is no fault of the database."""
    from bodhi.server.access.errors import ApiError
    from bodhi.server.access.leases import Leases
    from bodhi.server.access.local_roles import LocalDirectory, LocalRoles
    from bodhi.server.access.principal import SessionUser
    from bodhi.server.access.profiles import Profiles
    from bodhi.server.access.scopes import Role
    from bodhi.server.databases import session_service
    from bodhi.server.users.service import Users

    max_age = settings.auth_role_max_age_seconds
    roles = LocalRoles(database, role_max_age_seconds=max_age)
    profiles = Profiles(database, role_max_age_seconds=max_age)
    async with session_service(settings, sweep_seconds=None, auto_migrate=False) as sessions:
        service = Users(
            roles,
            directory=LocalDirectory(roles, profiles),
            profiles=profiles,
            leases=Leases(database),
            end_sessions=sessions.clear_sessions_for_user,
        )
        try:
            await service.change_role(SessionUser(BY, BY, Role.ADMIN, token=""), user_id, role)
        except ApiError as error:
            return error
    return None


def _session_counts(settings: "Settings", user_ids: Sequence[str]) -> list[int]:
    from bodhi.server.databases import session_database_faults, session_service

    if is_absent_file(settings.session_db_url):
        return [0] * len(user_ids)

    async def count() -> list[int]:
        async with session_service(settings, sweep_seconds=None, auto_migrate=False) as service:
            return [await service.count_sessions_for_user(user_id) for user_id in user_ids]

    with session_database_faults(settings):
        return asyncio.run(count())


def _row(profile: "StoredProfile", sessions: int) -> list[str | None]:
    role = "removed" if profile.is_removed else profile.role
    names = profile.username or None, profile.full_name or None
    return [profile.user_id, *names, role, str(sessions), time_of(profile.changed_at)]


def _entry(profile: "StoredProfile", sessions: int) -> dict[str, object]:
    return {
        "user_id": profile.user_id,
        "username": profile.username,
        "role": profile.role,
        "is_removed": profile.is_removed,
        "sessions": sessions,
        "changed_at": json_time(profile.changed_at),
        "full_name": profile.full_name,
    }
