"""``aiohttp_session.setup(app, service.storage)``: as aiohttp-session's documentation says, its faults mended."""

import asyncio
import subprocess
import sys
import time

import aiohttp_session
import pytest
from aiohttp import web
from aiohttp_session import get_session, new_session

import bodhi.session
from bodhi.session import SESSIONS, CookiePolicy, Session, SessionStorage, setup
from session.conftest import IDLE_SECONDS, LIFETIME_SECONDS
from session.pages import cookie_of, sent


def install(app, service):
    """What an application did before, with another storage."""
    aiohttp_session.setup(app, service.storage)


def install_with_max_age(app, service):
    """The same with the storage's own option."""
    aiohttp_session.setup(app, SessionStorage(service, max_age=600))


@pytest.fixture(params=[install, setup], ids=["aiohttp_session.setup", "bodhi.session.setup"])
def both_ways(request):
    """Both ways to install the sessions."""
    return request.param


# As the documentation says.


async def test_get_session_gives_what_was_stored(both_ways, serve, service):
    """The example of aiohttp-session's README: a value set in one request is there in the next."""

    async def handler(request):
        session = await get_session(request)
        last_visit = session.get("last_visit")
        session["last_visit"] = "now"
        return web.Response(text=f"Last visited: {last_visit}")

    client = await serve(service, install=both_ways, page=handler)

    assert ["Last visited: None", "Last visited: now"] == [await (await client.get("/page")).text() for _ in range(2)]


async def test_get_session_gives_the_same_object_within_a_request(both_ways, serve, service):
    """However often it is asked for, also after new_session()."""

    async def handler(request):
        first = await get_session(request)
        assert await get_session(request) is first
        new = await new_session(request)
        assert new is not first
        assert await get_session(request) is new
        return web.Response()

    client = await serve(service, install=both_ways, page=handler)

    assert 200 == (await client.get("/page")).status


async def test_a_session_is_a_mutable_mapping_with_the_documented_attributes(both_ways, serve, service):
    """new, empty, created, max_age, identity, and everything that a dict does."""

    async def first(request):
        session = await get_session(request)
        assert isinstance(session, aiohttp_session.Session)
        assert (True, True, None, None) == (session.new, session.empty, session.identity, session.max_age)
        assert abs(time.time() - session.created) < 5
        session["a"] = 1
        assert (True, False) == (session.new, session.empty)
        return web.Response()

    async def second(request):
        session = await get_session(request)
        assert isinstance(session, Session)
        assert (False, False) == (session.new, session.empty)
        assert 1_800_000_000 == session.created
        assert ({"a": 1}, 1, ["a"], True, 1) == (
            dict(session),
            len(session),
            list(session),
            "a" in session,
            session["a"],
        )
        with pytest.raises(KeyError):
            session["b"]
        with pytest.raises(KeyError):
            del session["b"]
        session.setdefault("b", []).append(2)
        assert 1 == session.pop("a")
        assert ("b", [2]) == session.popitem()
        session.update({"c": 3}, d=4)
        assert {"c": 3, "d": 4} == session
        return web.Response()

    client = await serve(service, install=both_ways, first=first, second=second)

    assert [200, 200] == [(await client.get(path)).status for path in ("/first", "/second")]
    assert {"c": 3, "d": 4} == await (await client.get("/read")).json()


async def test_invalidate_ends_the_session(both_ways, serve, service, raw):
    """Row and cookie go; what is stored after it begins another session."""

    async def handler(request):
        session = await get_session(request)
        session.invalidate()
        assert {} == session
        if "again" in request.query:
            session["again"] = True
        return web.Response()

    client = await serve(service, install=both_ways, page=handler)
    first = cookie_of(await client.post("/set", json={"a": 1}))
    second = cookie_of(await client.get("/page?again"))

    assert second not in (None, "", first)
    assert {"again": True} == await (await client.get("/read")).json()
    assert await service.load(first) is None
    assert "" == cookie_of(await client.get("/page"))
    assert [] == await raw.sessions()


