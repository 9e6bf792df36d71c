"""Checks of ``bodhi doctor``; all of them are read-only."""

import asyncio
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from bodhi.cli.db import Part, is_absent_file, parts_of
from bodhi.cli.findings import Finding, State
from bodhi.cli.provider_checks import provider_findings
from bodhi.database import CannotOpen, Database, DatabaseError, Schema, SchemaStatus, dialect_of, sqlite_path
from bodhi.errors import BodhiError, ConfigurationError
from bodhi.keyring import NEWEST_FORMAT, Keyring
from bodhi.session import OpenedBy
from bodhi.settings import Resolution, Settings, mask_url, resolve_settings, with_encryption_keys
from bodhi.settings.key_file import FILE_NAME
from bodhi.settings.setting import Source

SET_IT = "set it"
CORRECT_IT = "correct the setting in the source that the line names"
MIGRATE = "run `python -m bodhi db migrate`"
REKEY = (
    "run `python -m bodhi sessions rekey`; after it exits with status 0, remove the old keys from BODHI_ENCRYPTION_KEY"
)
REKEY_FORMAT = "run `python -m bodhi sessions rekey`; run it again if sessions changed meanwhile"
NEW_FORMAT = "after all nodes are upgraded, run `python -m bodhi sessions rekey --newest-format`"
OLD_KEY = "add the old key after the first one in BODHI_ENCRYPTION_KEY: the users of these sessions are signed out"
NTP = "synchronize both clocks with NTP: sessions use the database's clock, tokens this machine's"
KEY_FILE = "restore the key file if there was one: the server creates a new one, which cannot decrypt stored sessions"
NEW_KEY_FILE = "the server creates the key file at its first start"
NOT_WHOLE = "the tables do not match the schema version: restore the whole database, or use an empty one"

SAMPLE = 1000  # sessions
CLOCK_WARNING_SECONDS, CLOCK_FAULT_SECONDS = 2.0, 30.0


def findings_about(given: Mapping[str, str]) -> Iterator[Finding]:
    """Yield all findings; *given* are the settings of the command line."""
    try:
        resolution = resolve_settings(given)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            yield Finding("settings", "fault", line, SET_IT if f"({Source.DEFAULT}): " in line else CORRECT_IT)
        yield from (Finding("settings", "warning", warning) for warning in error.warnings)
        return
    yield from (Finding("settings", "warning", warning) for warning in resolution.warnings)
    settings = resolution.settings
    yield Finding("settings", "ok", f"all are valid; BODHI_DEPLOYMENT is {settings.deployment}")
    yield from _files(resolution)
    is_usable = True
    for part in parts_of(settings):
        findings = list(_database(part, will_migrate=settings.db_auto_migrate))
        yield from findings
        if part.name == "session":
            is_usable = findings[0].state == "ok"
    yield from _keys(settings, is_usable=is_usable)
    yield from provider_findings(settings)


def _files(resolution: Resolution) -> Iterator[Finding]:
    """Check that other users of the machine have no access to files with secrets."""
    settings = resolution.settings
    files = [settings.home / FILE_NAME]
    for url in dict.fromkeys((settings.session_db_url, settings.database_url)):
        if dialect_of(url) == "sqlite":
            files += [Path(sqlite_path(url) + suffix) for suffix in ("", "-wal", "-shm")]
    # The server keeps its own files closed. The others are the operator's, who may have reasons: a mounted secret
    # belongs to another user, and chmod would keep the server from reading it.
    given = [path for path in resolution.files if settings.home not in path.parents]
    wanted: list[tuple[Path, str, State]] = [
        (settings.home, "700", "fault"),
        *((path, "600", "fault") for path in files),
        *((path, "600", "warning") for path in given if path.exists() and path.stat().st_uid == os.getuid()),
    ]
    open_to_others = [
        Finding("files", state, f"{path} is accessible to other users (mode {mode:04o})", f"chmod {closed} {path}")
        for path, closed, state in wanted
        if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077
    ]
    yield from open_to_others or [Finding("files", "ok", "no file is accessible to other users of this machine")]


def _database(part: Part, *, will_migrate: bool) -> Iterator[Finding]:
    """Check that the database is reachable, its schema current and its clock right."""
    check = f"{part.name} database"
    if is_absent_file(part.url):
        yield Finding(
            check, "warning", f"{mask_url(part.url)} does not exist", f"the server creates it at startup, or {MIGRATE}"
        )
        return

    async def look() -> list[Finding]:
        async with part.database as database:
            status = await Schema(database, part.name).status()
            return [_schema(check, part, status, will_migrate=will_migrate), await _clock(check, database)]

    try:
        with part.faults():
            findings = asyncio.run(look())
    except ConfigurationError as error:
        advice = "check that the database runs, that the setting is right, and that this machine can reach it"
        findings = [Finding(check, "fault", str(error), advice)]
    yield from findings


