"""Nothing is lost where PostgreSQL, its database, its role or the URL makes other isolation levels the default.

SQLite has no such default; the tests run there as they are.
"""

import asyncio
from urllib.parse import urlencode

import pytest
from aiohttp import web

from bodhi.database import Schema, open_database
from bodhi.session import DefaultSessionService, SessionUnavailable, get_session
from session.conftest import IDLE_SECONDS, LIFETIME_SECONDS, SETTINGS, TOUCH_SECONDS
from session.pages import cookie_of
from support.raw_database import RawDatabase

PARALLEL = 20
# Refuses what is written under any other level, as a busy server would at random.
REFUSAL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
    END IF;
    RETURN NULL;
END
$$
"""
TRIGGER = "CREATE TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON bodhi_session EXECUTE FUNCTION refuse()"


@pytest.fixture
def has_tables():
    """None: to make them is done under each isolation level as well."""
    return False


@pytest.fixture(
    params=[
        ("database", "serializable"),
        ("database", "repeatable read"),
        ("role", "serializable"),
        ("options", "serializable"),
        ("parameter", "repeatable read"),
    ],
    ids=" ".join,
)
async def database_url(request, dialect):
    """The URL of an empty database whose transactions have another isolation level unless they say otherwise."""
    url = request.getfixturevalue(f"{dialect}_url")
    if dialect == "sqlite":
        return url
    place, level = request.param
    parameter = f"default_transaction_isolation={level}"
    if place == "options":
        return f"{url}?{urlencode({'options': '-c ' + parameter.replace(' ', chr(92) + ' ')})}"
    if place == "parameter":
        return f"{url}?{urlencode({'default_transaction_isolation': level})}"
    async with RawDatabase(url) as raw:
        ((user, name),) = [row.values() for row in await raw.rows("SELECT current_user, current_database()")]
        whose = f"DATABASE {name}" if place == "database" else f"ROLE {user} IN DATABASE {name}"
        await raw.rows(f"ALTER {whose} SET default_transaction_isolation = '{level}'")
    return url


async def test_parallel_requests_keep_all_keys(serve, service):
    """Twenty requests of one session, each with a key of its own: no 503, and nothing lost."""
    client = await serve(service)
    await client.post("/set", json={"begun": True})

    answers = await asyncio.gather(*(client.post("/set", json={f"key{number}": 1}) for number in range(PARALLEL)))

    assert {200} == {answer.status for answer in answers}
    assert PARALLEL + 1 == len(await (await client.get("/read")).json())


async def test_concurrent_atomic_changes_are_all_counted(serve, make_service):
    """On two nodes, by two pools."""

    async def count(request):
        session = await get_session(request)
        await session.atomically(lambda data, _: data.update(n=data.get("n", 0) + 1))
        return web.Response()

    clients = [await serve(await make_service(), count=count) for _ in range(2)]
    cookie = cookie_of(await clients[0].post("/set", json={"n": 0}))
    for client in clients:
        client.session.cookie_jar.update_cookies({"bodhiapp_session_id": cookie})

    answers = await asyncio.gather(*(clients[number % 2].post("/count") for number in range(PARALLEL)))

    assert {200} == {answer.status for answer in answers}
    assert {"n": PARALLEL} == await (await clients[0].get("/read")).json()


async def test_a_cap_holds_in_parallel_logins(make_service):
    """Each login counts what the others left, by creation and by rotation."""
    nodes = [await make_service(max_per_user=3) for _ in range(2)]
    begun = [await nodes[0].create({"n": number}) for number in range(PARALLEL)]

    await asyncio.gather(
        *(nodes[number % 2].create({"user_id": "ann"}) for number in range(PARALLEL)),
        *(
            nodes[number % 2].rotate(session, {**session.data, "user_id": "ann"})
            for number, (_, session) in enumerate(begun)
        ),
    )

    assert 3 == await nodes[0].count_sessions_for_user("ann")


async def test_concurrent_touches_saves_and_ends_are_exact(make_service, clock):
    """Touches, saves, logouts, revocations and sweeps of the same sessions at once."""
    nodes = [await make_service() for _ in range(2)]
    sessions = [await nodes[0].create({"user_id": f"user{number % 4}"}) for number in range(PARALLEL)]
    clock.advance(TOUCH_SECONDS)
    for node in nodes:
        for session_id, _ in sessions:
            await node.load(session_id)

    await asyncio.gather(
        *(node.flush() for node in nodes),
        *(node.save(session, {**session.data, "a": 1}) for node in nodes for _, session in sessions[:8]),
        *(node.delete(session.record.digest) for node in nodes for _, session in sessions[8:12]),
        *(node.revoke_session(session.handle) for node in nodes for _, session in sessions[12:16]),
        *(node.sweep() for node in nodes),
    )

    assert [True] * 8 + [False] * 8 + [True] * 4 == [await nodes[0].load(each) is not None for each, _ in sessions]
    clock.advance(IDLE_SECONDS - 1)
    assert 12 == await nodes[1].count_sessions()
    clock.advance(LIFETIME_SECONDS)
    assert 12 == sum(await asyncio.gather(*(node.sweep() for node in nodes)))


async def test_everything_is_read_committed(service, raw):
    """Single statements and transactions alike, in what a session goes through from its beginning to its end."""
    if raw.dialect == "postgres":
        await raw.rows(REFUSAL)
        await raw.rows(TRIGGER)

    _, begun = await service.create({"a": 1})
    saved = await service.save(begun, {"a": 2})
    _, rotated = await service.rotate(saved, {"a": 2, "user_id": "ann"})
    await service.atomically(rotated.record.digest, lambda data, _: data.update(a=3))
    assert 1 == await service.clear_sessions_for_user("ann")

    assert {} == service.get_session_store().database.counters.errors


async def test_a_read_only_default_is_left_alone(postgres_url):
    """It protects a database whose disk is nearly full, or that is to be kept: nothing is written, errors say why."""
    async with DefaultSessionService.from_url(postgres_url, **SETTINGS) as service, RawDatabase(postgres_url) as raw:
        _, session = await service.create({"a": 1})
        ((name,),) = [row.values() for row in await raw.rows("SELECT current_database()")]
        await raw.rows(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with DefaultSessionService.from_url(postgres_url, **SETTINGS) as service:
        for write in (service.save(session, {"a": 2}), service.rotate(session, {"a": 2})):
            with pytest.raises(SessionUnavailable) as caught:
                await write
            assert "read-only" in str(caught.value.__cause__)
        assert 1 == await service.count_sessions()


async def test_processes_that_start_together_migrate_once(database_url):
    """Who waits for the other's migration sees what it did."""
    async with open_database(database_url) as one, open_database(database_url) as other:
        done = await asyncio.gather(*(Schema(database, "session").migrate() for database in (one, other)))

    assert {0, len(Schema(one, "session").migrations)} == {len(applied) for applied in done}
