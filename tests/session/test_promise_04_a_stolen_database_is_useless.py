"""Promise 4: nothing in the database, its log or a backup works as a cookie or shows what a session holds."""

import asyncio
import base64
import logging
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web

from bodhi.database import sqlite_path
from bodhi.session import DefaultSessionService, get_session
from bodhi.session.handles import digest_of
from session.conftest import KEY, SETTINGS
from session.pages import cookie_of, sent

TOKEN = "eyJhbGciOiJSUzI1NiJ9.an-access-token-that-nobody-else-may-see"
OLD_KEY, NEW_KEY = KEY, "the key that takes its place, also of thirty-two characters"


def _spellings(secret):
    """*secret* as it could stand somewhere: as it is, in hex, in base64, and the bytes that an id stands for."""
    forms = [secret.encode()]
    if len(secret) == 43:
        forms.append(base64.urlsafe_b64decode(secret + "="))
    for form in list(forms):
        forms += [form.hex().encode(), form.hex().upper().encode()]
        # Of longer base64 only the part that does not depend on where it starts.
        forms += [
            base64.b64encode(form)[:-4],
            base64.b64encode(b"." + form)[4:-4],
            base64.b64encode(b".." + form)[4:-4],
        ]
    return forms


def _assert_nothing_of(secrets, content):
    for secret in secrets:
        assert not [form for form in _spellings(secret) if form in content]


async def _logged_in(client):
    """The cookies before and after a login that stores a token."""
    before = cookie_of(await client.post("/set", json={"cart": ["apple"]}))
    after = cookie_of(await client.post("/login/alice"))
    await client.post("/set", json={"tokens": {"access": TOKEN}})
    return before, after


async def test_no_column_holds_the_cookie_or_a_token(client, raw):
    """Every column of every table, after a login: no id, old or new, and no token, in any spelling."""
    cookies = await _logged_in(client)

    content = await raw.everything()

    assert b"alice" in content, "the search finds what is there"
    assert digest_of(cookies[1]) in content
    _assert_nothing_of([*cookies, TOKEN], content)


async def test_no_file_of_sqlite_holds_the_cookie_or_a_token(sqlite_url, serve):
    """The database file, its write-ahead log and its index."""
    async with DefaultSessionService.from_url(sqlite_url, **SETTINGS) as service:
        cookies = await _logged_in(await serve(service))
        path = Path(sqlite_path(sqlite_url))
        content = {file.suffix: file.read_bytes() for file in path.parent.glob("session.sqlite*")}

    assert b"alice" in content[".sqlite-wal"], "the search finds what is there"
    assert {".sqlite", ".sqlite-wal", ".sqlite-shm"} == set(content)
    _assert_nothing_of([*cookies, TOKEN], b"".join(content.values()))
    assert b"alice" in path.read_bytes()
    _assert_nothing_of([*cookies, TOKEN], path.read_bytes())


async def test_no_dump_of_postgres_holds_the_cookie_or_a_token(postgres_url, serve):
    """What a backup would copy, table by table, as text and as PostgreSQL's own format."""
    async with DefaultSessionService.from_url(postgres_url, **SETTINGS) as service:
        cookies = await _logged_in(await serve(service))
    content = bytearray()

    async def keep(data):
        content.extend(data)

    connection = await asyncpg.connect(postgres_url)
    for form in ("text", "binary"):
        await connection.copy_from_query("SELECT * FROM bodhi_session", output=keep, format=form)
        await connection.copy_from_table("bodhi_session_set_aside", output=keep, format=form)
    await connection.close()

    assert 2 == content.count(b"alice")
    _assert_nothing_of([*cookies, TOKEN], bytes(content))


async def test_no_file_of_a_postgres_server_holds_the_cookie_or_a_token(postgres_server, serve):
    """The whole data folder: tables, write-ahead log and the server's own log."""
    url = postgres_server.url()
    async with DefaultSessionService.from_url(url, **SETTINGS) as service:
        cookies = await _logged_in(await serve(service))
        connection = await asyncpg.connect(url)
        await connection.execute("CHECKPOINT")
        folder = Path(await connection.fetchval("SHOW data_directory"))
        await connection.close()

    content = {file: file.read_bytes() for file in folder.parent.rglob("*") if file.is_file()}
    assert any(b"alice" in read for file, read in content.items() if "base" in file.parts)
    assert any(b"alice" in read for file, read in content.items() if "pg_wal" in file.parts)
    _assert_nothing_of([*cookies, TOKEN], b"".join(content.values()))


