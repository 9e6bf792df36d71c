"""Promise 6: a user's sessions can be listed, counted and ended exactly, and nothing shown authenticates."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp_session import get_session, new_session

from bodhi.session import DefaultSessionService, setup
from bodhi.session.handles import digest_of, handle_of, is_session_id
from session.conftest import IDLE_SECONDS, SETTINGS
from session.pages import cookie_of, sent
from support.postgres_locks import blocked
from support.raw_database import RawDatabase


@pytest.fixture
async def log_in(bare_client):
    """Logs a user in with a browser of its own; the cookie."""

    async def log_in(user_id, agent="Test/1.0"):
        return cookie_of(await bare_client.post(f"/login/{user_id}", headers={"User-Agent": agent}))

    return log_in


def _handle(cookie):
    return handle_of(digest_of(cookie))


async def _is_live(service, cookie):
    return await service.load(cookie) is not None


async def test_a_list_shows_device_address_and_times(log_in, service, clock):
    """What a user needs to recognise a session, oldest first, with the one that asks marked."""
    begun_at = clock.now_ms
    first = await log_in("alice", agent="Firefox on a phone")
    clock.advance(60)
    second = await log_in("alice", agent="Safari on a desk")
    await log_in("bob")
    clock.advance(60)
    await service.load(first)
    await service.flush()

    listed = await service.list_sessions_for_user("alice", current=_handle(second))

    def at(seconds):
        return datetime.fromtimestamp(begun_at / 1000 + seconds, UTC)

    assert [_handle(first), _handle(second)] == [info.handle for info in listed]
    assert ["alice"] * 2 == [info.user_id for info in listed]
    assert ["Firefox on a phone", "Safari on a desk"] == [info.user_agent for info in listed]
    assert ["127.0.0.1"] * 2 == [info.ip for info in listed]
    assert [at(0), at(60)] == [info.created_at for info in listed]
    assert [at(120), at(60)] == [info.last_seen_at for info in listed]
    assert [at(120 + IDLE_SECONDS), at(60 + IDLE_SECONDS)] == [info.expires_at for info in listed]
    assert [False, True] == [info.is_current for info in listed]


async def test_nothing_that_is_listed_authenticates(log_in, bare_client, service):
    """No field of a listing has a cookie's shape, and none opens a session."""
    cookie = await log_in("alice")
    infos = await service.list_sessions_for_user("alice", current=_handle(cookie))
    handles = await service.get_session_ids_for_user("alice")
    dumped = [pair async for pair in service.dump_all_sessions()]

    shown = [str(value) for info in infos for value in dataclasses.astuple(info)] + handles + [h for h, _ in dumped]
    assert cookie not in "".join(shown)
    assert not any(is_session_id(text) for text in shown)
    for text in {*shown}:
        assert "{}" == await (await bare_client.get("/read", headers=sent(text))).text()


async def test_counts_are_exact_and_speak_of_live_sessions_only(log_in, service, clock):
    """Expired sessions do not count, swept or not."""
    for user_id in ("alice", "alice", "bob"):
        await log_in(user_id)
    clock.advance(IDLE_SECONDS / 2)
    await log_in("alice")
    assert (3, 1, 0, 4) == (
        await service.count_sessions_for_user("alice"),
        await service.count_sessions_for_user("bob"),
        await service.count_sessions_for_user("carol"),
        await service.count_sessions(),
    )

    clock.advance(IDLE_SECONDS / 2)

    assert 1 == await service.count_sessions_for_user("alice") == len(await service.get_session_ids_for_user("alice"))
    assert 1 == len(await service.list_sessions_for_user("alice"))
    assert 0 == await service.count_sessions_for_user("bob")
    assert [("alice")] == [user_id async for _, user_id in service.dump_all_sessions()]


async def test_clearing_counts_live_sessions_and_removes_the_expired_too(log_in, service, clock, raw):
    """The answer is how many could be used a moment ago; what had expired goes along."""
    await log_in("alice")
    clock.advance(IDLE_SECONDS)
    await log_in("alice")
    await log_in("bob")

    assert 1 == await service.clear_sessions_for_user("alice")
    assert ["bob"] == [row["user_id"] for row in await raw.sessions()]
    assert 0 == await service.clear_sessions_for_user("alice")
    assert 1 == await service.clear_all_sessions()
    assert [] == await raw.sessions()


async def test_one_session_is_revoked_by_its_handle(log_in, service):
    """That one and no other; a second time there is nothing to revoke."""
    first, second = await log_in("alice"), await log_in("alice")

    assert await service.revoke_session(_handle(first))

    assert not await _is_live(service, first)
    assert await _is_live(service, second)
    assert not await service.revoke_session(_handle(first))


