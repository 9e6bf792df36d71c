"""Promise 5: idle and absolute timeout together, with at most one write per session and touch interval."""

import asyncio
import sqlite3

import asyncpg
import pytest
from aiohttp import web
from aiohttp_session import get_session

from bodhi.session import DefaultSessionService
from session.conftest import DEADLINE_SECONDS, IDLE_SECONDS, LIFETIME_SECONDS, SETTINGS, TOUCH_SECONDS
from session.pages import cookie_of, sent
from support.raw_database import RawDatabase

MILLISECOND = 0.001


@pytest.fixture
async def begun(client):
    """A client with a session, and its cookie."""
    cookie = cookie_of(await client.post("/set", json={"a": 1}))
    return client, cookie


async def _is_live(client):
    return {} != await (await client.get("/read")).json()


async def test_an_unused_session_ends_exactly_at_the_idle_timeout(begun, clock):
    """A millisecond before the limit it lives, at the limit it is gone."""
    client, _ = begun

    clock.advance(IDLE_SECONDS - MILLISECOND)
    assert await _is_live(client)
    clock.advance(MILLISECOND)
    assert not await _is_live(client)


async def test_an_expired_session_stays_expired_a_second_later(begun, clock, raw):
    """Its row may still be there: it is the server that decides."""
    client, _ = begun

    clock.advance(IDLE_SECONDS + 1)

    assert not await _is_live(client)
    assert 1 == len(await raw.sessions())


@pytest.mark.parametrize("use", ["read", "write"])
async def test_use_extends_the_idle_timeout(use, begun, service, clock):
    """Reading counts, and writing does."""
    client, _ = begun

    for number in range(5):
        clock.advance(IDLE_SECONDS * 0.9)
        if use == "read":
            assert await _is_live(client)
        else:
            assert cookie_of(await client.post("/set", json={"n": number})) is None, "it is the same session still"
        await service.flush()

    clock.advance(IDLE_SECONDS - MILLISECOND)
    assert await _is_live(client)
    clock.advance(MILLISECOND)
    await service.flush()
    clock.advance(IDLE_SECONDS)
    assert not await _is_live(client)


