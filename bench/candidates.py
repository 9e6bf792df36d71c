"""What is measured side by side, by name. Servers whose memory is measured import this: it imports nothing itself."""

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
# Of each database: the floors that bodhi on it is compared with. The one that takes least counts.
FLOORS = {name: (f"floor_{name}", f"floor_{name}_batched") for name in BODHI}
REFERENCE = "redis"
WITHOUT_SESSIONS = "none"
PING_FLOOR = "floor_ping"


def kind_of(name: str) -> str:
    """What :mod:`bench.application` calls the candidate of that *name*."""
    return "bodhi" if name in BODHI else name