FOREIGN = ["", "x", "x" * 16, "x" * 15 + "%", "x" * 43, "é" * 16, "\0" * 16, "'; DROP--aaaaaa", "\ud800" * 16]


async def test_a_foreign_handle_is_answered_like_an_unknown_one(log_in, service, subtests):
    """Nobody learns whether a handle of somebody else's exists, nor ends it; nonsense is unknown too."""
    bobs = await log_in("bob")

    for handle in [_handle(bobs), *FOREIGN]:
        with subtests.test(handle=repr(handle)):
            assert not await service.revoke_session(handle, user_id="alice")
    assert not any([await service.revoke_session(handle) for handle in FOREIGN])
    assert await _is_live(service, bobs)
    assert await service.revoke_session(_handle(bobs), user_id="bob")


async def test_all_others_are_ended_and_the_present_one_stays(log_in, service):
    """The button "log out everywhere else"."""
    cookies = [await log_in("alice") for _ in range(4)]
    bobs = await log_in("bob")

    assert 3 == await service.revoke_other_sessions("alice", _handle(cookies[2]))

    assert [False, False, True, False] == [await _is_live(service, cookie) for cookie in cookies]
    assert await _is_live(service, bobs)


@pytest.mark.parametrize("keep", ["", "no handle", "x" * 43])
async def test_all_others_is_refused_without_a_session_to_keep(keep, log_in, service):
    """A mistaken handle does not end the very session that was to stay."""
    cookie = await log_in("alice")

    with pytest.raises(ValueError, match="handle"):
        await service.revoke_other_sessions("alice", keep)
    assert await _is_live(service, cookie)


async def test_the_cap_is_enforced_by_the_login_itself(make_service, serve, raw):
    """The user's oldest session goes as the newest comes; other users' stay."""
    service = await make_service(max_per_user=3)
    client = await serve(service, keeps_cookies=False)
    await client.post("/login/bob")
    cookies = [cookie_of(await client.post("/login/alice")) for _ in range(5)]

    assert 3 == await service.count_sessions_for_user("alice")
    assert await _is_live(service, cookies[-1])
    assert 1 == await service.count_sessions_for_user("bob")


async def test_the_oldest_sessions_go_first(make_service, serve, clock):
    """By when they began, not by when they were used."""
    service = await make_service(max_per_user=2)
    client = await serve(service, keeps_cookies=False)
    cookies = []
    for _ in range(4):
        cookies.append(cookie_of(await client.post("/login/alice")))
        clock.advance(1)
        await service.load(cookies[0])

    assert [False, False, True, True] == [await _is_live(service, cookie) for cookie in cookies]


@pytest.mark.parametrize("kind", ["a first session", "a rotated one", "a new one"])
async def test_parallel_logins_never_exceed_the_cap(kind, make_service, serve):
    """However they come, and over two nodes: each login counts what the others left, and succeeds."""

    async def login_anew(request):
        session = await new_session(request)
        session["user_id"] = "alice"
        return web.Response()

    nodes = [await make_service(max_per_user=3), await make_service(max_per_user=3)]
    clients = [await serve(node, keeps_cookies=False, anew=login_anew) for node in nodes]
    headers = {} if kind == "a first session" else None
    logins = []
    for number in range(16):
        if kind != "a first session":
            headers = sent(cookie_of(await clients[0].post("/set", json={"n": number})))
        logins.append(clients[number % 2].post("/anew" if kind == "a new one" else "/login/alice", headers=headers))

    responses = await asyncio.gather(*logins)

    assert {200} == {response.status for response in responses}
    assert 3 == await nodes[0].count_sessions_for_user("alice")
    live = [await _is_live(nodes[0], cookie_of(response)) for response in responses]
    assert 3 == sum(live)
    assert 3 == await nodes[0].count_sessions()


async def test_a_session_that_logs_in_again_does_not_count_twice(make_service, serve):
    """A user who logs in on top of a session of theirs has one session more or less than before: the same one."""
    service = await make_service(max_per_user=2)
    client = await serve(service)
    other = await serve(service, keeps_cookies=False)
    kept = cookie_of(await other.post("/login/alice"))

    for user_id in ("alice", "bob", "alice", "bob", "alice"):
        assert 200 == (await client.post(f"/login/{user_id}")).status

    assert 2 == await service.count_sessions_for_user("alice")
    assert await _is_live(service, kept)


async def test_a_dump_streams_every_live_session(service, monkeypatch):
    """Page by page, each once, with handle and user."""
    monkeypatch.setattr("bodhi.session.administration.PAGE", 7)
    ids = [(await service.create({"user_id": f"user {number}"}))[0] for number in range(30)]
    ids.append((await service.create({"nobody's": True}))[0])

    dumped = [pair async for pair in service.dump_all_sessions()]

    expected = {
        (_handle(session_id), f"user {number}" if number < 30 else None) for number, session_id in enumerate(ids)
    }
    assert expected == set(dumped)
    assert 31 == len(dumped)


