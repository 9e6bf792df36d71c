"""PostgreSQL: a session that moves to another partition with its id is a changed session, and no error."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bodhi.session import NewSession, SessionGone, digest_of
from support.postgres_locks import ask, blocked

NAMES = [f"{number}" * 43 for number in range(10)]
# The place of a digest: its partition, or nothing where the table has none.
PLACES = """
SELECT array_agg(coalesce((SELECT inhrelid::bigint
                             FROM pg_inherits
                             JOIN pg_class ON pg_class.oid = inhrelid
                            WHERE inhparent = 'bodhi_session'::regclass
                              AND satisfies_hash_partition(inhparent, 8, right(relname, 1)::int, digest)), 0)
                 ORDER BY place)
  FROM unnest($1::bytea[]) WITH ORDINALITY AS one (digest, place)
"""


@pytest.fixture(params=["undivided", "divided"])
def database_url(request, postgres_databases):
    """A database with an undivided session table, and one with 8 partitions: both behave alike."""
    template = postgres_databases.partitioned if request.param == "divided" else postgres_databases.migrated
    with postgres_databases.created(template) as url:
        yield url


@pytest.fixture
async def rotating(make_service, database_url):
    """Another node moves a session to another partition, and commits at the end of the block."""
    other = (await make_service()).get_session_store()

    @asynccontextmanager
    async def rotating(session):
        digests = [session.record.digest, *map(digest_of, NAMES)]
        places = await ask(database_url, PLACES, digests)
        assert isinstance(places, list)
        elsewhere = next((name for name, place in zip(NAMES, places[1:], strict=True) if place != places[0]), NAMES[0])
        async with other.locked(session.record.digest) as row:
            await row.rotate(moved(session, digest_of(elsewhere)), renewed=False)
            yield

    return rotating


def moved(session, digest):
    """The same session under another digest."""
    record = session.record
    lifetime_ms = record.ends_at - record.created_at
    return NewSession(digest, lambda *_, **__: record.data, record.user_id, lifetime_ms, lifetime_ms)


async def save(service, session):
    """A save that sets new times, which needs a lock."""
    return await service.save(session, {**session.data, "n": 2}, ages=True)


async def change(service, session):
    """A change of what is stored by now."""
    return await service.atomically(session.record.digest, lambda data, now: data.update(n=2))


async def rotate(service, session):
    """A second rotation."""
    return await service.rotate(session, session.data)


async def delete(service, session):
    """A logout."""
    return await service.delete(session.record.digest)


async def revoke(service, session):
    """An end by somebody else."""
    return await service.revoke_session(session.handle)


@pytest.mark.parametrize("changed", [save, change, rotate])
async def test_a_change_of_a_session_that_moved_finds_it_gone(changed, service, rotating, database_url):
    """As in an undivided table: its new id is another browser's answer, and never a 503."""
    _, session = await service.create({"user_id": "alice"})
    async with rotating(session):
        changing = asyncio.create_task(changed(service, session))
        await blocked(database_url, count=1)

    with pytest.raises(SessionGone):
        await changing
    assert 1 == await service.count_sessions()


@pytest.mark.parametrize("ended", [delete, revoke])
async def test_an_end_of_a_session_that_moved_finds_none(ended, service, rotating, database_url):
    """It is somebody's new session by now."""
    _, session = await service.create({"user_id": "alice"})
    async with rotating(session):
        ending = asyncio.create_task(ended(service, session))
        await blocked(database_url, count=1)

    assert not await ending
    assert 1 == await service.count_sessions()


async def test_ending_all_of_a_user_follows_a_session_that_moves(service, rotating, database_url):
    """Whichever partition it moved to; and the others end as well."""
    _, session = await service.create({"user_id": "alice"})
    for user_id in ("alice", "alice", "bob"):
        await service.create({"user_id": user_id})
    async with rotating(session):
        ending = asyncio.create_task(service.clear_sessions_for_user("alice"))
        await blocked(database_url, count=1)

    assert 3 == await ending
    assert [0, 1] == [await service.count_sessions_for_user(user_id) for user_id in ("alice", "bob")]


async def test_ending_all_follows_a_session_that_moves(service, rotating, database_url):
    """As for one user."""
    _, session = await service.create({"user_id": "alice"})
    async with rotating(session):
        ending = asyncio.create_task(service.clear_all_sessions())
        await blocked(database_url, count=1)

    assert 1 == await ending
    assert 0 == await service.count_sessions()


async def test_a_login_beyond_the_cap_succeeds_while_an_older_session_moves(make_service, rotating, database_url):
    """Its transaction begins anew."""
    service = await make_service(max_per_user=1)
    _, session = await service.create({"user_id": "alice"})
    async with rotating(session):
        logging_in = asyncio.create_task(service.create({"user_id": "alice"}))
        await blocked(database_url, count=1)

    session_id, _ = await logging_in
    assert await service.load(session_id) is not None


async def test_sweeping_leaves_live_sessions_in_the_same_places(service, clock):
    """Each partition has a row in the same place (ctid) as the others."""
    for _ in range(100):
        await service.create({"a": 1})
    clock.advance(1_800)
    live = [(await service.create({"a": 2}))[0] for _ in range(100)]
    clock.advance(1_801)

    assert 100 == await service.sweep()

    assert all([await service.load(session_id) for session_id in live])
