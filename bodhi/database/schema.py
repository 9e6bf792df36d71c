"""Numbered migrations and the table that records them.

A database may hold several *parts* (the sessions; later the application's own tables), each with its own folder of
migrations and its own numbers, so that parts may share a database or not.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property

from bodhi.database.errors import CannotOpen, DatabaseError, SchemaOutdated, SchemaTooNew
from bodhi.database.protocol import Database
from bodhi.database.statements import sql_folder

LONGEST_MIGRATION_SECONDS = 600.0
VERSION_TABLE = "bodhi_schema"
ENCODINGS = ("UTF8", "SQL_ASCII")  # the latter keeps bytes as they come

log = logging.getLogger(__name__)

_TABLE = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
_FILE = re.compile(r"^(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``sql/<dialect>/migrations/<part>/``."""

    version: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The version of a part's schema in the database, and the program's own."""

    part: str
    applied: int
    known: int

    @property
    def is_current(self) -> bool:
        """Whether the program can use the database without a migration."""
        return self.applied == self.known


class Schema:
    """The schema of one part in one database."""

    def __init__(self, database: Database, part: str) -> None:
        self._database = database
        self._part = part

    @cached_property
    def migrations(self) -> list[Migration]:
        """The part's migrations in order; their numbers run from 1 without a gap."""
        return list(_read_migrations(self._database.dialect, self._part))

    async def status(self) -> SchemaStatus:
        """Return the schema's version; changes nothing."""
        applied = 0
        if await self._database.maybe("find_version_table"):
            row = await self._database.maybe("find_version", part=self._part)
            applied = int(row["version"] or 0) if row else 0
        return SchemaStatus(self._part, applied, len(self.migrations))

    async def check(self) -> None:
        """Raise :exc:`SchemaTooNew`, :exc:`SchemaOutdated` or :exc:`DatabaseError` unless the program can use it."""
        await self._check_connection(writes=False)
        status = await self.status()
        self._refuse_newer(status.applied)
        if not status.is_current:
            raise SchemaOutdated(
                f"{self._database.address} is at version {status.applied} of the {self._part} schema and this program "
                f"needs {status.known}: run `python -m bodhi db migrate`"
            )
        await self._check_tables()

    async def migrate(self) -> list[Migration]:
        """Apply the missing migrations in one transaction, and return them.

        If several processes start at once, one migrates; the others wait for it and find nothing to do.
        Raises :exc:`SchemaTooNew`, or :exc:`DatabaseError` if the database is not suitable.
        """
        status = await self.status()
        await self._check_connection(writes=not status.is_current)
        self._refuse_newer(status.applied)
        missing = [] if status.is_current else await self._migrate()
        await self._check_tables()
        return missing

    async def _migrate(self) -> list[Migration]:
        async with self._database.transaction(limit_seconds=LONGEST_MIGRATION_SECONDS) as transaction:
            await transaction.maybe("lock_schema")
            await transaction.maybe("create_schema")
            await transaction.maybe("create_version_table")
            row = await transaction.maybe("find_version", part=self._part)
            applied = int(row["version"] or 0) if row else 0
            self._refuse_newer(applied)
            missing = self.migrations[applied:]
            for migration in missing:
                await transaction.script(migration.sql)
            # At the end, so that a migration can distinguish a database in use from a new one.
            for migration in missing:
                await transaction.count(
                    "record_version", part=self._part, version=migration.version, name=migration.name
                )
        if not applied:
            # A misspelt file or schema would otherwise look like an empty one.
            log.info("created the %s tables in %s, which had none", self._part, self._database.address)
        elif missing:
            known, address = len(self.migrations), self._database.address
            log.info("migrated the %s schema in %s from version %d to %d", self._part, address, applied, known)
        return missing

    async def _check_connection(self, *, writes: bool) -> None:
        """Refuse a standby, and with *writes* a database in which the schema cannot be created or migrated.

        A primary that is read-only for a time, as at hosting providers while a disk is full, serves reads.
        """
        connection = await self._database.maybe("describe_connection")
        assert connection is not None
        if connection["is_standby"] or (writes and connection["is_read_only"]):
            raise DatabaseError(
                "it is read-only: name the primary (target_session_attrs=read-write), or set "
                "default_transaction_read_only = off for the role and the database"
            )
        if connection["encoding"] not in ENCODINGS:
            raise DatabaseError(
                f"its encoding is {connection['encoding']}, which cannot hold every text: "
                "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )

    async def _check_tables(self) -> None:
        present = {row["name"] for row in await self._database.many("list_tables")}
        absent = sorted(_tables_of(self.migrations) - present)
        if absent:
            raise DatabaseError(
                f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing, though the schema is up to date: "
                "restore the database, or take an empty one"
            )

    def _refuse_newer(self, applied: int) -> None:
        if applied > len(self.migrations):
            raise SchemaTooNew(
                f"{self._database.address} is at version {applied} of the {self._part} schema, and this program knows "
                f"only {len(self.migrations)}: run a newer bodhi"
            )


@contextmanager
def refusing_to_open(database: Database) -> Iterator[None]:
    """Raise database errors of the block as :exc:`CannotOpen`, with the address and the cause."""
    try:
        yield
    except DatabaseError as error:
        raise CannotOpen(f"cannot open {database.address}: {error}") from error


@cache
def _read_migrations(dialect: str, part: str) -> Sequence[Migration]:
    folder = sql_folder(dialect) / "migrations" / part
    found = [(match, file) for file in folder.iterdir() if (match := _FILE.match(file.name))]
    migrations = [Migration(int(match["version"]), match["name"], file.read_text("utf-8")) for match, file in found]
    return sorted(migrations, key=lambda migration: migration.version)


def _tables_of(migrations: Iterable[Migration]) -> set[str]:
    return {VERSION_TABLE, *_TABLE.findall("\n".join(migration.sql for migration in migrations))}
