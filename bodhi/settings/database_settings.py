"""The settings of the databases and of what is kept in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from bodhi.settings import kinds, names
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.urls import mask_url, sqlite_url


def _session_database(values: Mapping[str, Any]) -> str:
    return sqlite_url(values["home"] / "session.sqlite")


def _application_database(values: Mapping[str, Any]) -> str:
    if values["deployment"] == "cluster":
        return str(values["session_db_url"])
    return sqlite_url(values["home"] / "bodhi.sqlite")


@dataclass(frozen=True, repr=False)
class DatabaseSettings:
    """Databases: where they are and how they are used."""

    session_db_url: Annotated[
        str,
        Setting(
            names.BODHI_SESSION_DB_URL,
            kinds.database_url(),
            Derived("sqlite:$BODHI_HOME/session.sqlite", _session_database),
            "Database of the sessions; its scheme chooses between SQLite and PostgreSQL.",
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
            "PostgreSQL schema of the session tables; not set, the connection's search_path decides.",
        ),
    ]
    database_url: Annotated[
        str,
        Setting(
            names.BODHI_DATABASE_URL,
            kinds.database_url(),
            Derived(
                "sqlite:$BODHI_HOME/bodhi.sqlite in standalone, BODHI_SESSION_DB_URL in cluster", _application_database
            ),
            "The application's own database, with tables and a pool of its own.",
            mask=mask_url,
        ),
    ]
    encryption_keys: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_ENCRYPTION_KEY,
            kinds.keys(),
            Derived(
                "in standalone the key file $BODHI_HOME/encryption.key (mode 0600, made when missing); in cluster none",
                lambda _: (),
            ),
            "Keys that encrypt session data, separated by commas: the first one writes, all of them read. A fresh "
            "one: python -m bodhi config generate-key.",
            refused_in={Source.COMMAND_LINE: "there other users of the machine can read it"},
            secret=True,
        ),
    ]
    db_auto_migrate: Annotated[
        bool,
        Setting(
            names.BODHI_DB_AUTO_MIGRATE,
            kinds.switch(),
            "true",
            "Bring the database schema up to date at start; false: only python -m bodhi db migrate does.",
        ),
    ]
    db_pool_size: Annotated[
        int,
        Setting(
            names.BODHI_DB_POOL_SIZE,
            kinds.whole_number(1, 1_000),
            "10",
            "Most connections to one PostgreSQL database, in each process.",
        ),
    ]
    db_timeout_seconds: Annotated[
        float,
        Setting(
            names.BODHI_DB_TIMEOUT,
            kinds.fine_seconds(0.1, 300),
            "5",
            "Longest wait on a database: for a connection, a lock or an answer.",
        ),
    ]
    pg_statement_cache_size: Annotated[
        int,
        Setting(
            names.BODHI_PG_STATEMENT_CACHE_SIZE,
            kinds.whole_number(0, 10_000),
            "100",
            "Prepared statements kept by each PostgreSQL connection; 0 for PgBouncer before 1.21 in transaction mode.",
        ),
    ]
    sqlite_readers: Annotated[
        int,
        Setting(
            names.BODHI_SQLITE_READERS,
            kinds.whole_number(1, 64),
            "2",
            "Connections that read one SQLite file, beside the one that writes.",
        ),
    ]
    sqlite_synchronous: Annotated[
        str,
        Setting(
            names.BODHI_SQLITE_SYNCHRONOUS,
            kinds.choice("full", "normal"),
            "full",
            "full: what was answered survives a power cut. normal: faster writes, of which a power cut may lose "
            "the last ones.",
        ),
    ]
