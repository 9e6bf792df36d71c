"""Sessions move: to another database while a server runs, and from a Rust server's table, cookies included."""

import asyncio
import signal
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp_session import get_session

from bodhi.session import DefaultSessionService, setup
from bodhi.session.handles import is_session_id
from support.server_process import environ  # noqa: F401 - a fixture
from transfer.conftest import KEY, run, service_on, source_url, target_url  # noqa: F401 - fixtures
from transfer.tower import TowerTable

DEADLINE_SECONDS = 300
VISITORS = 8


async def count(request):
    """One more visit, told once it is stored."""
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.json_response({"visits": session["visits"], "user_id": session.get("user_id")})


async def log_in(request):
    """From now on it is Ann's: the session moves to a new id."""
    (await get_session(request))["user_id"] = "Ann"
    return web.Response()


async def log_out(request):
    """The session ends."""
    (await get_session(request)).invalidate()
    return web.Response()


@asynccontextmanager
async def server_on(url):
    """A server with sessions in *url*; leaving stops it, and what it noted is written."""
    app = web.Application()
    setup(app, DefaultSessionService.from_url(url, keys=[KEY], sweep_seconds=None))
    for path, handler in (("/count", count), ("/login", log_in), ("/logout", log_out)):
        app.router.add_post(path, handler)
    async with TestServer(app) as server:
        yield server


class Visitor:
    """A browser that counts its visits, and remembers what it was told."""

    def __init__(self, browser):
        self.browser = browser
        self.visits = 0

    @property
    def cookie(self):
        """The value that it holds."""
        return next(iter(self.browser.cookie_jar)).value

    async def post(self, server, path):
        """What is answered, which has to be 200."""
        async with self.browser.post(server.make_url(path)) as response:
            assert 200 == response.status
            return await response.text() and await response.json() if path == "/count" else None

    async def count(self, server):
        """One more visit; the answer has to go on from the last."""
        told = await self.post(server, "/count")
        assert self.visits + 1 == told["visits"]
        self.visits += 1
        return told

    async def keep_counting(self, server, over):
        """Until the server is to be stopped."""
        while not over.is_set():
            await self.count(server)
            await asyncio.sleep(0.01)


@pytest.fixture
async def visitors():
    """Browsers with cookies of their own."""
    browsers = [aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) for _ in range(VISITORS)]
    yield [Visitor(browser) for browser in browsers]
    for browser in browsers:
        await browser.close()


async def line_from(copying, beginning):
    """Waits for a line on stderr."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while line := (await copying.stderr.readline()).decode():
            if line.startswith(beginning):
                return
    raise AssertionError(f"it ended without {beginning!r}")


@pytest.fixture
def start(environ, tmp_path):  # noqa: F811
    """Starts ``bodhi sessions …`` as a process, which takes signals."""

    async def start(*arguments):
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bodhi", "sessions", *arguments),
            env={**environ, "BODHI_ENCRYPTION_KEY": KEY},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    return start


async def test_a_running_server_is_switched_over(source_url, target_url, service_on, start, visitors):  # noqa: F811
    """Nobody is logged out, no answered write is lost, and who logged out stays so, from each database to the other."""
    async with server_on(source_url) as old:
        for visitor in visitors:
            await visitor.count(old)
        copying = await start("copy", "--from", source_url, "--to", target_url, "--follow")
        over = asyncio.Event()
        traffic = [asyncio.create_task(visitor.keep_counting(old, over)) for visitor in visitors[2:]]
        await until_copied(target_url, service_on, visitors[0].cookie)
        ended = [visitors[0].cookie, visitors[1].cookie]
        await visitors[0].post(old, "/logout")
        await visitors[1].post(old, "/login")  # under a new id
        before = visitors[2].visits
        async with asyncio.timeout(DEADLINE_SECONDS):
            while visitors[2].visits < before + 20:
                await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*traffic)

    await line_from(copying, "caught up: nothing changed in the last pass")
    copying.send_signal(signal.SIGTERM)
    out, _ = await asyncio.wait_for(copying.communicate(), DEADLINE_SECONDS)

    assert 0 == copying.returncode
    assert f"{VISITORS - 1} read, " in out.decode()
    async with server_on(target_url) as new:
        told = [await visitor.count(new) for visitor in visitors[1:]]
    assert ["Ann", *[None] * (VISITORS - 2)] == [one["user_id"] for one in told]
    service = await service_on(target_url)
    assert [None, None] == [await service.load(cookie) for cookie in ended]


async def until_copied(url, service_on, cookie):  # noqa: F811
    """Waits until the session of *cookie* is at the target."""
    service = await service_on(url)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await service.load(cookie) is None:
            await asyncio.sleep(0.02)


async def test_a_rust_servers_cookies_go_on_working(database_url, tmp_path, run, visitors):  # noqa: F811
    """Imported from its table, under the same cookie; the login gives the session an id of bodhi's own."""
    async with TowerTable.in_sqlite(tmp_path / "tower.sqlite") as table:
        cookie = await table.add({"visits": 5})
    _, out, _ = await run("import", "tower-sessions", "--from", table.url, BODHI_SESSION_DB_URL=database_url)
    assert "1 read, 1 written, 0 kept, 0 expired, 0 empty, 0 failed\n" == out

    visitor = visitors[0]
    visitor.visits = 5
    async with server_on(database_url) as new:
        visitor.browser.cookie_jar.update_cookies({"bodhiapp_session_id": cookie}, new.make_url("/"))
        await visitor.count(new)
        await visitor.post(new, "/login")
        assert 43 == len(visitor.cookie)
        assert "Ann" == (await visitor.count(new))["user_id"]


IDS = {"x" * 43: True, "A" * 22: True, "_" * 21 + "w": True, "A" * 21 + "B": False, "A" * 21: False, "A" * 23: False}


@pytest.mark.parametrize("value", IDS)
def test_ids_have_one_of_two_shapes(value):
    """43 characters of bodhi's own, or the 22 of 128 bits; anything else costs no query."""
    assert IDS[value] == is_session_id(value)
