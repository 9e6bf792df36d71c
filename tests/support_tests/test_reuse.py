"""A database that was used by a test is used again as it was made, or dropped."""

from collections.abc import Iterator

import asyncpg
import pytest

from support.databases import Databases

REQUEST = (
    "INSERT INTO bodhi_access_request (username, user_id, status, created_at, updated_at)"
    " VALUES ('ann', 'a', 'pending', 1, 1)"
)


@pytest.fixture(scope="module")
def databases(postgres_databases: Databases) -> Iterator[Databases]:
    """Databases that no test used before."""
    databases = Databases(postgres_databases.url)
    yield databases
    databases.close()


async def _after(databases: Databases, script: str) -> tuple[str, list[str]]:
    """The database that ran *script*, and those of the next two tests."""
    with databases.reused() as used:
        connection = await asyncpg.connect(used, timeout=300)
        await connection.execute(script)
        await connection.close()
    later = []
    for _ in range(2):
        with databases.reused() as url:
            later.append(url)
    return used, later


@pytest.mark.parametrize("script", ["SELECT", REQUEST, f"{REQUEST}; DELETE FROM bodhi_access_request"])
async def test_rows_are_gone(databases: Databases, script: str) -> None:
    """And identities begin anew."""
    used, later = await _after(databases, script)

    assert used in later
    connection = await asyncpg.connect(used, timeout=300)
    assert 1 == await connection.fetchval(f"{REQUEST} RETURNING id")
    assert 1 == await connection.fetchval("SELECT count(*) FROM bodhi_access_request")
    await connection.close()


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE mine (a int)",
        "ALTER TABLE bodhi_person ADD COLUMN mine int",
        "ALTER TABLE bodhi_person ALTER COLUMN username SET DEFAULT 'ann'",
        "ALTER TABLE bodhi_person SET (fillfactor = 50)",
        "ALTER TABLE bodhi_person ENABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON bodhi_person TO PUBLIC",
        "CREATE INDEX ON bodhi_person (username)",
        "DROP INDEX bodhi_person_role",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE OR REPLACE FUNCTION now_ms(fixed bigint) RETURNS bigint LANGUAGE sql STABLE RETURN 1",
        "CREATE SCHEMA mine",
        "CREATE TYPE mine AS ENUM ('a')",
        "CREATE SEQUENCE mine",
        "SELECT lo_create(0)",
        f"{REQUEST}; ANALYZE bodhi_access_request",
        "SELECT nextval('bodhi_access_request_id_seq')",
        "DELETE FROM bodhi_schema WHERE name = 'partitions'",
        "UPDATE bodhi_session_format SET written = 1",
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database()); END$$",
    ],
)
async def test_what_a_test_changed_is_dropped(databases: Databases, script: str) -> None:
    """Whatever is not a row of a table that was empty."""
    used, later = await _after(databases, script)

    assert used not in later
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(used, timeout=300)


async def test_a_database_with_connections_is_dropped(databases: Databases) -> None:
    """Nobody writes to it while another test runs."""
    with databases.reused() as used:
        left_open = await asyncpg.connect(used, timeout=300)
    for _ in range(2):
        with databases.reused() as url:
            assert used != url

    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(used, timeout=300)
    left_open.terminate()


async def test_a_database_that_a_test_dropped_is_not_missed(databases: Databases) -> None:
    """The next test gets another one."""
    with databases.reused() as used:
        databases.drop(used)
    for _ in range(2):
        with databases.reused() as url:
            assert used != url
