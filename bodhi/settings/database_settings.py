"""Settings of the databases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from bodhi.settings import address_kinds, kinds, names
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.sqlite_urls import sqlite_url
from bodhi.urls import mask_url


def _session_database(values: Mapping[str, Any]) -> str:
    return sqlite_url(values["home"] / "session.sqlite")


def _application_database(values: Mapping[str, Any]) -> str:
    if values["deployment"] == "cluster":
        return str(values["session_db_url"])
    return sqlite_url(values["home"] / "bodhi.sqlite")


@dataclass(frozen=True, repr=False)
class DatabaseSettings:
    """Databases: URLs, encryption keys, pools and time limits."""

    session_db_url: Annotated[
        str,
        Setting(
            names.BODHI_SESSION_DB_URL,
            address_kinds.database_url(),
            Derived("sqlite:$BODHI_HOME/session.sqlite", _session_database),
            "Database of the sessions; the scheme selects SQLite or PostgreSQL.",
            mask=mask_url,
        ),
    ]
    session_db_schema: Annotated[
        str | None,
        Setting(
            names.BODHI_SESSION_DB_SCHEMA,
            kinds.pattern(
                "(?!pg_)[a-z_][a-z0-9_]{0,62}",
                "1 to 63 lower-case letters, digits and _, neither a digit nor pg_ first",
            ),
            None,
            "PostgreSQL schema of the session tables; not set: the connection's search_path.",
        ),
    ]
    database_url: Annotated[
        str,
        Setting(
            names.BODHI_DATABASE_URL,
            address_kinds.database_url(),
            Derived(
                "sqlite:$BODHI_HOME/bodhi.sqlite in standalone, BODHI_SESSION_DB_URL in cluster", _application_database
            ),
            "Database of the application's own tables. On PostgreSQL, if it is the session database, both share one "
            "connection pool.",
            mask=mask_url,
        ),
    ]
    encryption_keys: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_ENCRYPTION_KEY,
            kinds.keys(),
            Derived(
                "in standalone the key file $BODHI_HOME/encryption.key (0600, created if missing); in cluster none",
                lambda _: (),
            ),
            "Encryption keys of stored data, separated by commas: the first one encrypts, all of them decrypt. "
            "Generate one with python -m bodhi config generate-key.",
            refused_in={Source.COMMAND_LINE: "other users of the machine can read it there"},
            secret=True,
        ),
    ]
    db_auto_migrate: Annotated[
        bool,
        Setting(
            names.BODHI_DB_AUTO_MIGRATE,
            kinds.switch(),
            "true",
            "Whether the server migrates the database schemas at startup; false: only python -m bodhi db migrate does.",
        ),
    ]
    db_pool_size: Annotated[
        int,
        Setting(
            names.BODHI_DB_POOL_SIZE,
            kinds.whole_number(1, 1_000),
            "10",
            "Maximum number of connections to one PostgreSQL database, per process.",
        ),
    ]
    db_timeout_seconds: Annotated[
        float,
        Setting(
            names.BODHI_DB_TIMEOUT,
            kinds.fine_seconds(0.1, 300),
            "5s",
            "Time limit for waiting on a database: for a connection, a lock or a result.",
        ),
    ]
    pg_statement_cache_size: Annotated[
        int,
        Setting(
            names.BODHI_PG_STATEMENT_CACHE_SIZE,
            kinds.whole_number(0, 10_000),
            "100",
            "Prepared statements cached per PostgreSQL connection; 0 for PgBouncer before 1.21 in transaction mode.",
        ),
    ]
    sqlite_readers: Annotated[
        int,
        Setting(
            names.BODHI_SQLITE_READERS,
            kinds.whole_number(1, 64),
            "2",
            "Read connections per SQLite file, in addition to the one that writes.",
        ),
    ]
    sqlite_synchronous: Annotated[
        str,
        Setting(
            names.BODHI_SQLITE_SYNCHRONOUS,
            kinds.choice("full", "normal"),
            "full",
            "Durability of SQLite writes. full: committed writes survive a power failure. normal: writes are faster; a "
            "power failure may lose the last ones.",
        ),
    ]