async def test_another_process_sees_and_does_the_same(log_in, service, other_node):
    """An operator's command counts, lists and ends what the server's process began."""
    cookies = [await log_in("alice"), await log_in("alice")]

    assert 2 == await other_node.call("count_sessions_for_user", "alice")
    assert [_handle(cookie) for cookie in cookies] in (
        (listed := await other_node.call("get_session_ids_for_user", "alice")),
        listed[::-1],
    )
    assert await other_node.call("revoke_session", _handle(cookies[0]))
    assert 1 == await service.count_sessions_for_user("alice")


async def test_the_statements_are_single(log_in, service, statements):
    """A count, a revocation and a list each cost one statement."""
    cookie = await log_in("alice")
    statements.clear()

    await service.count_sessions_for_user("alice")
    await service.list_sessions_for_user("alice")
    await service.revoke_session(_handle(cookie))
    await service.clear_sessions_for_user("alice")

    assert ["count_user", "list_user", "revoke_session", "clear_user"] == statements


async def test_clear_all_works_in_batches(service, statements, monkeypatch):
    """Any number of them: one statement for millions would take longer than the limit, and end none."""
    monkeypatch.setattr(type(service.get_session_store()), "clear_batch", 2)
    for _ in range(5):
        await service.create({"user_id": "alice"})
    statements.clear()

    assert 5 == await service.clear_all_sessions()

    assert ["clear_some"] * 3 + ["clear_all"] == statements
    assert 0 == await service.count_sessions()


async def test_a_session_on_its_way_to_another_id_ends_with_all(postgres_url):
    """Whoever holds its row meanwhile. SQLite has one writer: there nothing is on its way."""
    async with DefaultSessionService.from_url(postgres_url, **SETTINGS) as service, RawDatabase(postgres_url) as raw:
        await service.create({"user_id": "alice"})
        await raw.rows("BEGIN")
        await raw.rows("UPDATE bodhi_session SET digest = sha256(digest)")
        clearing = asyncio.create_task(service.clear_all_sessions())
        await blocked(postgres_url, count=1)
        await raw.rows("COMMIT")

        assert 1 == await clearing
        assert 0 == await service.count_sessions()


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (None, None),
        ("", None),
        ("x" * 2000, "x" * 512),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("Müller/1.0", "Müller/1.0"),
    ],
)
async def test_odd_devices_are_shown_safely(agent, expected, serve, service, bare_client):
    """A missing, long or garbled User-Agent is stored as something that can be shown."""
    skip = {"skip_auto_headers": ["User-Agent"]} if agent is None else {"headers": {"User-Agent": agent}}

    response = await bare_client.post("/login/alice", **skip)

    assert 200 == response.status
    assert [expected] == [info.user_agent for info in await service.list_sessions_for_user("alice")]


async def test_raw_bytes_in_the_user_agent_are_no_fault(serve, service, bare_client):
    """Bytes that are no UTF-8 reach Python as half surrogates, which no database takes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bare_client.port)
    writer.write(b"POST /login/alice HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\xfe\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert ["\ufffd\ufffd"] == [info.user_agent for info in await service.list_sessions_for_user("alice")]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"203.0.113.7, \xc3\xa4\xff", "203.0.113.7, \u00e4\ufffd"),
        (b"9" * 2000, "9" * 512),
        (b"", None),
    ],
)
async def test_an_address_from_a_header_is_no_fault(header, expected, serve, service):
    """An application may take it from a proxy that passes on what clients write."""

    def install(app, service):
        setup(app, service, client_of=lambda request: request.headers["X-Forwarded-For"])

    client = await serve(service, install=install)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = b"POST /login/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: "
    writer.write(head + header + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [expected] == [info.ip for info in await service.list_sessions_for_user("alice")]


async def test_the_device_of_a_session_is_that_of_its_login(bare_client, service):
    """The list tells where the user logged in, not where the anonymous visit began."""
    begun = cookie_of(await bare_client.post("/set", json={"a": 1}, headers={"User-Agent": "before"}))

    await bare_client.post("/login/alice", headers={**sent(begun), "User-Agent": "login"})

    assert ["login"] == [info.user_agent for info in await service.list_sessions_for_user("alice")]


async def test_the_session_knows_its_own_handle(serve, service):
    """A page that lists the user's sessions can tell which is this one."""

    async def mine(request):
        session = await get_session(request)
        infos = await service.list_sessions_for_user(session["user_id"], current=session.identity)
        return web.json_response([info.is_current for info in infos])

    client = await serve(service, mine=mine)
    await service.create({"user_id": "alice"})
    await client.post("/login/alice")

    assert [False, True] == sorted(await (await client.get("/mine")).json())
