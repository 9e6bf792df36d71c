"""The service on a custom store, as in the guide to writing one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp_session import new_session
from msgspec.structs import replace

from bodhi.session import CapabilityMissing, DefaultSessionService, SessionStore, get_session, setup
from bodhi.session.store import CAPABILITIES, RecentEnds, SessionOverview
from bodhi.testing import Clock, StoreConformance
from conformance.minimal_store import MinimalStore
from conformance.store_of_0_1_0 import OldStore

KEYS = ["at least thirty-two characters of secret"]


async def visit(request: web.Request) -> web.Response:
    """Counts the visits of a session."""
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.json_response(session["visits"])


async def login(request: web.Request) -> web.Response:
    """Start a session of a user."""
    (await new_session(request))["user_id"] = "ann"
    return web.Response()


async def logout(request: web.Request) -> web.Response:
    """Ends the session."""
    (await get_session(request)).invalidate()
    return web.Response()


async def merge(request: web.Request) -> web.Response:
    """Add a key to the session, with a pause for concurrent changes."""
    session = await get_session(request)
    await asyncio.sleep(0)
    session[request.match_info["key"]] = 1
    return web.Response()


async def read(request: web.Request) -> web.Response:
    """Return the session's data."""
    return web.json_response(dict(await get_session(request)))


async def watch(request: web.Request) -> web.Response:  # type: ignore[return]
    """Waits for the end of the session."""
    session = await get_session(request)
    try:
        async with session.until_revoked():
            return web.Response(text="nobody watches")
    except CapabilityMissing as error:
        return web.Response(text=str(error))


Serve = Callable[[DefaultSessionService], Awaitable[TestClient]]


@pytest.fixture
def serve(aiohttp_client) -> Serve:
    """Serves an application with sessions of a service."""

    async def serve(service: DefaultSessionService) -> TestClient:
        app = web.Application()
        setup(app, service)
        app.router.add_get("/visit", visit)
        app.router.add_get("/read", read)
        app.router.add_get("/watch", watch)
        app.router.add_post("/login", login)
        app.router.add_post("/logout", logout)
        app.router.add_post("/merge/{key}", merge)
        client: TestClient = await aiohttp_client(app)
        return client

    return serve


async def test_application_uses_a_custom_store(aiohttp_client):
    """Before the service starts, and closes it after the service has ended."""
    steps = []

    async def connected_store(app: web.Application) -> AsyncIterator[None]:
        steps.append("connected")
        yield
        steps.append("closed")

    app = web.Application()
    app.cleanup_ctx.append(connected_store)
    setup(app, DefaultSessionService(MinimalStore(Clock()), keys=KEYS))
    app.router.add_get("/visit", visit)
    client = await aiohttp_client(app)

    assert ["connected"] == steps
    assert [1, 2, 3] == [await (await client.get("/visit")).json() for _ in range(3)]
    await client.close()
    assert ["connected", "closed"] == steps


async def test_a_minimal_store_serves_an_application(serve):
    """Visits, logins, parallel requests and logouts need no capability."""
    store = MinimalStore(Clock())
    service = DefaultSessionService(store, keys=KEYS)
    client = await serve(service)

    assert [1, 2, 3] == [await (await client.get("/visit")).json() for _ in range(3)]
    await client.post("/login")
    assert 1 == len(store.rows)
    assert 1 == await (await client.get("/visit")).json()
    await asyncio.gather(*(client.post(f"/merge/{number}") for number in range(50)))
    assert {"user_id", "visits", *map(str, range(50))} == set(await (await client.get("/read")).json())
    await client.post("/logout")
    assert {} == store.rows
    assert service.get_session_store() is store


async def test_missing_capability_is_named_in_the_error(serve):
    """No call is silently wrong: the error names the capability and the store."""
    service = DefaultSessionService(MinimalStore(Clock()), keys=KEYS)
    calls: dict[str, list[Callable[[], Awaitable[object]]]] = {
        "AllSessions": [service.count_sessions, service.clear_all_sessions, service.list_page],
        "UserSessions": [
            lambda: service.count_sessions_for_user("ann"),
            lambda: service.get_session_ids_for_user("ann"),
            lambda: service.list_sessions_for_user("ann"),
            lambda: service.list_page(user_id="ann"),
            lambda: service.revoke_session("x" * 16),
            lambda: service.revoke_sessions("ann", ["x" * 16]),
            lambda: service.revoke_other_sessions("ann", "x" * 16),
            lambda: service.clear_sessions_for_user("ann"),
        ],
        "SessionOverview": [
            lambda: service.user_activity(["ann"]),
            lambda: anext(service.session_pages(before="x" * 16)),
        ],
        "Reencryption": [lambda: anext(service.rekey()), lambda: service.sample_keys(1), service.data_format],
    }
    for capability, refused in calls.items():
        for call in refused:
            with pytest.raises(CapabilityMissing, match=f"{capability}.*MinimalStore"):
                await call()
    client = await serve(service)
    assert "ChangeNotification" in await (await client.get("/watch")).text()


