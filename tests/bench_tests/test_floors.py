import asyncio

import aiohttp
import pytest

from bench_tests.conftest import running
from bodhi.session import DefaultSessionService

CALLERS = 12
KEY = "a key for measurements and nothing else"


async def get(client, path, cookie=None):
    """Send a GET request; return the text of the 200 response and its cookie."""
    async with client.get(path, headers={"Cookie": cookie} if cookie else {}) as response:
        assert response.status == 200, await response.text()
        return await response.text(), response.headers.get("Set-Cookie", "").partition(";")[0]


@pytest.mark.parametrize("way", ["", "_batched"])
async def test_a_floor_answers_each_caller_from_their_own_row(database_url, way):
    """It does the work that it is measured for, alone and with many requests in flight, in bodhi's own table."""
    kind = f"floor_{'sqlite' if database_url.startswith('sqlite') else 'postgres'}{way}"
    with running("bench.application", kind, "--url", database_url) as url:
        async with aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as client:
            cookies = [(await get(client, f"/seed?number={number}"))[1] for number in range(CALLERS)]
            alone = [await get(client, path, cookies[0]) for path in ("/read", "/write", "/read")]
            together = []
            for path in ("/write", "/read", "/write"):
                together += await asyncio.gather(*(get(client, path, cookie) for cookie in cookies))

    assert ["user-000000"] * 3 == [text for text, _ in alone]
    assert [f"user-{number:06}" for number in range(CALLERS)] * 3 == [text for text, _ in together]
    async with DefaultSessionService.from_url(database_url, keys=[KEY], sweep_seconds=None) as service:
        assert 1 == await service.count_sessions_for_user("user-000000")


async def test_the_floor_of_ping_answers(tmp_path):
    """What the whole application is compared with where no session is asked for."""
    with running("bench.application", "floor_ping") as url:
        async with aiohttp.ClientSession(url) as client:
            text, _ = await get(client, "/ping")

    assert '{"message":"pong"}' == text