async def test_new_session_begins_another_one(both_ways, serve, service):
    """For logins, as the documentation advises."""

    async def handler(request):
        session = await new_session(request)
        assert (True, True) == (session.new, session.empty)
        session["user_id"] = "alice"
        return web.Response()

    client = await serve(service, install=both_ways, page=handler)
    first = cookie_of(await client.post("/set", json={"a": 1}))
    second = cookie_of(await client.get("/page"))

    assert second not in (None, "", first)
    assert {"user_id": "alice"} == await (await client.get("/read")).json()


async def test_a_raised_response_saves_too(both_ways, serve, service):
    """HTTPException is a response like another."""

    async def handler(request):
        (await get_session(request))["a"] = 1
        raise web.HTTPFound("/plain")

    client = await serve(service, install=both_ways, page=handler)

    response = await client.get("/page", allow_redirects=False)

    assert 302 == response.status
    assert {"a": 1} == (await service.load(cookie_of(response))).data


async def test_without_setup_get_session_says_what_is_missing(service):
    """aiohttp-session's own words."""
    with pytest.raises(RuntimeError, match="Install aiohttp_session middleware"):
        await get_session({})


async def test_the_storage_is_one_of_aiohttp_sessions(service):
    """With the attributes that programs may ask for."""
    assert isinstance(service.storage, aiohttp_session.AbstractStorage)
    assert service.storage is service.storage
    assert ("bodhiapp_session_id", None) == (service.storage.cookie_name, service.storage.max_age)


async def test_setup_makes_the_service_known(service):
    """Handlers find the service in the application."""
    app = web.Application()
    setup(app, service)

    assert service is app[SESSIONS]


async def test_an_outage_is_a_503_here_too(serve, service, break_store):
    """Also with aiohttp-session's own middleware."""
    client = await serve(service, install=install)
    await client.post("/set", json={"a": 1})
    break_store(service, "load")

    response = await client.get("/read")

    assert (503, None) == (response.status, cookie_of(response))
    assert response.headers["Retry-After"]


async def test_a_save_does_not_revive_a_session_here_either(serve, service, hold, raw):
    """The storage keeps its promises under aiohttp-session's own middleware."""
    held = hold()
    client = await serve(service, install=install, held=held.handler)
    await client.post("/set", json={"a": 1})
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    await service.clear_all_sessions()
    held.go_on()
    response = await request

    assert (200, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()


async def test_parallel_requests_keep_all_keys_here_too(serve, service):
    """And merges saves."""
    client = await serve(service, install=install)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    await asyncio.gather(*(client.post("/set", json={f"key {number}": 1}) for number in range(10)))

    assert 11 == len((await service.load(cookie)).data)


# max_age.


async def test_max_age_of_the_storage_reaches_cookie_and_row(serve, service, clock):
    """Max-Age and Expires in the cookie; the server holds to it whatever the browser does."""
    client = await serve(service, install=install_with_max_age, keeps_cookies=False)

    response = await client.post("/set", json={"a": 1})
    cookie = cookie_of(response)

    assert "; Max-Age=600; Expires=" in response.headers["Set-Cookie"]
    clock.advance(599.999)
    assert {"a": 1} == await (await client.get("/read", headers=sent(cookie))).json()
    await service.flush()
    clock.advance(0.001)
    assert {} == await (await client.get("/read", headers=sent(cookie))).json()


async def test_max_age_counts_from_the_last_save(serve, service, clock):
    """As aiohttp-session has it: a request that changes the session renews cookie and row."""
    client = await serve(service, install=install_with_max_age, keeps_cookies=False)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))
    clock.advance(500)

    again = await client.post("/set", json={"b": 2}, headers=sent(cookie))

    assert cookie == cookie_of(again)
    assert "; Max-Age=600; " in again.headers["Set-Cookie"]
    clock.advance(599.999)
    assert {"a": 1, "b": 2} == await (await client.get("/read", headers=sent(cookie))).json()
    clock.advance(0.001)
    assert {} == await (await client.get("/read", headers=sent(cookie))).json()


