"""``bodhi sessions``: list, end and maintain sessions."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from bodhi import logs
from bodhi.cli.command_line import BY, CommandLine, confirm, yes_option
from bodhi.cli.db import is_absent_file
from bodhi.cli.output import Progress, json_line, json_time, plain, print_json_line, time_of
from bodhi.cli.sessions_move import copy, import_
from bodhi.cli.tables import print_table
from bodhi.errors import BodhiError
from bodhi.server.http.devices import device_of
from bodhi.urls import mask_url

if TYPE_CHECKING:
    from bodhi.session import DefaultSessionService, SessionInfo, SessionPage

LONGEST_LIST = 10_000

Result = TypeVar("Result")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def sessions() -> None:
    """List, end, sweep, re-encrypt and copy sessions.

    The commands work on the database in BODHI_SESSION_DB_URL, also while the server is running.
    """


sessions.add_command(copy)
sessions.add_command(import_)


@sessions.command()
@json_option
@click.pass_obj
def count(command_line: CommandLine, as_json: bool) -> None:
    """Print the number of live sessions."""
    live = _run(command_line, lambda service: service.count_sessions())
    if as_json:
        print_json_line({"live": live})
    else:
        click.echo(f"{live} live {_noun(live)}")


@sessions.command("list", short_help="List live sessions.")
@click.option("--user", metavar="USER_ID", help="List only this user's sessions, oldest first.")
@click.option("--limit", type=click.IntRange(1, LONGEST_LIST), default=100, show_default=True, help="Maximum number.")
@click.option("--after", metavar="CURSOR", help="Continue a list: the cursor in its last line on stderr.")
@json_option
@click.pass_obj
def list_sessions(command_line: CommandLine, user: str | None, limit: int, after: str | None, as_json: bool) -> None:
    """List live sessions. Sessions are identified by their handle, which is not a credential.

    With --json each session is a line; its "cursor" is the value of --after to continue from there.
    """
    page = _run(command_line, lambda service: _fetch_page(service, user, limit, after))
    if as_json:
        for info in page.sessions:
            print_json_line(_entry(info, by_user=user is not None))
    else:
        head = ("HANDLE", "USER", "DEVICE", "ADDRESS", "CREATED (UTC)", "LAST SEEN (UTC)", "EXPIRES (UTC)")
        print_table(head, [_row(info) for info in page.sessions])
    if page.after is not None:
        click.echo(f"more entries: continue with --after {page.after}", err=True)
    if user is not None and after is None and not page.sessions:
        _print_no_sessions(user)


async def _fetch_page(
    service: "DefaultSessionService", user: str | None, limit: int, after: str | None
) -> "SessionPage":
    try:
        return await service.list_page(user_id=user, after=after, limit=limit)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--after") from None


def _row(info: "SessionInfo") -> list[str | None]:
    times = (info.created_at, info.last_seen_at, info.expires_at)
    return [info.handle, info.user_id, device_of(info.user_agent), info.ip, *map(time_of, times)]


def _entry(info: "SessionInfo", *, by_user: bool) -> dict[str, object]:
    from bodhi.session import cursor_of

    created_ms = round(info.created_at.timestamp() * 1000) if by_user else None
    return {
        "handle": info.handle,
        "user_id": info.user_id,
        "device": device_of(info.user_agent),
        "ip": info.ip,
        "created_at": json_time(info.created_at),
        "last_seen_at": json_time(info.last_seen_at),
        "expires_at": json_time(info.expires_at),
        "cursor": cursor_of(info.handle, created_ms),
    }


@sessions.command(short_help="Print handle and user of all live sessions.")
@json_option
@click.pass_obj
def dump(command_line: CommandLine, as_json: bool) -> None:
    """Print handle and user of all live sessions, in constant memory.

    Progress is printed to stderr. With --json each session is a line.
    """
    _run(command_line, lambda service: _dump(service, as_json))


async def _dump(service: "DefaultSessionService", as_json: bool) -> None:
    from bodhi.session import digests_of, share_up_to

    def share(_dumped: int, handle: str) -> float:
        first, _ = digests_of(handle) or (b"", b"")
        return share_up_to(first)

    progress = Progress(lambda dumped, _handle: f"{dumped} sessions so far", share=share)
    dumped = 0
    out = sys.stdout  # click.echo flushes each line
    async for handle, user_id in service.dump_all_sessions():
        if as_json:
            out.write(json_line({"handle": handle, "user_id": user_id}))
        else:
            out.write(f"{handle}  {plain(user_id) if user_id is not None else '-'}\n")
        dumped += 1
        progress.report(dumped, handle)
    out.flush()


# Handles may begin with a hyphen: unknown options are treated as handles, and so is -h.
@sessions.command(
    short_help="End one session.",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("handle")
@yes_option
@json_option
@click.pass_obj
def revoke(command_line: CommandLine, handle: str, yes: bool, as_json: bool) -> int:
    """End a session. The exit status is 1 if there is no live session with this handle."""
    confirm(f"End the session {plain(handle)}?", is_confirmed=yes)
    revoked = _run(command_line, lambda service: service.revoke_session(handle, by=BY), is_logged=True)
    _print_ended(int(revoked), as_json)
    if revoked:
        return 0
    hint = "`sessions list` shows the handles"
    click.echo(f"no live session with the handle '{plain(handle)}'; {hint}", err=True)
    return 1


@sessions.command(short_help="End all sessions, or those of a user.")
@click.option("--user", metavar="USER_ID", help="End the sessions of this user.")
@click.option("--all", "everybody", is_flag=True, help="End the sessions of all users.")
@yes_option
@json_option
@click.pass_obj
def clear(command_line: CommandLine, user: str | None, everybody: bool, yes: bool, as_json: bool) -> int:
    """End all sessions, or those of a user, who then has to sign in again.

    The exit status is 1 if the user has no live session.
    """
    if (user is None) is not everybody:
        raise click.UsageError("give either --user or --all")
    target = "everybody" if user is None else plain(user)
    confirm(f"End all sessions of {target}?", is_confirmed=yes)
    ended = _run(
        command_line,
        lambda service: (
            service.clear_all_sessions(by=BY) if user is None else service.clear_sessions_for_user(user, by=BY)
        ),
        is_logged=True,
    )
    _print_ended(ended, as_json)
    if user is None or ended:
        return 0
    _print_no_sessions(user)
    return 1


def _print_no_sessions(user: str) -> None:
    """Explain an empty result: the argument may be a name, not a user id."""
    hint = "`users list` shows the user ids"
    click.echo(f"no live session with the user id '{plain(user)}'; {hint}", err=True)


def _print_ended(ended: int, as_json: bool) -> None:
    if as_json:
        print_json_line({"ended": ended})
    else:
        click.echo(f"{ended} live {_noun(ended)} ended")


def _noun(sessions: int) -> str:
    return "session" if sessions == 1 else "sessions"


@sessions.command(short_help="Delete expired sessions.")
@json_option
@click.pass_obj
def sweep(command_line: CommandLine, as_json: bool) -> None:
    """Delete expired sessions, as the server does regularly."""
    swept = _run(command_line, lambda service: service.sweep(), is_logged=True)
    if as_json:
        print_json_line({"swept": swept})
    else:
        click.echo(f"{swept} expired {_noun(swept)} deleted")


@sessions.command(short_help="Re-encrypt sessions with the first key.")
@click.option(
    "--newest-format",
    is_flag=True,
    help="Write the newest format from now on. Use it only after all nodes are upgraded.",
)
@json_option
@click.pass_obj
def rekey(command_line: CommandLine, newest_format: bool, as_json: bool) -> int:
    """Re-encrypt sessions of other keys or older formats with the first key of BODHI_ENCRYPTION_KEY.

    No user is signed out. After it has finished, the other keys can be removed from the setting. Progress is printed to
    stderr. The exit status is 1 if no key decrypts some of the sessions; they are kept unchanged.
    """
    rekeyed, seen, kept = _run(command_line, lambda service: _rekey(service, newest_format=newest_format))
    if as_json:
        print_json_line({"re-encrypted": rekeyed, "seen": seen, "kept": kept})
    else:
        unopened = f" / {kept} kept: no key decrypts {'it' if kept == 1 else 'them'}" if kept else ""
        click.echo(f"{rekeyed} re-encrypted / {seen} seen{unopened}")
    return 1 if kept else 0


async def _rekey(service: "DefaultSessionService", *, newest_format: bool) -> tuple[int, int, int]:
    if newest_format and await service.write_newest_format():
        click.echo("sessions are written in the newest format from now on", err=True)
    live = await service.count_sessions()
    progress = Progress(
        lambda seen, rekeyed: f"{rekeyed} re-encrypted / {seen} seen so far",
        share=lambda seen, _rekeyed: seen / max(seen, live, 1),
    )
    sums = 0, 0, 0
    async for sums in service.rekey():
        rekeyed, seen, _ = sums
        progress.report(seen, rekeyed)
    return sums


def _run(
    command_line: CommandLine,
    work: "Callable[[DefaultSessionService], Awaitable[Result]]",
    *,
    is_logged: bool = False,
) -> Result:
    """Run *work* on the configured service without background tasks, and return its result.

    With *is_logged*, the log with the audit records of ended sessions goes to stderr, as a server's does.
    """
    from bodhi.server.databases import session_database_faults, session_service

    settings = command_line.settings()
    if is_logged:
        logs.configure(settings.log_level, settings.log_format)

    async def run() -> Result:
        # The schema is checked, not changed: `bodhi db migrate` and the server do that.
        async with session_service(settings, sweep_seconds=None, auto_migrate=False) as service:
            return await work(service)

    with session_database_faults(settings):
        if is_absent_file(settings.session_db_url):
            raise BodhiError(
                f"{mask_url(settings.session_db_url)} does not exist; `python -m bodhi db migrate` creates it"
            )
        return asyncio.run(run())
