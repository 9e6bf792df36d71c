"""Create databases on the PostgreSQL server of a run."""

import asyncio


def create_database(server_url: str, name: str) -> str:
    """Create an empty database on the server, replacing one of the same name; return its URL."""
    import asyncpg

    async def create() -> None:
        connection = await asyncpg.connect(server_url)
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    asyncio.run(create())
    return f"{server_url.rpartition('/')[0]}/{name}"