@pytest.mark.parametrize("max_age", [IDLE_SECONDS * 2, LIFETIME_SECONDS * 2])
async def test_max_age_lengthens_no_timeout(max_age, serve, service, clock):
    """The idle and the absolute timeout hold, whatever an application asks for."""

    async def handler(request):
        session = await get_session(request)
        session["a"] = 1
        session.max_age = max_age
        return web.Response()

    client = await serve(service, keeps_cookies=False, page=handler)
    cookie = cookie_of(await client.get("/page"))
    stored = await service.load(cookie)
    begun = clock.now_ms

    assert stored.record.expires_at == begun + IDLE_SECONDS * 1000
    assert stored.record.ends_at == begun + min(max_age, LIFETIME_SECONDS) * 1000


async def test_max_age_of_one_session(both_ways, serve, service, clock):
    """The box "remember me", set by the handler on a session that is stored already."""

    async def remember(request):
        session = await get_session(request)
        session.max_age = 60
        assert 60 == session.max_age
        return web.Response()

    client = await serve(service, install=both_ways, keeps_cookies=False, remember=remember)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    response = await client.get("/remember", headers=sent(cookie))

    assert cookie == cookie_of(response)
    assert "; Max-Age=60; " in response.headers["Set-Cookie"]
    clock.advance(59.999)
    assert await service.load(cookie)
    clock.advance(0.001)
    assert await service.load(cookie) is None


async def test_max_age_survives_a_rotation(serve, service, clock):
    """The login's cookie and row end when the application says."""
    client = await serve(service, install=install_with_max_age, keeps_cookies=False)
    before = cookie_of(await client.post("/set", json={"a": 1}))

    response = await client.post("/login/alice", headers=sent(before))

    assert "; Max-Age=600; " in response.headers["Set-Cookie"]
    clock.advance(600)
    assert await service.load(cookie_of(response)) is None


# Its faults, mended.


async def test_its_request_keys_warn_of_nothing(both_ways, serve, service, recwarn):
    """Since 3.14 aiohttp warns about plain strings as request keys, such as aiohttp-session 2.12 uses."""
    client = await serve(service, install=both_ways)

    await client.post("/set", json={"a": 1})
    await client.get("/read")

    assert [] == [warning for warning in recwarn if "NotAppKeyWarning" in repr(warning.category)]


@pytest.mark.parametrize("get", [get_session, bodhi.session.get_session, new_session, bodhi.session.new_session])
async def test_both_keys_find_the_session(get, both_ways, serve, service):
    """Debug toolbars and tests look under the text; others import the name."""

    async def handler(request):
        session = await get(request)
        assert session is request[aiohttp_session.SESSION_KEY] is request["aiohttp_session"]
        return web.Response()

    client = await serve(service, install=both_ways, page=handler)

    assert 200 == (await client.get("/page")).status


IMPORT_ORDERS = {
    "before": "from aiohttp_session import SESSION_KEY\nimport bodhi.session",
    "after": "import bodhi.session\nfrom aiohttp_session import SESSION_KEY",
    "between": "from bodhi.database import Schema\nfrom aiohttp_session import SESSION_KEY\nimport bodhi.session",
    "text": "import bodhi.session\nSESSION_KEY = 'aiohttp_session'",
}
FINDS_A_SESSION = """
import asyncio, aiohttp_session
from aiohttp.test_utils import make_mocked_request

async def main():
    for session in (bodhi.session.Session(None), aiohttp_session.Session(None, data=None, new=True)):
        request = make_mocked_request("GET", "/")
        request[SESSION_KEY] = session
        for get in (aiohttp_session.get_session, bodhi.session.get_session):
            assert session is await get(request)

asyncio.run(main())
"""


