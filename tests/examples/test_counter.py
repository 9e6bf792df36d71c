import asyncio

import aiohttp
import pytest


@pytest.fixture
async def visitor():
    """A client with a cookie jar."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def visit(visitor, url):
    """Return the page that the visitor gets."""
    async with visitor.get(url) as response:
        assert 200 == response.status
        return await response.text()


async def test_counter_survives_a_restart(run, visitor, database_url, key):
    """The count is the visitor's own, and with the same key it outlives the process."""
    settings = {"BODHI_SESSION_DB_URL": database_url, "BODHI_ENCRYPTION_KEY": key}
    first = await run("counter.py", **settings)
    seen = [await visit(visitor, first.url) for _ in range(2)]
    assert 0 == await asyncio.to_thread(first.stop), first.log.read_text()

    second = await run("counter.py", **settings)

    assert ["Visit 1\n", "Visit 2\n", "Visit 3\n"] == [*seen, await visit(visitor, second.url)]


async def test_the_counter_needs_no_database_url(run, visitor, tmp_path, key):
    """Without one it makes a file where it was started."""
    example = await run("counter.py", BODHI_ENCRYPTION_KEY=key)

    assert "Visit 1\n" == await visit(visitor, example.url)
    assert (tmp_path / "counter.sqlite").exists()


def test_counter_requires_a_key(run_to_the_end):
    """A key of its own would be forgotten with the process, and one in the code known to everybody."""
    ended = run_to_the_end("counter.py")

    assert ended.returncode
    assert "BODHI_ENCRYPTION_KEY" in ended.stderr.splitlines()[-1]
