"""A request that is cancelled, wherever it waits, leaves the session whole and nothing of itself behind."""

import asyncio
import gc
from itertools import count

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bodhi.session import get_session, setup
from session.pages import cookie_of, sent
from support.cancellation import Moment, cancelled_at

SOON_SECONDS = 30  # below the time limit of the database, which would hide what was left behind
OLD = {"user_id": "alice", "kept": [1, 2, 3]}
pytestmark = pytest.mark.parametrize("moment", Moment)


@pytest.fixture(autouse=True)
def short_searches():
    """A search for garbage goes through what the test made, and not through all that was imported before."""
    gc.freeze()


class Node:
    """An application on a service, called without a network, so that a request is one coroutine."""

    def __init__(self, service, change):
        self.service = service
        self._app = web.Application()
        setup(self._app, service)
        self._app.router.add_post("/", self._handle)
        self._app.freeze()
        self._change = change

    async def _handle(self, request):
        await self._change(await get_session(request))
        return web.Response()

    async def request(self, cookie):
        """The cookie after the request: None where the answer says nothing of it, "" where it is removed."""
        request = make_mocked_request("POST", "/", headers=sent(cookie) if cookie else {}, app=self._app)
        response = await self._app._handle(request)
        await response.prepare(request)
        return cookie_of(response)


def sets(session):
    """Changes the data."""
    session["new"] = True


def sets_age(session):
    """Changes the data and the session's end."""
    session.max_age = 600
    session["new"] = True


def rotates(session):
    """Moves it to a new id."""
    session.rotate()
    session["new"] = True


def logs_in(session):
    """Moves it to another user."""
    session.update(user_id="bob", new=True)


def ends(session):
    """Ends it."""
    session.invalidate()


def begins_anew(session):
    """Ends it, and begins another one."""
    session.invalidate()
    session["new"] = True


def by_itself(change):
    """The middleware saves it."""

    async def handle(session):
        change(session)

    return handle


def in_the_handler(change):
    """The handler saves it, as it does in a stream."""

    async def handle(session):
        change(session)
        await session.save()

    return handle


def atomically(change):
    """Under the row's lock."""

    async def handle(session):
        await session.atomically(lambda data, _: change(data))

    return handle


CASES = [
    *((how, change) for how in (by_itself, in_the_handler) for change in (sets, rotates, logs_in, ends)),
    (by_itself, sets_age),
    (by_itself, begins_anew),
    (atomically, sets),
]
AFTER = {
    sets: {**OLD, "new": True},
    sets_age: {**OLD, "new": True},
    rotates: {**OLD, "new": True},
    logs_in: {**OLD, "user_id": "bob", "new": True},
    ends: None,
    begins_anew: {"new": True},
}


async def _settle(service):
    """Wait for what the database still does for the cancelled request; fail if that holds up the next one."""
    async with asyncio.timeout(SOON_SECONDS), service._database.transaction():
        pass


async def _assert_nothing_is_held(service, raw):
    """No connection, no lock, no place in a queue, and no transaction on the server."""
    database, store = service._database, service.get_session_store()
    gc.collect()  # an error keeps its frames
    assert (0, 0) == (database.counters.in_use, database.counters.waiting)
    assert [] == list(database.turn._locks)
    assert {} == database._limit.waits
    for batcher in (store._loads, store._saves):
        assert (0, [], [], None) == (batcher._in_flight, batcher._queue, batcher._batches, batcher._starting)
    if raw.dialect == "postgres":
        in_transaction = "datname = current_database() AND state LIKE 'idle in%'"
        assert [] == await raw.rows(f"SELECT query FROM pg_stat_activity WHERE {in_transaction}")


async def _stored(service):
    """The data of all sessions, under any id."""
    store = service.get_session_store()
    listed = await store.list_page(limit=10)
    return [service._changes.opened(await store.load(one.digest)).data for one in listed]


@pytest.mark.parametrize(("how", "change"), CASES)
async def test_a_request_that_is_cancelled_anywhere(make_service, raw, how, change, moment):
    """All of its change is stored or nothing; nothing is held; and the next requests are served at once."""
    service = await make_service(max_per_user=2)
    node = Node(service, how(change))
    nodes = [
        Node(one, in_the_handler(lambda session: session.update(next=1))) for one in (service, await make_service())
    ]
    for number in count(1):
        await service.clear_all_sessions()
        session_id, _ = await service.create(dict(OLD))
        was_cancelled = await cancelled_at(number, moment, node.request(session_id))
        await _settle(service)
        await _assert_nothing_is_held(service, raw)
        (found,) = await _stored(service) or [None]
        assert found in ([OLD] if was_cancelled else []) + [AFTER[change]]
        is_under_its_id = await service.load(session_id) is not None
        for other in nodes:
            async with asyncio.timeout(SOON_SECONDS):
                await other.request(session_id)
        expected = {**found, "next": 1} if is_under_its_id else found
        assert await _stored(service) == ([] if expected is None else [expected])
        if not was_cancelled:
            return


@pytest.mark.parametrize(("how", "change"), [(by_itself, sets), (by_itself, rotates), (atomically, sets)])
async def test_others_beside_a_request_that_is_cancelled_anywhere(make_service, raw, how, change, moment):
    """They wait in the same queues, for the same connection, lock and batch: each is answered, and stored."""
    service = await make_service(max_per_user=5, pool_size=1)
    node = Node(service, how(change))

    def adds(key):
        return Node(service, in_the_handler(lambda session: session.update({key: 1})))

    for number in count(1):
        await service.clear_all_sessions()
        session_id, _ = await service.create(dict(OLD))
        other_ids = [(await service.create({"user_id": name}))[0] for name in "xyz"]
        async with asyncio.timeout(SOON_SECONDS), asyncio.TaskGroup() as group:
            for one in other_ids:
                group.create_task(adds("before").request(one))
            before = group.create_task(adds("before").request(session_id))
            cancelled = group.create_task(cancelled_at(number, moment, node.request(session_id)))
            await asyncio.sleep(0)
            for one in other_ids:
                group.create_task(adds("after").request(one))
            after = group.create_task(adds("after").request(session_id))
        await _settle(service)
        await _assert_nothing_is_held(service, raw)
        for one in other_ids:
            assert {"before", "after"} < (await service.load(one)).data.keys()
        (found,) = [data for data in await _stored(service) if data["user_id"] == "alice"]
        # A rotation leaves those behind that come later with the old id.
        missing = {"before", "after", "new"} - found.keys()
        if change is sets:
            assert missing <= ({"new"} if cancelled.result() else set())
            assert (None, None) == (before.result(), after.result())
        if not cancelled.result():
            assert "new" in found
            return
