"""``bodhi sessions copy`` and ``bodhi sessions import``."""

import asyncio
import os
import re
import signal
import stat
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bodhi.cli.command_line import CommandLine
from bodhi.cli.db import is_absent_file
from bodhi.cli.output import Progress, print_json_line
from bodhi.database import (
    CannotOpen,
    Database,
    DatabaseUnavailable,
    Schema,
    SchemaStatus,
    SchemaTooNew,
    dialect_of,
    open_database,
    sqlite_path,
)
from bodhi.errors import BodhiError, ConfigurationError
from bodhi.settings import Settings, kinds, mask_url

if TYPE_CHECKING:
    from bodhi.transfer.copy import Reseal, Tally, Transfer
    from bodhi.transfer.tower_sessions import ImportTally

PAUSE_SECONDS = 1.0  # minimum between two passes
LIMIT_SECONDS = 30.0  # for a page
LAST_PASSES = 10  # after the signal, until a pass finds no changes
INTERNAL_FIELDS = {"others", "reached"}  # of a tally, with --json

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Only read and count; write nothing.")


class StillChanging(BodhiError):
    """The source kept changing after the signal: stop the old server first, then the copy."""


@click.command(short_help="Copy live sessions to another database.")
@click.option("--from", "source_url", metavar="URL", required=True, help="The source database; it is only read.")
@click.option("--to", "target_url", metavar="URL", required=True, help="The target database; it is migrated.")
@click.option("--follow", is_flag=True, help="Keep copying changes until SIGTERM or SIGINT.")
@click.option(
    "--to-key",
    metavar="NAME",
    help="Re-encrypt for the target: environment variable or file with its key. Never the key itself.",
)
@dry_run_option
@json_option
@click.pass_obj
def copy(  # noqa: PLR0917 - click passes them by name
    command_line: CommandLine,
    source_url: str,
    target_url: str,
    follow: bool,
    to_key: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Copy live sessions to another database, without signing users out.

    Repeated runs copy only changes, and do not restore sessions that ended at the target. With --follow it runs until
    SIGTERM or SIGINT, and then until nothing changes any more. The exit status is 1 if sessions failed and none was
    written or kept.
    """
    if follow and dry_run:
        raise click.UsageError("--follow cannot be combined with --dry-run")
    for option, url in (("--from", source_url), ("--to", target_url)):
        with _faults(option):
            dialect_of(url)
    if same_database(source_url, target_url):
        raise click.UsageError("--from and --to name the same database")
    settings = command_line.settings() if to_key else command_line.resolve().settings
    reseal = _reseal(settings, to_key) if to_key else None
    tally = asyncio.run(_copy(settings, source_url, target_url, reseal, follow=follow, dry_run=dry_run))
    if tally.others:
        click.echo(f"bodhi: warning: {_others(tally.others)}", err=True)
    if as_json:
        counts = {name: value for name, value in asdict(tally).items() if name not in INTERNAL_FIELDS}
        print_json_line({**counts, "dry_run": dry_run})
    else:
        click.echo(f"{tally.read} read, {tally.written} {_written(dry_run)}, {tally.kept} kept, {tally.failed} failed")
    return 1 if tally.failed and not (tally.written or tally.kept) else 0


@click.group("import")
def import_() -> None:
    """Import sessions of another program."""


@import_.command("tower-sessions", short_help="Import the sessions of a Rust server.")
@click.option("--from", "source_url", metavar="URL", required=True, help="The database of the Rust server.")
@dry_run_option
@json_option
@click.pass_obj
def tower_sessions(command_line: CommandLine, source_url: str, dry_run: bool, as_json: bool) -> None:
    """Import the table tower_sessions of a Rust server into the session database; the source is only read.

    Cookies stay valid if the cookie name is the same. Rows that cannot be decoded are reported by their handle and
    skipped.
    """
    from bodhi.server.databases import session_database, session_database_faults

    settings = command_line.settings()
    with session_database_faults(settings):
        target = session_database(settings)
    tally = asyncio.run(_import(settings, source_url, target, dry_run=dry_run))
    if as_json:
        print_json_line({**asdict(tally), "dry_run": dry_run})
    else:
        counts = {_written(dry_run) if name == "written" else name: count for name, count in asdict(tally).items()}
        click.echo(", ".join(f"{count} {name}" for name, count in counts.items()))


def same_database(source_url: str, target_url: str) -> bool:
    """Return whether two URLs certainly name the same database."""
    if {dialect_of(source_url), dialect_of(target_url)} == {"sqlite"}:
        return Path(sqlite_path(source_url)).resolve() == Path(sqlite_path(target_url)).resolve()
    return source_url == target_url


def _others(sessions: int) -> str:
    number = "1 session" if sessions == 1 else f"{sessions} sessions"
    stay = "stays" if sessions == 1 else "stay"
    return (
        f"{number} at the target did not come from another database, and {stay}; if you copy back, sessions that ended "
        "meanwhile may be live there again: use an empty database"
    )


def _written(dry_run: bool) -> str:
    return "would be written" if dry_run else "written"


def _so_far(read: int, written: int, _reached: bytes = b"", *, dry_run: bool = False) -> str:
    return f"{read} read, {written} {_written(dry_run)} so far"


def _failed(handle: str, reason: str) -> None:
    click.echo(f"session {handle} skipped: {reason}", file=sys.stderr)


@contextmanager
def _faults(option: str) -> Iterator[None]:
    """Prefix errors inside with the option that names the database."""
    try:
        yield
    except ConfigurationError as error:
        raise type(error)(f"{option}: {error}") from error


async def _copy(
    settings: Settings, source_url: str, target_url: str, reseal: "Reseal | None", *, follow: bool, dry_run: bool
) -> "Tally":
    from bodhi.transfer.copy import Tally, Transfer

    async with AsyncExitStack() as stack:
        with _faults("--from"):
            source = await stack.enter_async_context(_source(settings, source_url, settings.session_db_schema))
            await _refuse_no_sessions(source)
        with _faults("--to"):
            target = await stack.enter_async_context(_target(settings, target_url, dry_run=dry_run))
        transfer = Transfer(source, target, failed=_failed, reseal=reseal, writes=not dry_run, follows=follow)
        return await (_follow(transfer) if follow else _pass(transfer, Tally(), dry_run=dry_run))


async def _pass(transfer: "Transfer", sums: "Tally", *, dry_run: bool = False) -> "Tally":
    """Run one pass and return its tally; it is added to *sums* even if the pass fails."""
    from bodhi.session import share_up_to

    so_far = partial(_so_far, dry_run=dry_run)
    progress = Progress(so_far, share=lambda _read, _written, reached: share_up_to(reached))
    tally = type(sums)()
    try:
        async for tally in transfer.run():
            progress.report(tally.read, tally.written, tally.reached)
    finally:
        sums.written += tally.written
        sums.ended += tally.ended
    return tally


async def _follow(transfer: "Transfer") -> "Tally":
    """Run passes until a signal; return what all of them wrote and the last one read."""
    from bodhi.transfer.copy import Tally

    stop = _interrupted()
    sums = Tally()
    rest = 0
    was_quiet = False
    while rest < LAST_PASSES:
        began, clock = time.monotonic(), datetime.now().astimezone()
        rest += stop.is_set()  # this pass begins after the signal, and so after the source came to rest
        try:
            tally = await _pass(transfer, sums)
        except DatabaseUnavailable as error:
            if stop.is_set():
                raise
            click.echo(f"bodhi: warning: {error}; trying again", err=True)
        else:
            if not tally.changed and not was_quiet:
                click.echo(f"caught up: nothing changed in the last pass, started at {clock:%H:%M:%S}", err=True)
            was_quiet = not tally.changed
            if rest and was_quiet:
                tally.written, tally.ended = sums.written, sums.ended
                return tally
        await _pause(stop, max(PAUSE_SECONDS, time.monotonic() - began))
    raise StillChanging


def _interrupted() -> asyncio.Event:
    """Return an event set by SIGTERM or SIGINT; a second signal ends at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    if stop.is_set():
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


async def _import(settings: Settings, source_url: str, target: Database, *, dry_run: bool) -> "ImportTally":
    from bodhi.keyring import Keyring
    from bodhi.server.databases import session_database_faults
    from bodhi.transfer.tower_sessions import TowerImport

    async with AsyncExitStack() as stack:
        with _faults("--from"):
            source = await stack.enter_async_context(_source(settings, source_url, None))
        with session_database_faults(settings):
            held = await stack.enter_async_context(_migrated(target, settings.session_db_url, dry_run=dry_run))
        tower = TowerImport(
            source,
            held or source,
            keyring=Keyring(settings.encryption_keys),
            idle_ms=settings.idle_seconds * 1000,
            lifetime_ms=settings.lifetime_seconds * 1000,
            failed=_failed,
            writes=not dry_run,
            remembers=held is not None,
        )
        progress = Progress(partial(_so_far, dry_run=dry_run))
        with _faults("--from"):
            async for tally in tower.run():
                progress.report(tally.read, tally.written)
        return tally


@asynccontextmanager
async def _source(settings: Settings, url: str, schema: str | None) -> AsyncIterator[Database]:
    if is_absent_file(url):
        raise ConfigurationError(f"{mask_url(url)} does not exist")
    async with _opened(settings, url, schema, read_only=True) as database:
        await _status(database)  # SQLite opens whatever file it is
        yield database


@asynccontextmanager
async def _target(settings: Settings, url: str, *, dry_run: bool) -> AsyncIterator[Database | None]:
    async with _migrated(_opened(settings, url, settings.session_db_schema), url, dry_run=dry_run) as database:
        yield database


@asynccontextmanager
async def _migrated(database: Database, url: str, *, dry_run: bool) -> AsyncIterator[Database | None]:
    """Open the database and migrate it; yield None in a dry run if it has no tables."""
    if dialect_of(url) == "sqlite" and sqlite_path(url) == ":memory:":
        raise ConfigurationError("an in-memory database is lost when this command ends: name a file")
    if dry_run and is_absent_file(url):
        yield None
        return
    async with database:
        schema = Schema(database, "session")
        if not dry_run:
            await schema.migrate()
        status = await schema.status()
        if status.applied > status.known:
            await schema.check()  # says so
        if 0 < status.applied < status.known:
            click.echo(f"bodhi: warning: {mask_url(url)} has an older schema: all sessions count as new", err=True)
        yield database if status.is_current else None


def _opened(settings: Settings, url: str, schema: str | None, *, read_only: bool = False) -> Database:
    return open_database(
        url,
        pool_size=2,
        limit_seconds=max(LIMIT_SECONDS, settings.db_timeout_seconds),
        statement_cache_size=settings.pg_statement_cache_size,
        schema=schema,
        readers=1,
        synchronous=settings.sqlite_synchronous,
        read_only=read_only,
    )


async def _status(database: Database) -> SchemaStatus:
    try:
        return await Schema(database, "session").status()
    except DatabaseUnavailable as error:
        raise CannotOpen(f"cannot read {database.address}: {error}") from error


async def _refuse_no_sessions(database: Database) -> None:
    status = await _status(database)
    if status.applied == 0:
        raise ConfigurationError(f"{database.address} contains no sessions of bodhi")
    if status.applied > status.known:
        raise SchemaTooNew(f"{database.address} was created by a newer version of bodhi: copy with that version")


def _reseal(settings: Settings, to_key: str) -> "Reseal":
    from bodhi.keyring import Keyring
    from bodhi.transfer.copy import resealing

    return resealing(Keyring(settings.encryption_keys), Keyring(keys_named(to_key)))


def keys_named(name: str) -> tuple[str, ...]:
    """Read the keys in the environment variable or file *name*; raise :exc:`ConfigurationError`.

    The name is never repeated in an error: it may be a key, by mistake.
    """
    text = os.environ.get(name) if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else None
    if text is None:
        text = _file_text(Path(name))
    kind = kinds.keys()
    try:
        return kind.parse(text.strip())
    except ValueError as error:
        raise ConfigurationError(f"--to-key: the value {error}; allowed: {kind.allowed}") from None


def _file_text(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigurationError(
                "--to-key: other users have access to the file; allowed: mode 0600, as chmod 600 sets it"
            )
        return path.read_text("utf-8")
    except (OSError, ValueError):
        raise ConfigurationError(
            "--to-key: neither an environment variable nor a readable file has this name; "
            "the key itself does not belong on the command line"
        ) from None
