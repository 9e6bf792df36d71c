"""The service on a store that is not bodhi's own, as the guide to writing one has it."""

from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp_session import get_session, new_session

from bodhi.session import DefaultSessionService, setup
from bodhi.testing import Clock
from conformance.memory_store import MemoryStore


async def visit(request: web.Request) -> web.Response:
    """Counts the visits of a session."""
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.json_response(session["visits"])


async def login(request: web.Request) -> web.Response:
    """Begins a session of a user."""
    (await new_session(request))["user_id"] = "ann"
    return web.Response()


async def logout(request: web.Request) -> web.Response:
    """Ends the session."""
    (await get_session(request)).invalidate()
    return web.Response()


async def test_an_application_keeps_its_sessions_in_a_store_of_its_own(aiohttp_client):
    """The store is connected before the service starts, and all that a visitor does works on it."""
    steps = []
    store = MemoryStore(Clock())

    async def connected_store(app: web.Application) -> AsyncIterator[None]:
        steps.append("connected")
        yield
        steps.append("closed")

    app = web.Application()
    app.cleanup_ctx.append(connected_store)
    service = DefaultSessionService(store, keys=["at least thirty-two characters of secret"])
    setup(app, service)
    app.router.add_get("/visit", visit)
    app.router.add_post("/login", login)
    app.router.add_post("/logout", logout)
    client = await aiohttp_client(app)

    assert ["connected"] == steps
    assert [1, 2, 3] == [await (await client.get("/visit")).json() for _ in range(3)]
    await client.post("/login")
    assert 1 == await service.count_sessions_for_user("ann") == await service.count_sessions()
    assert 1 == await (await client.get("/visit")).json()
    await client.post("/logout")
    assert 0 == await service.count_sessions()
    await client.close()
    assert ["connected", "closed"] == steps
