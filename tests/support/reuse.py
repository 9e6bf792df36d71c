"""A database that one test after another uses: each finds it as it was made, or not at all."""

from contextlib import suppress
from typing import Self

import asyncpg

# Of the connection that stays open beside those of the test.
APPLICATION_NAME = "databases of the tests"
_FIRST_OID = 16_384  # of what is no part of PostgreSQL itself

_CONNECTED = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
"""
# Emptying a table changes its row of pg_class, whose columns are compared for that reason; of other catalogs, every
# version of a row is another.
_VERSIONED = {
    "pg_attribute": f"attrelid >= {_FIRST_OID}",
    "pg_attrdef": "true",
    "pg_constraint": f"oid >= {_FIRST_OID}",
    "pg_db_role_setting": "setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
    "pg_extension": "true",
    "pg_index": f"indexrelid >= {_FIRST_OID}",
    "pg_largeobject_metadata": "true",
    "pg_namespace": "true",
    "pg_policy": "true",
    "pg_proc": f"oid >= {_FIRST_OID}",
    "pg_statistic": f"starelid >= {_FIRST_OID}",
    "pg_trigger": "true",
    "pg_type": f"oid >= {_FIRST_OID}",
}
_SCHEMA = f"""
SELECT count(*), sum(hashtextextended(part, 0))
  FROM (SELECT concat_ws(' ', oid, relname, relkind, relnamespace, relowner, relam, relnatts, relhastriggers,
                         relrowsecurity, relpersistence, relacl, reloptions)
          FROM pg_class
         WHERE oid >= {_FIRST_OID}
     UNION ALL {
    " UNION ALL ".join(
        f"SELECT concat_ws(' ', '{catalog}', ctid, xmin) FROM {catalog} WHERE {condition}"
        for catalog, condition in _VERSIONED.items()
    )
}) AS parts (part)
"""
# Tables that have had rows, though none may be left, and sequences that have been used.
_USED = f"""
SELECT oid::regclass::text AS name, relkind = 'r' AS is_table
  FROM pg_class
 WHERE oid >= {_FIRST_OID}
   AND CASE relkind WHEN 'r' THEN pg_relation_size(oid) > 0 WHEN 'S' THEN pg_sequence_last_value(oid) IS NOT NULL END
"""


class ReusableDatabase:
    """A database whose schema, and rows, are those that there were when it was made."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self.url = url
        self._connection = connection
        self._schema: asyncpg.Record | None = None
        self._rows: dict[str, list[asyncpg.Record]] = {}

    @classmethod
    async def open(cls, url: str) -> Self:
        """Note what the new database at *url* consists of."""
        settings = {"application_name": APPLICATION_NAME, "lock_timeout": "10s"}
        database = cls(url, await asyncpg.connect(url, timeout=300, server_settings=settings))
        database._schema = await database._connection.fetchrow(_SCHEMA)
        database._rows = await database._stored()
        return database

    async def renewed(self) -> bool:
        """Whether it is as it was made, once the rows of a test are gone; False too where somebody is connected."""
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            if await self._connection.fetchval(_CONNECTED) or self._schema != await self._connection.fetchrow(_SCHEMA):
                return False
            used = await self._connection.fetch(_USED)
            if filled := [name for name, is_table in used if is_table and name not in self._rows]:
                await self._connection.execute(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY")
            return self._rows == await self._stored()
        return False

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close(timeout=60)

    async def _stored(self) -> dict[str, list[asyncpg.Record]]:
        """All rows, by table."""
        return {name: await self._connection.fetch(f"TABLE {name}") for name, _ in await self._connection.fetch(_USED)}