@pytest.mark.parametrize("imports", IMPORT_ORDERS.values(), ids=IMPORT_ORDERS)
def test_a_test_gives_a_handler_its_session_in_any_order_of_imports(imports):
    """Without a warning, which is an error in many a test suite."""
    subprocess.run([sys.executable, "-W", "error", "-c", imports + FINDS_A_SESSION], check=True)


def test_an_import_changes_nothing_of_aiohttp_session():
    """Its other users share the process."""
    same = "before == vars(aiohttp_session)"
    code = f"import aiohttp_session; before = dict(vars(aiohttp_session)); import bodhi.session; assert {same}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


async def test_nested_changes_are_saved(both_ways, serve, service):
    """aiohttp-session saves on assignment and deletion only."""

    async def handler(request):
        (await get_session(request))["cart"].append("pear")
        return web.Response()

    client = await serve(service, install=both_ways, page=handler)
    await client.post("/set", json={"cart": ["apple"]})

    await client.get("/page")

    assert {"cart": ["apple", "pear"]} == await (await client.get("/read")).json()


async def test_created_stays_where_it_was(both_ways, serve, service, clock):
    """aiohttp-session moves it with every write."""
    seen = []

    async def handler(request):
        session = await get_session(request)
        session["n"] = session.get("n", 0) + 1
        seen.append(session.created)
        return web.Response()

    client = await serve(service, install=both_ways, page=handler)
    for _ in range(3):
        await client.get("/page")
        clock.advance(100)

    assert [1_800_000_000] * 2 == seen[1:]


async def test_new_session_ends_the_old_row(both_ways, serve, service, raw):
    """aiohttp-session leaves it, as good as before, to whoever knows the old cookie."""

    async def handler(request):
        (await new_session(request))["user_id"] = "alice"
        return web.Response()

    client = await serve(service, install=both_ways, keeps_cookies=False, page=handler)
    first = cookie_of(await client.post("/set", json={"a": 1}))

    await client.get("/page", headers=sent(first))

    assert ["alice"] == [row["user_id"] for row in await raw.sessions()]
    assert await service.load(first) is None


async def test_a_stored_session_can_change_its_id(both_ways, serve, service):
    """aiohttp-session's set_new_identity() refuses sessions that are not new; rotate() is there for them."""

    async def handler(request):
        session = await get_session(request)
        with pytest.raises(RuntimeError, match="rotate"):
            session.set_new_identity("mine")
        session.rotate()  # type: ignore[attr-defined]
        return web.Response()

    client = await serve(service, install=both_ways, page=handler)
    first = cookie_of(await client.post("/set", json={"a": 1}))

    second = cookie_of(await client.get("/page"))

    assert second not in (None, "", first)
    assert {"a": 1} == (await service.load(second)).data


async def test_the_identity_is_no_secret(both_ways, serve, service):
    """aiohttp-session's identity is the cookie's value, and its repr shows all data."""

    async def handler(request):
        session = await get_session(request)
        return web.json_response([session.identity, repr(session)])

    client = await serve(service, install=both_ways, page=handler)
    cookie = cookie_of(await client.post("/set", json={"token": "secret"}))

    identity, shown = await (await client.get("/page")).json()

    assert [identity] == [pair[0] async for pair in service.dump_all_sessions()]
    assert cookie not in identity + shown
    assert "secret" not in shown


async def test_a_removal_has_the_attributes_of_the_cookie(both_ways, serve, make_service):
    """Without Secure a browser ignores it for a ``__Host-`` name; aiohttp-session leaves it out."""
    service = await make_service(cookie=CookiePolicy(secure=True))
    client = await serve(service, install=both_ways, keeps_cookies=False)
    begun = await client.post("/set", json={"a": 1})
    headers = sent(cookie_of(begun), "__Host-bodhiapp_session_id")

    removed = await client.post("/logout", headers=headers)

    name = "__Host-bodhiapp_session_id="
    assert begun.headers["Set-Cookie"].startswith(name)
    assert removed.headers["Set-Cookie"].startswith(name)
    for response in (begun, removed):
        assert response.headers["Set-Cookie"].endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize("kind", [web.StreamResponse, web.FileResponse, web.WebSocketResponse])
