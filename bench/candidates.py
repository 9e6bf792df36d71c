"""The names of the compared candidates. Imports nothing, because servers whose memory is measured import it."""

TITLES = {
    "none": "aiohttp with no session at all",
    "cookie": "EncryptedCookieStorage",
    "redis": "RedisStorage",
    "pool": "PostgreSQL, asyncpg's pool as it comes",
    "shared": "SQLite, one aiosqlite connection",
    "floor_postgres": "floor on PostgreSQL",
    "floor_postgres_batched": "floor on PostgreSQL, concurrent calls batched",
    "postgres": "bodhi on PostgreSQL",
    "floor_sqlite": "floor on SQLite",
    "floor_sqlite_batched": "floor on SQLite, concurrent calls batched",
    "sqlite": "bodhi on SQLite",
}
BODHI = ("postgres", "sqlite")
# The floors that bodhi is compared with on each database; the cheaper one counts.
FLOORS = {name: (f"floor_{name}", f"floor_{name}_batched") for name in BODHI}
REFERENCE = "redis"
WITHOUT_SESSIONS = "none"
PING_FLOOR = "floor_ping"


def kind_of(name: str) -> str:
    """Return the kind that :mod:`bench.application` needs for the candidate *name*."""
    return "bodhi" if name in BODHI else name