async def test_nothing_that_is_stored_works_as_a_cookie(client, bare_client, service, raw):
    """Digests, handles and data, in the spellings that have a cookie's shape, are all unknown."""
    _, cookie = await _logged_in(client)
    row = (await raw.sessions())[0]
    stored = base64.urlsafe_b64encode(row["digest"]).decode().rstrip("=")

    for candidate in (stored, row["digest"].hex()[:43], *await service.get_session_ids_for_user("alice")):
        response = await bare_client.get("/read", headers=sent(candidate))
        assert {} == await response.json()
    assert "alice" == (await (await bare_client.get("/read", headers=sent(cookie))).json())["user_id"]


async def test_equal_data_never_looks_equal(client, raw):
    """Every save has a nonce of its own: nobody can see that two sessions hold the same, or that one went back."""
    await client.post("/set", json={"role": "admin"})
    client.session.cookie_jar.clear()
    await client.post("/set", json={"role": "admin"})
    await client.post("/set", json={"role": "user"})
    await client.post("/set", json={"role": "admin"})

    one, other = [row["data"] for row in await raw.sessions()]
    assert one[5:] != other[5:]
    assert one[5:17] != other[5:17]


async def test_neither_the_id_nor_the_data_is_logged_or_shown(serve, service, raw, caplog, break_store):
    """No log line at any level, no representation and no part of a response but Set-Cookie tells a secret."""
    shown = []

    async def show(request):
        session = await get_session(request)
        shown.extend([repr(session), str(session), repr(session.stored), repr(session.stored.record), session.identity])
        return web.json_response({"identity": session.identity})

    async def crash(request):
        session = await get_session(request)
        session["more"] = TOKEN
        raise RuntimeError("a bug")

    client = await serve(service, show=show, crash=crash)
    texts = []
    with caplog.at_level(logging.DEBUG):
        cookies = await _logged_in(client)
        for path in ("/show", "/crash", "/plain"):
            response = await client.get(path)
            headers = [f"{name}: {value}" for name, value in response.headers.items() if name != "Set-Cookie"]
            texts += [await response.text(), *headers]
        row = (await raw.sessions())[0]
        await raw.write_data(row["digest"], row["data"][:-1])
        await client.get("/read")
        break_store(service, "load")
        texts.append(await (await client.get("/read")).text())
    shown += [repr(service), repr(service.counters)]

    logged = [record.getMessage() + str(record.exc_text) + repr(record.args) for record in caplog.records]
    assert "set aside" in "".join(logged), "the log was caught"
    _assert_nothing_of([*cookies, TOKEN], "\n".join([*logged, *map(str, shown), *texts]).encode())


@pytest.mark.parametrize("place", ["query", "path", "body", "Authorization", "another cookie"])
async def test_session_id_is_accepted_from_its_cookie_only(place, client, service):
    """An id that leaked into an address or a form opens nothing from there."""
    cookie = cookie_of(await client.post("/set", json={"secret": 1}))
    client.session.cookie_jar.clear()
    request = {
        "query": {"path": f"/read?bodhiapp_session_id={cookie}"},
        "path": {"path": f"/read;bodhiapp_session_id={cookie}"},
        "body": {"path": "/read", "data": {"bodhiapp_session_id": cookie}},
        "Authorization": {"path": "/read", "headers": {"Authorization": f"Bearer {cookie}"}},
        "another cookie": {"path": "/read", "headers": {"Cookie": f"session={cookie}"}},
    }[place]

    response = await client.request("GET", **request)

    assert "secret" not in await response.text()


# Keys.


async def test_a_new_key_writes_and_the_old_one_still_reads(client, make_service, serve, service, raw):
    """After a rotation of keys nobody is logged out, and what is saved is saved under the new key."""
    cookie = cookie_of(await client.post("/set", json={"a": 1}))
    other = await service.create({"b": 2})
    before = {row["digest"]: row["data"] for row in await raw.sessions()}
    headers = sent(cookie)

    rotated = await serve(await make_service(keys=[NEW_KEY, OLD_KEY]))

    assert {"a": 1} == await (await rotated.get("/read", headers=headers)).json()
    await rotated.post("/set", json={"c": 3}, headers=headers)
    after = {row["digest"]: row["data"] for row in await raw.sessions()}
    assert before[digest_of(cookie)][1:5] != after[digest_of(cookie)][1:5], "another key id stands in front"
    assert before[digest_of(other[0])] == after[digest_of(other[0])], "what nobody changed stays"


