"""Promise 2: two requests of one session that change different keys both win; of the same key the later one does."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bodhi.session import get_session
from session.pages import cookie_of, sent

REQUESTS = 50


async def _begun(client):
    return cookie_of(await client.post("/set", json={"begun": True}))


def _posts(client, cookie, numbers):
    headers = sent(cookie)
    return [client.post("/set", json={f"key {number}": number}, headers=headers) for number in numbers]


async def test_fifty_parallel_requests_keep_fifty_keys(client, service):
    """Whatever the order, every request's key is there in the end."""
    cookie = await _begun(client)

    responses = await asyncio.gather(*_posts(client, cookie, range(REQUESTS)))

    assert {200} == {response.status for response in responses}
    expected = {"begun": True} | {f"key {number}": number for number in range(REQUESTS)}
    assert expected == (await service.load(cookie)).data
    assert 0 == service.counters.overwrites


async def test_two_nodes_keep_the_keys_of_both(serve, make_service):
    """The same over two services with connections of their own."""
    here, there = await make_service(), await make_service()
    clients = [await serve(here), await serve(there)]
    cookie = await _begun(clients[0])

    responses = await asyncio.gather(
        *_posts(clients[0], cookie, range(0, REQUESTS, 2)), *_posts(clients[1], cookie, range(1, REQUESTS, 2))
    )

    assert {200} == {response.status for response in responses}
    expected = {"begun": True} | {f"key {number}": number for number in range(REQUESTS)}
    assert expected == (await here.load(cookie)).data
    assert expected == (await there.load(cookie)).data


async def test_another_process_keeps_its_keys_too(client, service, other_node):
    """A save of another process in between is merged, not overwritten."""
    cookie = await _begun(client)

    async def there(number):
        return await other_node.http("POST", "/set", cookie=cookie, json={f"there {number}": number})

    await asyncio.gather(*_posts(client, cookie, range(10)), *(there(number) for number in range(3)))

    expected = {f"key {number}": number for number in range(10)} | {f"there {number}": number for number in range(3)}
    assert expected == {key: value for key, value in (await service.load(cookie)).data.items() if key != "begun"}


@pytest.fixture
async def during_another(serve, service, hold):
    """Lets a request change the session while another one, which has loaded it before, is held."""

    async def run(change, path, body=None, *, start):
        held = hold(change)
        client = await serve(service, held=held.handler)
        cookie = cookie_of(await client.post("/set", json=start))
        request = asyncio.create_task(client.get("/held"))
        await held.reached()
        assert (await client.post(path, json=body)).status == 200
        held.go_on()
        response = await request
        assert (200, None) == (response.status, cookie_of(response))
        return (await service.load(cookie)).data

    return run


async def test_the_later_save_wins_a_key_that_both_changed(during_another, service):
    """Last one wins, and a counter says that it happened."""
    data = await during_another(
        lambda session: session.update(theme="late"), "/set", {"theme": "early", "size": 2}, start={"theme": "none"}
    )

    assert {"theme": "late", "size": 2} == data
    assert (1, 1) == (service.counters.merges, service.counters.overwrites)


async def test_key_changed_by_one_side_only_is_no_overwrite(during_another, service):
    """The counter speaks of real collisions only."""
    await during_another(lambda session: session.update(size=1), "/set", {"theme": "dark"}, start={"theme": "none"})

    assert (1, 0) == (service.counters.merges, service.counters.overwrites)


async def test_a_removed_key_stays_removed(during_another):
    """An old snapshot does not bring back a key that another request removed."""
    assert {"b": 1, "late": True} == await during_another(None, "/remove/a", start={"a": 1, "b": 1})


async def test_removing_a_key_keeps_what_others_set(during_another):
    """The request that removes one key leaves the others' changes alone."""
    data = await during_another(lambda session: session.pop("a"), "/set", {"c": 3}, start={"a": 1, "b": 2})

    assert {"b": 2, "c": 3} == data


async def test_emptying_a_session_keeps_what_others_set(during_another):
    """A session is only gone when nothing at all is left in it."""
    assert {"c": 3} == await during_another(lambda session: session.clear(), "/set", {"c": 3}, start={"a": 1})