async def test_streams_files_and_websockets_save(kind, serve, service):
    """aiohttp-session passes them by; this is what bodhi.session.setup is for."""

    async def handler(request):
        (await get_session(request))["a"] = 1
        if kind is web.FileResponse:
            return web.FileResponse(__file__)
        response = kind()
        await response.prepare(request)
        if kind is web.WebSocketResponse:
            await response.close()
        return response

    client = await serve(service, page=handler)
    if kind is web.WebSocketResponse:
        async with client.ws_connect("/page") as socket:
            await socket.receive()
    else:
        await (await client.get("/page")).read()

    assert {"a": 1} == await (await client.get("/read")).json()


async def test_save_is_refused_where_it_cannot_work(serve, service, raw):
    """aiohttp-session's middleware would not tell the browser of a session that was saved by hand."""
    refused = []

    async def handler(request):
        for get in (get_session, new_session):
            session = await get(request)
            session["a"] = 1
            try:
                await session.save()  # type: ignore[attr-defined]
            except RuntimeError as error:
                refused.append(str(error))
        return web.Response()

    client = await serve(service, install=install, page=handler)

    cookie = cookie_of(await client.get("/page"))

    assert ["bodhi.session.setup" in text for text in refused] == [True, True]
    assert {"a": 1} == (await service.load(cookie)).data
    assert 1 == len(await raw.sessions())


async def test_session_without_a_request_works_as_a_dict():
    """A session made by hand, as in a unit test of a handler, works as a dict."""
    session = Session(None)
    session["a"] = 1

    assert {"a": 1} == session
    with pytest.raises(RuntimeError, match=r"bodhi\.session\.setup"):
        await session.save()


# As an application does that had another storage before, and keeps its cookie's name.

EARLIER = {
    "RedisStorage": "8a68bb03bfbd4a568e587035bdffcf1f",
    "EncryptedCookieStorage": "gAAAAABp" + "Zm9yZ2VyeQ-_" * 40 + "==",
    "SimpleCookieStorage": '"{\\"created\\": 1796061406\\054 \\"session\\": {\\"user_id\\": \\"ann\\"}}"',
}


@pytest.mark.parametrize("cookie", EARLIER.values(), ids=EARLIER)
async def test_a_cookie_of_an_earlier_storage_is_nobodys(both_ways, serve, make_service, cookie):
    """The visitor has no session, and the next login replaces the cookie."""
    service = await make_service(cookie=CookiePolicy(name="AIOHTTP_SESSION"))
    client = await serve(service, install=both_ways, keeps_cookies=False)
    headers = {"Cookie": f"AIOHTTP_SESSION={cookie}"}

    assert {} == await (await client.get("/read", headers=headers)).json()
    new = cookie_of(await client.post("/login/ann", headers=headers))
    assert {"user_id": "ann"} == (await service.load(new)).data


async def test_a_message_survives_the_logout_in_a_session_of_its_own(both_ways, serve, service):
    """What the next page is to say is not in the session that ended, and a copy of its cookie stays worthless."""

    async def handler(request):
        session = await get_session(request)
        session.invalidate()
        new = await new_session(request)
        new["flash"] = ["Goodbye"]
        raise web.HTTPSeeOther("/read")

    client = await serve(service, install=both_ways, bye=handler)
    old = cookie_of(await client.post("/login/ann"))

    assert {"flash": ["Goodbye"]} == await (await client.get("/bye")).json()
    assert await service.load(old) is None
    assert [] == await service.list_sessions_for_user("ann")