def _schema(check: str, part: Part, status: SchemaStatus, *, will_migrate: bool) -> Finding:
    message = f"{mask_url(part.url)} is reachable; its schema is at version {status.applied} of {status.known}"
    if status.is_current:
        return Finding(check, "ok", message)
    if status.applied > status.known:
        return Finding(
            check,
            "fault",
            message,
            "it was created by a newer version of bodhi: install that version, or use another database",
        )
    if will_migrate:
        return Finding(check, "warning", message, f"the server migrates it at startup, or {MIGRATE}")
    return Finding(check, "fault", message, MIGRATE)


async def _clock(check: str, database: Database) -> Finding:
    started_at = time.time()
    row = await database.maybe("read_clock", now=None)
    answered_at = time.time()
    now = row["now"] / 1000 if row else answered_at
    # The database read its clock between the two times.
    apart = max(started_at - now, now - answered_at, 0.0)
    message = f"its clock and this machine's are {apart:.1f} s apart"
    if apart > CLOCK_FAULT_SECONDS:
        return Finding(check, "fault", message, NTP)
    return Finding(check, "warning", message, NTP) if apart > CLOCK_WARNING_SECONDS else Finding(check, "ok", message)


def _keys(settings: Settings, *, is_usable: bool) -> Iterator[Finding]:
    """Check that a sample of sessions can be decrypted."""
    if not settings.encryption_keys and not (settings.home / FILE_NAME).exists():
        message = f"there is neither BODHI_ENCRYPTION_KEY nor the key file {settings.home / FILE_NAME}"
        is_new = all(is_absent_file(part.url) for part in parts_of(settings))
        yield Finding("keys", "warning", message, NEW_KEY_FILE if is_new else KEY_FILE)
        return
    try:
        keyed = with_encryption_keys(settings)
        ids = ", ".join(Keyring(keyed.encryption_keys).ids)
        yield Finding("keys", "ok", f"ids of the configured keys, newest first: {ids}")
        if is_usable:
            counts, data_format = asyncio.run(_sample(keyed))
            yield from _sampled(counts)
            yield from _format(counts, data_format)
        else:
            yield Finding("keys", "warning", "no session could be checked", "see the session database above")
    except (CannotOpen, DatabaseError) as error:
        yield Finding("keys", "fault", f"no session could be checked: {error}", NOT_WHOLE)
    except BodhiError as error:
        yield Finding("keys", "fault", str(error), "correct the key file, or set BODHI_ENCRYPTION_KEY")


async def _sample(settings: Settings) -> tuple[Counter[OpenedBy], int]:
    from bodhi.server.databases import session_service

    async with session_service(settings, sweep_seconds=None, auto_migrate=False) as service:
        return await service.sample_keys(SAMPLE), await service.data_format()


def _sampled(counts: Counter[OpenedBy]) -> Iterator[Finding]:
    seen = sum(counts.values())

    def count_of(number: int) -> str:
        return f"{number} of {seen} session{'' if seen == 1 else 's'} {'is' if number == 1 else 'are'}"

    if counts["unknown"]:
        message = f"{count_of(counts['unknown'])} encrypted with a key that is not configured"
        yield Finding("keys", "fault", message, OLD_KEY)
    if counts["damaged"]:
        advice = "no action needed: each is quarantined when its browser sends a request"
        yield Finding("keys", "warning", f"{count_of(counts['damaged'])} damaged", advice)
    if counts["older"]:
        yield Finding("keys", "warning", f"{count_of(counts['older'])} encrypted with an older key", REKEY)
    if not seen:
        yield Finding("keys", "ok", "there are no sessions to check")
    elif counts["newest"] + counts["older_format"] == seen:
        which = "the one session that was checked" if seen == 1 else f"all {seen} sessions that were checked"
        yield Finding("keys", "ok", f"the newest key decrypts {which}")


def _format(counts: Counter[OpenedBy], data_format: int) -> Iterator[Finding]:
    """Check that sessions use the newest format, which authenticates user and times; see docs/how-to/upgrade.md."""
    if data_format < NEWEST_FORMAT:
        message = "sessions are written in the format of version 0.1.0, which does not protect their user and times"
        yield Finding("keys", "warning", message, NEW_FORMAT)
    elif counts["older_format"]:
        message = f"{counts['older_format']} of {sum(counts.values())} sessions that were checked have an older format"
        yield Finding("keys", "warning", message, REKEY_FORMAT)