async def test_nested_changes_of_different_keys_both_win(during_another):
    """Changes inside values count for their top-level key."""
    data = await during_another(
        lambda session: session["cart"].append("pear"), "/set", {"seen": [1]}, start={"cart": ["apple"], "seen": []}
    )

    assert {"cart": ["apple", "pear"], "seen": [1]} == data


async def test_the_newest_tokens_survive_a_save_from_an_old_snapshot(during_another):
    """A refresh of tokens is not undone by a slow request that changed something else."""
    data = await during_another(
        lambda session: session.update(theme="dark"),
        "/set",
        {"tokens": {"refresh": "second"}},
        start={"tokens": {"refresh": "first"}},
    )

    assert {"tokens": {"refresh": "second"}, "theme": "dark"} == data


async def test_a_login_keeps_what_another_request_saved_meanwhile(serve, service, hold):
    """A rotation merges as a save does."""
    held = hold(lambda session: session.update(user_id="alice"))
    client = await serve(service, held=held.handler)
    await client.post("/set", json={"cart": ["apple"]})
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    await client.post("/set", json={"cart": ["apple", "pear"]})
    held.go_on()
    cookie = cookie_of(await request)

    assert {"cart": ["apple", "pear"], "user_id": "alice"} == (await service.load(cookie)).data


async def test_one_statement_saves_where_there_is_no_conflict(client, statements):
    """A request that changes its session costs one read and one write."""
    await _begun(client)
    statements.clear()

    await client.post("/set", json={"a": 1})

    assert ["load_session", "save_session"] == statements


async def test_a_conflict_is_bounded(during_another, statements):
    """One failed save, then one transaction that locks the row: nothing that could go round for ever."""
    await during_another(None, "/set", {"a": 2}, start={"a": 1})

    assert ["read_beginning", "create_session", *["load_session"] * 2, "save_session"] == statements[:5]
    assert ["save_session", "lock_session", "save_session", "load_session"] == statements[5:]


async def test_the_user_of_the_session_follows_a_merge(during_another, service):
    """The indexed column holds what the merged data says."""
    data = await during_another(None, "/set", {"color": "red"}, start={"user_id": "alice", "color": "blue"})

    assert "alice" == data["user_id"]
    assert 1 == await service.count_sessions_for_user("alice")


async def test_the_handler_goes_on_from_the_merged_session(serve, service):
    """After session.save() met another save, the session holds both, and the next save is no conflict."""
    saved, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request):
        session = await get_session(request)
        saved.set()
        await go_on.wait()
        session["mine"] = 1
        await session.save()
        session["seen"] = sorted(session)
        return web.Response()

    client = await serve(service, save_twice=handler)
    cookie = await _begun(client)
    request = asyncio.create_task(client.get("/save_twice"))
    await saved.wait()
    await client.post("/set", json={"theirs": 1})
    go_on.set()
    await request

    assert ["begun", "mine", "theirs"] == (await service.load(cookie)).data["seen"]
    assert 1 == service.counters.merges


async def test_changes_made_while_a_save_is_under_way_are_not_lost(serve, service, monkeypatch):
    """Another task of the same handler may change the session while session.save() waits for the database."""
    store = service.get_session_store()
    loaded, writing, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    locked = store.locked

    @asynccontextmanager
    async def slow_block(digest):
        async with locked(digest) as row:
            yield row
        writing.set()
        await go_on.wait()

    async def handler(request):
        session = await get_session(request)
        loaded.set()
        await go_on.wait()
        go_on.clear()
        session["first"] = 1
        save = asyncio.create_task(session.save())
        await writing.wait()
        session["second"] = 2
        go_on.set()
        await save
        return web.Response()

    monkeypatch.setattr(store, "locked", slow_block)
    client = await serve(service, two_tasks=handler)
    cookie = await _begun(client)
    request = asyncio.create_task(client.get("/two_tasks"))
    await loaded.wait()
    await client.post("/set", json={"theirs": 1})
    go_on.set()
    await request

    assert {"begun": True, "theirs": 1, "first": 1, "second": 2} == (await service.load(cookie)).data
