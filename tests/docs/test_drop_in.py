"""The programs in the documentation work when run as printed."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import aiohttp
import asyncpg
import pytest

from bodhi.database import Schema, open_database
from bodhi.session import DefaultSessionService
from support.ports import free_port

MARK = "<!-- The tests run this block. -->\n```python\n"
KEY = "a-key-for-the-documentation-that-is-at-least-32-characters-long"
DEADLINE_SECONDS = 300
# The port of the page is somebody else's, perhaps.
RUN = """
import functools, sys
from aiohttp import web
web.run_app = functools.partial(web.run_app, host="127.0.0.1", port=int(sys.argv[2]))
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {"__name__": "__main__"})
"""


def block_of(text):
    """Return the program on a page."""
    return text.split(MARK, 1)[1].split("\n```", 1)[0]


@pytest.fixture
async def start(tmp_path):
    """Starts a program; returns its URL when it listens."""
    processes = []

    async def start(code, **environment):
        program = tmp_path / "app.py"
        program.write_text(code, "utf-8")
        port = free_port()
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", RUN, program, str(port)],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": os.environ["HOME"],
                    "BODHI_ENCRYPTION_KEY": KEY,
                    **environment,
                },
                cwd=tmp_path,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return f"http://127.0.0.1:{port}"
        pytest.fail(f"it does not listen:\n{(tmp_path / 'log').read_text()}")

    async def stop():
        processes[-1].terminate()
        assert 0 == await asyncio.to_thread(processes[-1].wait, DEADLINE_SECONDS)

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    for process in processes:
        process.kill()
        process.wait(DEADLINE_SECONDS)


@pytest.fixture
async def browser():
    """A client with a cookie jar."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def text_of(answer):
    """Return the body of a successful response."""
    async with answer as response:
        assert 200 == response.status
        return await response.text()


async def test_program_in_the_readme_works(pages, start, browser, database_url):
    """It counts, and on PostgreSQL nothing but the URL differs."""
    code = block_of(pages["README.md"])
    assert "sqlite:visits.sqlite" in code

    url = await start(code.replace("sqlite:visits.sqlite", database_url))

    assert ["Visit 1", "Visit 2"] == [await text_of(browser.get(url)) for _ in range(2)]


async def test_program_in_the_quickstart_works(pages, start, browser, database_url):
    """Ann is logged in after a restart as well, and logged out when she says so."""
    code = block_of(pages["docs/quickstart.md"])
    first = await start(code, BODHI_SESSION_DB_URL=database_url)

    assert "Hello stranger\n" == await text_of(browser.get(first))
    assert "Hello Ann\n" == await text_of(browser.post(f"{first}/login", data={"name": "Ann"}))
    await start.stop()
    second = await start(code, BODHI_SESSION_DB_URL=database_url)
    assert "Hello Ann\n" == await text_of(browser.get(second))
    assert "Hello stranger\n" == await text_of(browser.post(f"{second}/logout"))


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_programs_can_be_tried_in_the_printed_order(pages, page):
    """The key is made before the program that asks for it, which is for nobody but who tries it."""
    before, _, _ = pages[page].partition(MARK)

    assert "export BODHI_ENCRYPTION_KEY=" in before
    assert ', host="localhost")' in block_of(pages[page]).splitlines()[-1]


async def test_test_in_the_how_to_passes(pages, aiohttp_client):
    """The test that the page shows passes."""
    page = pages["docs/how-to/add-sessions-to-an-app.md"]
    code = page.split("## Test it", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    names = {}
    exec(compile(code, "the how-to", "exec"), names)

    await names["test_visits_are_counted"](aiohttp_client)


async def test_queries_for_operators_run(pages, dialect, database_url):
    """Each SELECT of the page about the database runs, on SQLite as the page says to write it there."""
    queries = re.findall(r"(?:^    .+\n)+", pages["docs/reference/database.md"], re.MULTILINE)
    queries = [query for query in queries if "SELECT" in query]
    if dialect == "sqlite":
        queries = [query.replace("extract(epoch FROM now()) * 1000", "unixepoch() * 1000") for query in queries]
    assert len(queries) >= 3
    async with DefaultSessionService.from_url(database_url, keys=[KEY]) as service:
        await service.create({"user_id": "Ann"})
    async with open_database(database_url) as database:
        await Schema(database, "application").migrate()
    if dialect == "sqlite":
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:"))) as sqlite:
            answers = [sqlite.execute(query).fetchall() for query in queries]
    else:
        postgres = await asyncpg.connect(database_url)
        answers = [[tuple(row) for row in await postgres.fetch(query)] for query in queries]
        await postgres.close()

    assert [("Ann", 1)] == answers[0]