async def test_a_session_in_use_ends_exactly_at_the_absolute_timeout(begun, service, clock):
    """Whatever its use."""
    client, _ = begun
    for _ in range(LIFETIME_SECONDS // IDLE_SECONDS * 2 - 1):
        clock.advance(IDLE_SECONDS / 2)
        assert await _is_live(client)
        await service.flush()

    clock.advance(IDLE_SECONDS / 2 - MILLISECOND)
    assert await _is_live(client)
    await service.flush()
    clock.advance(MILLISECOND)
    assert not await _is_live(client)


async def test_reading_costs_one_statement(begun, statements, clock):
    """The touch is noted, and not written on the request's own path."""
    client, _ = begun
    clock.advance(TOUCH_SECONDS * 10)
    statements.clear()

    await client.get("/read")

    assert ["load_session"] == statements


async def test_there_is_at_most_one_touch_per_interval(begun, service, statements, clock):
    """However many requests use a session within the interval, and however often touches are written."""
    client, _ = begun
    clock.advance(TOUCH_SECONDS)
    statements.clear()

    for _ in range(20):
        await client.get("/read")
        await service.flush()
        clock.advance((TOUCH_SECONDS - 1) / 20)

    assert 1 == statements.count("touch_session")
    assert 1 == service.counters.touches


async def test_two_nodes_together_touch_once_per_interval(begun, service, make_service, serve, clock):
    """A node that did not see the other's touch writes nothing over it."""
    client, cookie = begun
    there = await make_service()
    other_client = await serve(there)
    clock.advance(TOUCH_SECONDS)
    await asyncio.gather(client.get("/read"), other_client.get("/read", headers=sent(cookie)))

    assert 1 == sum(await asyncio.gather(service.flush(), there.flush()))


async def test_request_within_the_interval_queues_no_touch(begun, service, statements, clock):
    """A fresh session needs no touch."""
    client, _ = begun
    clock.advance(TOUCH_SECONDS - MILLISECOND)
    await client.get("/read")
    statements.clear()

    assert 0 == await service.flush()
    assert [] == statements


async def test_touches_are_written_by_themselves(begun, service, clock, raw, monkeypatch):
    """A moment after the request, with nobody asking for it."""
    monkeypatch.setattr("bodhi.session.touches.GATHER_SECONDS", 0)
    client, _ = begun
    touch, written = service.get_session_store().touch, asyncio.Event()

    async def tell(touches):
        extended = await touch(touches)
        written.set()
        return extended

    monkeypatch.setattr(service.get_session_store(), "touch", tell)
    clock.advance(TOUCH_SECONDS)

    await client.get("/read")
    async with asyncio.timeout(DEADLINE_SECONDS):
        await written.wait()

    assert [clock.now_ms] == [row["last_seen_at"] for row in await raw.sessions()]


async def test_pending_touches_are_written_on_close(make_service, serve, clock, raw):
    """A program that ends extends what was used until then."""
    service = await make_service()
    client = await serve(service)
    await client.post("/set", json={"a": 1})
    clock.advance(TOUCH_SECONDS)
    await client.get("/read")

    await service.close()

    assert [clock.now_ms] == [row["last_seen_at"] for row in await raw.sessions()]


async def test_times_only_move_forward(begun, service, make_service, clock, raw):
    """A touch that is written late, after another node's newer one, changes nothing."""
    client, cookie = begun
    clock.advance(TOUCH_SECONDS)
    await client.get("/read")
    clock.advance(TOUCH_SECONDS)
    newer = await make_service()
    await newer.load(cookie)
    await newer.flush()
    times = [(row["last_seen_at"], row["expires_at"]) for row in await raw.sessions()]

    assert 0 == await service.flush()
    assert times == [(row["last_seen_at"], row["expires_at"]) for row in await raw.sessions()]


async def test_a_late_touch_does_not_revive_an_expired_session(begun, service, clock):
    """Used in time, but written after its end: it stays ended, as others have been told already."""
    client, _ = begun
    clock.advance(IDLE_SECONDS - 1)
    await client.get("/read")
    clock.advance(1)

    assert 0 == await service.flush()
    assert not await _is_live(client)


@pytest.mark.parametrize("idle_seconds", [2, 60])
async def test_a_session_in_steady_use_lives_however_short_the_idle_timeout(idle_seconds, make_service, serve, clock):
    """A touch interval as long as the idle timeout, or longer, does not log out who is active."""
    service = await make_service(idle_seconds=idle_seconds, touch_seconds=60)
    client = await serve(service)
    await client.post("/set", json={"a": 1})

    for _ in range(6):
        clock.advance(idle_seconds * 0.6)
        assert await _is_live(client)
        await service.flush()


async def test_a_rotation_keeps_the_absolute_end(begun, service, clock):
    """A new id is no new life: the session began when it began."""
    _, cookie = begun
    ends_at = (await service.load(cookie)).record.ends_at
    clock.advance(IDLE_SECONDS / 2)
    session = await service.load(cookie)

    session_id, _ = await service.rotate(session, session.data)

    assert ends_at == (await service.load(session_id)).record.ends_at


@pytest.mark.parametrize(
    ("change", "is_renewed"),
    [
        (lambda session: session.rotate(), False),
        (lambda session: session.pop("user_id"), False),
        (lambda session: session.rotate(renewed=True), True),
        (lambda session: session.update(user_id="bob"), True),
    ],
    ids=["rotation", "back to nobody", "renewal", "another user"],
)
async def test_only_a_login_renews_the_absolute_timeout(change, is_renewed, serve, service, clock, raw):
    """A visitor who only gets a new id has no longer to live than before; idle, every use counts."""

    async def page(request):
        change(await get_session(request))
        return web.Response()

    client = await serve(service, page=page)
    await client.post("/set", json={"a": 1, "user_id": "alice"})
    begun = clock.now_ms
    clock.advance(IDLE_SECONDS / 2)

    await client.get("/page")

    (row,) = await raw.sessions()
    created_at = clock.now_ms if is_renewed else begun
    assert (created_at, created_at + LIFETIME_SECONDS * 1000) == (row["created_at"], row["ends_at"])
    assert clock.now_ms + IDLE_SECONDS * 1000 == row["expires_at"]


async def test_the_last_touch_reaches_the_absolute_end_and_no_further(make_service, serve, clock, raw):
    """Less than an idle timeout before the end a touch extends the session to the end."""
    service = await make_service(lifetime_seconds=IDLE_SECONDS + TOUCH_SECONDS)
    client = await serve(service)
    await client.post("/set", json={"a": 1})
    clock.advance(TOUCH_SECONDS * 2)

    await client.get("/read")

    assert 1 == await service.flush()
    (row,) = await raw.sessions()
    assert row["ends_at"] == row["expires_at"]
    assert 0 == service.counters.touch_failures


async def test_a_save_keeps_the_absolute_end(begun, service, clock, raw):
    """Writing to a session extends its idle time at most."""
    client, _ = begun
    ends_at = (await raw.sessions())[0]["ends_at"]
    clock.advance(IDLE_SECONDS / 2)

    await client.post("/set", json={"b": 2})
    await service.flush()

    assert [ends_at] == [row["ends_at"] for row in await raw.sessions()]


async def test_a_login_renews_the_absolute_timeout(begun, clock, raw):
    """Whoever has just proved who they are has a full lifetime before them."""
    client, _ = begun
    clock.advance(IDLE_SECONDS / 2)

    await client.post("/login/alice")

    row = (await raw.sessions())[0]
    assert (clock.now_ms, clock.now_ms + LIFETIME_SECONDS * 1000) == (row["created_at"], row["ends_at"])


@pytest.mark.parametrize("expires_at", [-1, 0, 10**18])
async def test_an_expiry_edited_to_nonsense_opens_nothing(expires_at, begun, clock, raw):
    """A row that says it lives for ever ends at its absolute timeout all the same, if the database lets it be."""
    client, _ = begun

    try:
        await raw.rows("UPDATE bodhi_session SET expires_at = $1", expires_at)
    except (sqlite3.IntegrityError, asyncpg.CheckViolationError):
        return  # so much the better

    clock.advance(LIFETIME_SECONDS)
    assert not await _is_live(client)


# Clocks.


@pytest.fixture
async def postgres_raw(postgres_url):
    """A PostgreSQL database, past bodhi."""
    async with RawDatabase(postgres_url) as raw:
        yield raw


async def test_a_node_whose_clock_is_wrong_agrees_with_the_others(postgres_url, postgres_raw, start_node):
    """One clock decides, PostgreSQL's: a node an hour ahead sees, creates and touches sessions as all do."""
    ahead = start_node(postgres_url, CLOCK_IS_AHEAD_HOURS="1")
    behind, right = start_node(postgres_url, CLOCK_IS_AHEAD_HOURS="-1"), start_node(postgres_url)
    begun = await right.http("POST", "/set", json={"a": 1}, idle_seconds=600)
    assert '{"a": 1}' == (await ahead.http("GET", "/read", cookie=begun["cookie"], idle_seconds=600))["text"]
    by_ahead = await ahead.http("POST", "/set", json={"b": 2}, idle_seconds=600)
    assert '{"b": 2}' == (await right.http("GET", "/read", cookie=by_ahead["cookie"], idle_seconds=600))["text"]

    rows = await postgres_raw.rows(
        "SELECT expires_at - created_at AS idle, now_ms(NULL) - created_at AS age FROM bodhi_session"
    )
    assert [600_000] * 2 == [row["idle"] for row in rows]
    assert all(0 <= row["age"] < 60_000 for row in rows)

    assert 0 == await ahead.call("sweep")
    await postgres_raw.rows("UPDATE bodhi_session SET expires_at = now_ms(NULL)")
    assert "{}" == (await behind.http("GET", "/read", cookie=begun["cookie"]))["text"]
    assert 2 == await ahead.call("sweep")


async def test_the_time_zone_of_a_process_does_not_matter(start_node, database_url, raw):
    """New York and the database agree on what time it is."""
    newyork, utc = start_node(database_url, TZ="America/New_York"), start_node(database_url, TZ="UTC")
    begun = await newyork.http("POST", "/set", json={"a": 1}, idle_seconds=600)
    assert '{"a": 1}' == (await utc.http("GET", "/read", cookie=begun["cookie"], idle_seconds=600))["text"]
    by_utc = await utc.http("POST", "/set", json={"b": 2}, idle_seconds=600)
    assert '{"b": 2}' == (await newyork.http("GET", "/read", cookie=by_utc["cookie"], idle_seconds=600))["text"]

    rows = await raw.rows("SELECT expires_at - created_at AS idle, created_at FROM bodhi_session ORDER BY created_at")

    assert [600_000] * 2 == [row["idle"] for row in rows]
    assert rows[1]["created_at"] - rows[0]["created_at"] < 60_000


async def test_the_time_zone_of_the_database_does_not_matter(postgres_url, postgres_raw):
    """The same sessions with the same ends, whatever TimeZone the PostgreSQL session has."""
    name = postgres_url.rpartition("/")[2]
    ids = []
    for zone in ("UTC", "Pacific/Kiritimati", "America/New_York"):
        await postgres_raw.rows(f"ALTER DATABASE {name} SET timezone TO '{zone}'")
        async with DefaultSessionService.from_url(postgres_url, **{**SETTINGS, "idle_seconds": 600}) as service:
            ids.append((await service.create({"zone": zone}))[0])
            assert len(ids) == len([one for one in ids if await service.load(one)])

    rows = await postgres_raw.rows(
        "SELECT expires_at - created_at AS idle, now_ms(NULL) - created_at AS age FROM bodhi_session"
    )
    assert [600_000] * 3 == [row["idle"] for row in rows]
    assert all(0 <= row["age"] < 60_000 for row in rows)