def test_a_cap_that_the_store_cannot_keep_is_refused_at_once():
    """Rather than at the first login."""
    with pytest.raises(CapabilityMissing, match="UserSessions"):
        DefaultSessionService(MinimalStore(Clock()), keys=KEYS, max_per_user=3)


async def test_without_quarantine_an_unreadable_row_stays(serve):
    """It reads as absent, and is counted; nobody loses what might be repaired."""
    store = MinimalStore(Clock())
    service = DefaultSessionService(store, keys=KEYS)
    session_id, session = await service.create({"a": 1})
    rows = store.rows
    store.rows = {digest: _damaged(record) for digest, record in rows.items()}

    assert await service.load(session_id) is None
    assert [session.record.digest] == list(store.rows)
    assert 1 == service.counters.unreadable


async def remember(request: web.Request) -> web.Response:
    """Log in for an hour, and say it."""
    session = await get_session(request)
    session["user_id"], session.max_age = "ann", 3_600
    await session.save()
    return web.json_response(session.max_age)


async def rotate(request: web.Request) -> web.Response:
    """Moves the session to a new id."""
    (await get_session(request)).rotate()
    return web.Response()


@pytest.mark.filterwarnings("ignore:OldStore has update:DeprecationWarning")
@pytest.mark.parametrize(("kind", "kept"), [(MinimalStore, True), (OldStore, False)])
async def test_a_store_that_keeps_no_choice_sends_it_with_the_login(kind, kept, aiohttp_client):
    """As before there were choices; one that keeps it sends it with later cookies, too."""
    app = web.Application()
    setup(app, DefaultSessionService(kind(Clock()), keys=KEYS))
    app.router.add_post("/remember", remember)
    app.router.add_post("/rotate", rotate)
    client = await aiohttp_client(app)

    login = await client.post("/remember")

    assert 3_600 == await login.json()
    assert "; Max-Age=3600; " in login.headers["Set-Cookie"]
    assert kept == ("; Max-Age=3600; " in (await client.post("/rotate")).headers["Set-Cookie"])


def test_a_store_of_version_0_1_0_still_works():
    """A warning says what to change; all that it can do is used."""
    with pytest.warns(DeprecationWarning, match=r"OldStore has update\(\) and rotate\(\).*give it locked\(\)"):
        service = DefaultSessionService(OldStore(Clock()), keys=KEYS, max_per_user=3)

    later = {RecentEnds, SessionOverview}  # capabilities that 0.1.0 did not have
    assert set(CAPABILITIES) - later == {
        capability for capability in CAPABILITIES if isinstance(service._store, capability)
    }
    assert isinstance(service.get_session_store(), OldStore)


class TestStoreOfVersion010(StoreConformance):
    """The adapter for stores of version 0.1.0 keeps every promise."""

    @pytest.fixture
    def store_and_clock(self) -> tuple[SessionStore, Clock]:
        """The old store behind the service's adapter."""
        clock = Clock()
        with pytest.warns(DeprecationWarning, match="OldStore"):
            service = DefaultSessionService(OldStore(clock), keys=KEYS)
        return service._store, clock


async def test_a_store_of_version_0_1_0_serves_an_application(serve):
    """Parallel requests, a login that moves the session, the cap and a logout."""
    with pytest.warns(DeprecationWarning, match="OldStore"):
        service = DefaultSessionService(OldStore(Clock()), keys=KEYS, max_per_user=1)
    client = await serve(service)

    assert [1, 2, 3] == [await (await client.get("/visit")).json() for _ in range(3)]
    await asyncio.gather(*(client.post(f"/merge/{number}") for number in range(50)))
    assert {"visits", *map(str, range(50))} == set(await (await client.get("/read")).json())
    for _ in range(3):
        await client.post("/login")
    assert 1 == await service.count_sessions_for_user("ann") == await service.count_sessions()
    await client.post("/logout")
    assert 0 == await service.count_sessions()


def _damaged(record):
    return replace(record, data=b"\x01damaged")