async def test_rekey_rewrites_what_an_old_key_wrote(service, make_service, raw):
    """After rekey the old key can go; nobody is logged out, and no request sees a new version."""
    ids = [(await service.create({"number": number, "user_id": "alice"}))[0] for number in range(5)]
    versions = [row["version"] for row in await raw.sessions()]
    both = await make_service(keys=[NEW_KEY, OLD_KEY])

    assert [(5, 5, 0)] == [progress async for progress in both.rekey()]
    assert [(0, 5, 0)] == [progress async for progress in both.rekey()], "there is nothing left to do"

    new = await make_service(keys=[NEW_KEY])
    assert list(range(5)) == [(await new.load(session_id)).data["number"] for session_id in ids]
    assert versions == [row["version"] for row in await raw.sessions()]


async def test_a_sample_tells_which_keys_open_the_sessions(service, make_service, raw):
    """The newest, an older one, none that is there, or none at all; and no more sessions than asked for."""
    for _ in range(3):
        await service.create({"number": 1})
    both, new = await make_service(keys=[NEW_KEY, OLD_KEY]), await make_service(keys=[NEW_KEY])

    assert {"newest": 3} == await service.sample_keys(10)
    assert {"older": 3} == await both.sample_keys(10)
    assert {"unknown": 2} == await new.sample_keys(2)

    await new.create({"number": 2})
    assert {"older": 3, "newest": 1} == await both.sample_keys(10)
    assert {"unknown": 3, "newest": 1} == await new.sample_keys(10)

    for row in await raw.sessions():
        await raw.write_data(row["digest"], b"damaged")
    assert {"damaged": 4} == await both.sample_keys(10)


async def test_rekey_goes_on_under_traffic(service, make_service, serve):
    """Requests that change their sessions while all are re-encrypted lose nothing and are not logged out."""
    ids = [(await service.create({"number": number}))[0] for number in range(12)]
    both = await make_service(keys=[NEW_KEY, OLD_KEY])
    client = await serve(both)

    async def traffic():
        for step in range(3):
            posts = [client.post("/set", json={f"step {step}": step}, headers=sent(one)) for one in ids]
            assert {200} == {response.status for response in await asyncio.gather(*posts)}

    async def rekey():
        return [progress async for progress in both.rekey()][-1]

    await asyncio.gather(traffic(), rekey(), rekey())
    await rekey()

    new = await make_service(keys=[NEW_KEY])
    steps = {f"step {step}": step for step in range(3)}
    for number, session_id in enumerate(ids):
        assert {"number": number, **steps} == (await new.load(session_id)).data


async def test_a_row_under_a_dropped_key_waits_for_the_key_to_come_back(client, service, make_service, serve, raw):
    """Its visitor is anonymous meanwhile, and no request, not even rekey or a save, harms the row."""
    cookie = cookie_of(await client.post("/set", json={"a": 1}))
    headers = sent(cookie)
    kept = await raw.sessions()
    without = await make_service(keys=[NEW_KEY])
    client_without = await serve(without)

    response = await client_without.get("/read", headers=headers)
    assert (200, {}, None) == (response.status, await response.json(), cookie_of(response))
    saved = await client_without.post("/set", json={"new": True}, headers=headers)
    assert [(0, 2, 1)] == [progress async for progress in without.rekey()]

    assert cookie_of(saved) not in (None, cookie), "the anonymous visitor begins a session of its own"
    assert kept[0] in await raw.sessions()
    assert 2 == without.counters.unknown_keys
    assert {"a": 1} == await (await client.get("/read", headers=headers)).json()


async def test_a_save_under_way_while_its_key_is_dropped_is_kept(serve, service, make_service, hold):
    """Nodes change their keys one after the other: what one encrypted with a key that another lacks is no loss."""
    held = hold()
    client = await serve(service, held=held.handler)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))
    request = asyncio.create_task(client.get("/held"))
    await held.reached()
    ahead = await make_service(keys=[NEW_KEY, OLD_KEY])
    session = await ahead.load(cookie)
    await ahead.save(session, {**session.data, "theirs": 1})

    held.go_on()
    response = await request

    assert (200, None) == (response.status, cookie_of(response))
    assert {"a": 1, "theirs": 1} == (await ahead.load(cookie)).data
