"""Single requests around a database outage."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from resilience.clients import Answer, Visitor, visitors
from resilience.conftest import ServeHere
from support.sqlite_lock import WriteLock
from support.tcp_proxy import TcpProxy

Outage = Callable[[], AbstractAsyncContextManager[None]]
LIMIT_SECONDS = 3.0  # what a busy machine needs for a request before the outage, and after it


@pytest.fixture
async def breakable(database_url: str, dialect: str) -> AsyncIterator[tuple[str, Outage]]:
    """The URL of a database, and a context manager that blocks its writes."""
    if dialect == "postgres":
        async with TcpProxy.to(database_url) as proxy:

            @asynccontextmanager
            async def dropped() -> AsyncIterator[None]:
                proxy.mode = "drop"
                yield
                proxy.mode = "forward"

            yield proxy.url_for(database_url), dropped
    else:

        @asynccontextmanager
        async def locked() -> AsyncIterator[None]:
            lock = WriteLock(database_url)
            await lock.take()
            yield
            lock.close()

        yield database_url, locked


def expect_refused(answer: Answer) -> None:
    """Check for a 503 with Retry-After and without Set-Cookie."""
    assert 503 == answer.status
    assert answer.retry_after
    assert not answer.set_cookie


async def test_save_during_an_outage_is_503_even_if_loaded_before(
    breakable: tuple[str, Outage], serve_here: ServeHere
) -> None:
    """The handler is through, but what it changed cannot be kept: that is no success."""
    url, outage = breakable
    base_url, _ = await serve_here(url, limit_seconds=LIMIT_SECONDS)
    async with visitors(base_url, 1) as [visitor]:
        assert 200 == (await visitor.write()).status
        under_way = asyncio.create_task(visitor.slow())
        await visitor.loaded()
        async with outage():
            await visitor.go_on()
            expect_refused(await under_way)

        await visitor.expect_kept()
        assert 200 == (await visitor.slow()).status


async def test_a_first_visit_during_an_outage_gets_no_cookie(
    breakable: tuple[str, Outage], serve_here: ServeHere
) -> None:
    """A session that could not be stored is none; the next attempt makes one."""
    url, outage = breakable
    base_url, _ = await serve_here(url, limit_seconds=LIMIT_SECONDS)
    async with visitors(base_url, 1) as [visitor]:
        async with outage():
            expect_refused(await visitor.write())
            assert 200 == (await visitor.plain()).status

        assert 200 == (await visitor.write()).status
        await visitor.expect_kept()


@pytest.mark.parametrize("step", [Visitor.login, Visitor.logout], ids=["login", "logout"])
async def test_login_and_logout_in_an_outage_leave_the_cookie_unchanged(
    step: Callable[[Visitor], Awaitable[Answer]], breakable: tuple[str, Outage], serve_here: ServeHere
) -> None:
    """Who could not log in is not logged in, who could not log out is told so; both can when it is over."""
    url, outage = breakable
    base_url, _ = await serve_here(url, limit_seconds=LIMIT_SECONDS)
    async with visitors(base_url, 1) as [visitor]:
        assert 200 == (await visitor.write()).status
        cookie = visitor.cookie
        async with outage():
            expect_refused(await step(visitor))

        await visitor.expect_kept()
        assert "user_id" not in (await visitor.read()).body
        answer = await step(visitor)
        assert 200 == answer.status
        assert answer.set_cookie
        visitor.cookie = cookie
        assert {} == (await visitor.read()).body, "the old id is dead after a login as after a logout"


async def test_the_cause_is_logged_once_however_many_requests_fail(
    breakable: tuple[str, Outage], dialect: str, serve_here: ServeHere, caplog: pytest.LogCaptureFixture
) -> None:
    """In the database's own words, for reads as for writes; a few causes may follow each other as connections end."""
    url, outage = breakable
    base_url, service = await serve_here(url, limit_seconds=LIMIT_SECONDS)
    async with visitors(base_url, 10) as crowd:
        for visitor in crowd:
            assert 200 == (await visitor.write()).status
        caplog.clear()
        async with outage():
            for _ in range(2):
                for answer in await asyncio.gather(*(visitor.write() for visitor in crowd)):
                    expect_refused(answer)

    warnings = [record.getMessage() for record in caplog.records if "session database unavailable" in record.message]
    assert 20 <= service.counters.unavailable
    assert {logging.WARNING} == {record.levelno for record in caplog.records if record.getMessage() in warnings}
    assert len(warnings) == len(set(warnings)) <= 3
    words = "database is locked" if dialect == "sqlite" else "Connect call failed"
    assert any(words in warning for warning in warnings), warnings
