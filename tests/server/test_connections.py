"""How many connections a process opens to PostgreSQL: what the documentation counts with."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from bodhi.server.app import create_app
from bodhi.session import SESSIONS
from bodhi.settings import load_settings
from support.postgres_locks import OTHERS

POOL_SIZE = 3
DEADLINE_SECONDS = 60
DOCS = Path(__file__).parents[2] / "docs" / "how-to"
ONE_POOL = ["{0}", "{0}?", "{0}?application_name=&connect_timeout=0"]  # different texts of one address
OPEN = f"SELECT count(*) FROM pg_stat_activity WHERE {OTHERS}"
WAITING = f"{OPEN} AND wait_event_type = 'Lock'"


async def _opened_under_load(aiohttp_client, tmp_path, postgres_url, database_url):
    """How many connections are open when more requests than connections wait for locked tables."""
    environ = {
        "BODHI_HOME": str(tmp_path / "bodhi"),
        "BODHI_SESSION_DB_URL": postgres_url,
        "BODHI_DATABASE_URL": database_url,
        "BODHI_DB_POOL_SIZE": str(POOL_SIZE),
        "BODHI_DB_TIMEOUT": str(DEADLINE_SECONDS),
    }
    client = await aiohttp_client(create_app(load_settings(environ=environ, cwd=tmp_path)))
    sessions = client.app[SESSIONS]
    _, session = await sessions.create({"a": 1})
    waiting = [asyncio.ensure_future(sessions.revocations.ended(session.record.digest))]
    observer, locker = [await asyncpg.connect(postgres_url) for _ in range(2)]
    pools = 1 if database_url != f"{postgres_url}?application_name=other" else 2
    try:
        async with locker.transaction(), asyncio.timeout(DEADLINE_SECONDS):
            await locker.execute("LOCK TABLE bodhi_session, bodhi_instance, bodhi_lease IN ACCESS EXCLUSIVE MODE")
            paths = ("/health", "/bodhi/v1/info") * 5 * POOL_SIZE
            waiting.extend(asyncio.ensure_future(client.get(path)) for path in paths)
            while await observer.fetchval(WAITING) < POOL_SIZE * pools or await observer.fetchval(OPEN) < 2:
                await asyncio.sleep(0.01)
            for _ in range(50):  # nothing comes to it
                opened = await observer.fetchval(OPEN) - 1  # but for the one that locks
                await asyncio.sleep(0)
        await asyncio.wait(waiting[1:])
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await observer.close()
        await locker.close()
    return opened


@pytest.mark.parametrize("url", ONE_POOL)
async def test_sessions_and_application_in_one_database_share_a_pool(aiohttp_client, tmp_path, postgres_url, url):
    """And one connection hears of sessions that end."""
    opened = await _opened_under_load(aiohttp_client, tmp_path, postgres_url, url.format(postgres_url))

    assert opened <= POOL_SIZE + 1


async def test_another_role_or_application_name_has_a_pool_of_its_own(aiohttp_client, tmp_path, postgres_url):
    """What the URLs say of the connections differs."""
    url = f"{postgres_url}?application_name=other"

    opened = await _opened_under_load(aiohttp_client, tmp_path, postgres_url, url)

    assert POOL_SIZE * 2 <= opened <= POOL_SIZE * 2 + 1


def test_the_documentation_counts_with_one_pool():
    """Its formula, and the sum of its example."""
    page = " ".join((DOCS / "run-a-highly-available-cluster.md").read_text("utf-8").split())

    assert "opens on the leader up to BODHI_DB_POOL_SIZE + 1 connections" in page
    assert f"4 nodes with 2 workers open up to 8 \u00d7 {10 + 1} = {4 * 2 * (10 + 1)}" in page
