"""What a session is bound to: whoever writes the table cannot change whose it is, when it began or when it ends."""

import asyncio
import logging
import sqlite3
from contextlib import closing

import asyncpg
import pytest
from aiohttp import web

from bodhi.database import Schema, open_database, sqlite_path
from bodhi.keyring import NEWEST_FORMAT, Keyring
from bodhi.session import DefaultSessionService, get_session
from bodhi.session.handles import digest_of
from bodhi.transfer.copy import Transfer, resealing
from session.conftest import IDLE_SECONDS, KEY, LIFETIME_SECONDS, SETTINGS
from session.pages import cookie_of, sent

FORGERIES = {
    "another user": "user_id = 'admin'",
    "no user": "user_id = NULL",
    "the empty user": "user_id = ''",
    "a user with more behind": "user_id = user_id || 'x'",
    "a later begin": "created_at = created_at + 1",
    "an earlier begin": "created_at = created_at - 1",
    "a negative begin": "created_at = -created_at",
    "a later end": "ends_at = ends_at + 86400000",
    "an end a millisecond later": "ends_at = ends_at + 1",
    "an earlier end": "ends_at = ends_at - 1",
    "both ends later": "ends_at = ends_at + 86400000, expires_at = ends_at + 86400000",
    "begin and end moved": "created_at = created_at + 1000, ends_at = ends_at + 1000",
    "begin and end exchanged": "created_at = ends_at, ends_at = created_at + 1000000000",
}


async def _assert_opens_for_nobody(client, service, raw, cookie):
    before = service.counters.unreadable
    response = await client.get("/read", headers=sent(cookie))
    assert (200, "{}", None) == (response.status, await response.text(), cookie_of(response))
    assert 1 == service.counters.unreadable - before
    assert digest_of(cookie) not in [row["digest"] for row in await raw.sessions()]
    [aside] = [row for row in await raw.set_aside() if row["digest"] == digest_of(cookie)]
    assert "changed" in aside["reason"]


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_row_is_unreadable_and_set_aside(forgery, bare_client, service, raw, caplog):
    """Anonymous, without an error; the log says why, and other sessions go on."""
    await service.create({"user_id": "somebody else"})
    cookie, other = [cookie_of(await bare_client.post(f"/login/{name}")) for name in ("ann", "bob")]

    with caplog.at_level(logging.WARNING):
        await raw.rows(f"UPDATE bodhi_session SET {FORGERIES[forgery]} WHERE digest = $1", digest_of(cookie))
        await _assert_opens_for_nobody(bare_client, service, raw, cookie)

    assert 1 == len([record for record in caplog.records if "set aside" in record.getMessage()])
    assert {"user_id": "bob"} == await (await bare_client.get("/read", headers=sent(other))).json()


async def test_anonymous_row_cannot_be_assigned_to_a_user(bare_client, service, raw):
    """Neither that of a user, nor that of the user with the empty name."""
    for user_id in ("admin", ""):
        cookie = cookie_of(await bare_client.post("/set", json={"cart": 1}))
        await raw.rows("UPDATE bodhi_session SET user_id = $1", user_id)
        await _assert_opens_for_nobody(bare_client, service, raw, cookie)


@pytest.mark.parametrize(
    "forgery", ["max_age = 2000000000", "max_age = NULL", "max_age = 2000000000, expires_at = ends_at"]
)
async def test_a_forged_choice_of_max_age_extends_no_session(forgery, serve, service, raw, clock):
    """It is not bound: the cookie lasts as long as the row at most, and the row ends when it ended before."""

    async def rotate(request):
        (await get_session(request)).rotate()
        return web.Response()

    client = await serve(service, rotate=rotate)
    await client.post("/login/ann")
    (end,) = [row["ends_at"] for row in await raw.sessions()]
    await raw.rows(f"UPDATE bodhi_session SET {forgery}")

    clock.advance(10)
    response = await client.get("/rotate")
    header = next(line for line in response.headers.getall("Set-Cookie") if "_exists" not in line)
    ages = [int(part.partition("=")[2]) for part in header.split("; ") if part.startswith("Max-Age=")]
    assert [] == [age for age in ages if age > LIFETIME_SECONDS]
    assert [end] == [row["ends_at"] for row in await raw.sessions()]
    clock.advance(LIFETIME_SECONDS - 10)
    assert "{}" == await (await client.get("/read")).text()


async def _created(service):
    return (await service.create({"user_id": "ann"}))[0]


async def _created_with_max_age(service):
    return (await service.create({"user_id": "ann"}, max_age_seconds=600))[0]


async def _created_in_the_place_of_another(service):
    _, old = await service.create({"cart": 1})
    return (await service.create({"user_id": "ann"}, replaces=old.record.digest, max_age_seconds=600))[0]


async def _saved(service):
    session_id, session = await service.create({"user_id": "ann"})
    await service.save(session, {"user_id": "ann", "n": 1})
    return session_id


async def _saved_without_user(service):
    session_id, session = await service.create({"user_id": "ann"})
    await service.save(session, {"n": 1})
    return session_id


async def _saved_with_max_age_and_again(service):
    session_id, session = await service.create({"user_id": "ann"})
    session = await service.save(session, {"user_id": "ann", "n": 1}, ages=True, max_age_seconds=600)
    session = await service.save(session, {"user_id": "ann", "n": 2})
    session = await service.save(session, {"user_id": "ann", "n": 3}, ages=True, max_age_seconds=10_000_000)
    await service.save(session, {"user_id": "ann", "n": 4})
    return session_id


async def _merged_after_max_age(service):
    session_id, session = await service.create({"user_id": "ann"})
    await service.save(await service.load(session_id), {"user_id": "ann", "n": 1}, ages=True, max_age_seconds=600)
    session = await service.save(session, {"user_id": "ann", "m": 1})
    await service.save(session, {"user_id": "ann", "m": 2})
    return session_id


async def _changed_atomically(service):
    session_id, session = await service.create({"user_id": "ann"})
    digest = session.record.digest
    session, _ = await service.atomically(digest, lambda data, _: data.update(n=1), max_age_seconds=600)
    session = await service.save(session, {"user_id": "ann", "n": 2})
    await service.atomically(digest, lambda data, _: data.update(n=3))
    return session_id


async def _rotated(service):
    _, session = await service.create({"cart": 1}, max_age_seconds=900)
    session_id, session = await service.rotate(session, {"user_id": "ann"})
    await service.save(session, {"user_id": "ann", "n": 1})
    return session_id


async def _logged_in(service):
    _, session = await service.create({"cart": 1})
    return (await service.rotate(session, {"user_id": "ann"}, renewed=True))[0]


async def _rotated_with_max_age(service):
    _, session = await service.create({"cart": 1})
    _, session = await service.rotate(session, {"user_id": "ann"}, max_age_seconds=600)
    return (await service.rotate(session, {"user_id": "ann"}, renewed=True, max_age_seconds=700))[0]


async def _touched(service):
    session_id, _ = await service.create({"user_id": "ann"})
    service._store._clock.advance(120)
    service.note_use((await service.load(session_id)).record)
    assert 1 == await service.flush()
    return session_id


WAYS = [
    _created,
    _created_with_max_age,
    _created_in_the_place_of_another,
    _saved,
    _saved_without_user,
    _saved_with_max_age_and_again,
    _merged_after_max_age,
    _changed_atomically,
    _rotated,
    _logged_in,
    _rotated_with_max_age,
    _touched,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
@pytest.mark.parametrize("cap", [None, 5])
async def test_whatever_is_stored_is_bound_to_its_row(way, cap, make_service, raw):
    """Every way in which a session is written: it opens as it is, and with another end it does not."""
    service = await make_service(max_per_user=cap)
    session_id = await way(service)
    digest = digest_of(session_id)
    [row] = [row for row in await raw.sessions() if row["digest"] == digest]

    assert NEWEST_FORMAT == row["data"][0]
    assert await service.load(session_id) is not None
    await raw.rows("UPDATE bodhi_session SET ends_at = ends_at + 1 WHERE digest = $1", digest)
    assert await service.load(session_id) is None
    assert 1 == service.counters.unreadable


async def test_a_new_key_binds_as_the_old_one_did(service, make_service, raw):
    """And what was forged before is kept under its key, and not made good."""
    new_key = "the key that takes its place, also of thirty-two characters"
    sound, forged = [(await service.create({"user_id": name}))[0] for name in ("ann", "bob")]
    await raw.rows("UPDATE bodhi_session SET user_id = 'admin' WHERE user_id = 'bob'")
    both = await make_service(keys=[new_key, KEY])

    assert [(1, 2, 1)] == [sums async for sums in both.rekey()]

    assert "ann" == (await both.load(sound)).data["user_id"]
    assert await both.load(forged) is None
    await raw.rows("UPDATE bodhi_session SET user_id = 'admin'")
    assert await both.load(sound) is None


@pytest.mark.parametrize("statement", ["user_id = 'admin'", "ends_at = ends_at + 1"])
async def test_a_copy_takes_a_forged_row_for_what_it_is(statement, service, raw, clock, tmp_path):
    """It is in the other database what it was in this one, bound and forged alike."""
    sound, forged = [(await service.create({"user_id": name}))[0] for name in ("ann", "bob")]
    await raw.rows(f"UPDATE bodhi_session SET {statement} WHERE user_id = 'bob'")
    url = f"sqlite:{tmp_path / 'copy.sqlite'}"
    async with open_database(url) as target:
        await Schema(target, "session").migrate()
        copying = Transfer(service._store.database, target, failed=lambda *_: None, clock=clock)
        assert [2] == [tally.written async for tally in copying.run()]

    async with DefaultSessionService.from_url(url, **SETTINGS, clock=clock) as copied:
        assert "ann" == (await copied.load(sound)).data["user_id"]
        assert await copied.load(forged) is None


@pytest.mark.parametrize("statement", ["user_id = 'admin'", "ends_at = ends_at + 1", "created_at = created_at - 1"])
async def test_a_copy_under_another_key_is_bound_as_well(statement, service, clock, tmp_path):
    """What is forged in it opens for nobody."""
    new_key = "the key of the copy, also of thirty-two characters"
    sound, forged = [(await service.create({"user_id": name}))[0] for name in ("ann", "bob")]
    url = f"sqlite:{tmp_path / 'copy.sqlite'}"
    async with open_database(url) as target:
        await Schema(target, "session").migrate()
        reseal = resealing(Keyring([KEY]), Keyring([new_key]))
        copying = Transfer(service._store.database, target, failed=lambda *_: None, reseal=reseal, clock=clock)
        assert [2] == [tally.written async for tally in copying.run()]

    with closing(sqlite3.connect(sqlite_path(url))) as copy, copy:
        copy.execute(f"UPDATE bodhi_session SET {statement} WHERE user_id = 'bob'")
    async with DefaultSessionService.from_url(url, **{**SETTINGS, "keys": [new_key]}, clock=clock) as copied:
        assert "ann" == (await copied.load(sound)).data["user_id"]
        assert await copied.load(forged) is None


@pytest.mark.parametrize("path", ["/login/admin", "/held"])
async def test_a_row_forged_while_a_request_runs_is_not_made_good(path, serve, service, hold, raw):
    """A rotation or a save with max_age stores no data anew for columns that somebody has changed meanwhile."""
    held = hold(lambda session: session.update(late=1))
    rotating = hold(lambda session: session.update(user_id="admin"))

    async def with_max_age(request):
        (await get_session(request)).max_age = 600
        return await held.handler(request)

    client = await serve(service, held=with_max_age, rotating=rotating.handler)
    cookie = cookie_of(await client.post("/set", json={"cart": 1}))
    waiting, request = (held, "/held") if path == "/held" else (rotating, "/rotating")
    running = asyncio.create_task(client.get(request))
    await waiting.reached()
    await raw.rows("UPDATE bodhi_session SET created_at = created_at + 1000, ends_at = ends_at + 1000")

    waiting.go_on()
    response = await running

    assert response.status in {200, 401}
    assert cookie_of(response) is None
    assert await service.load(cookie) is None
    assert [] == await raw.sessions()


async def test_two_saves_of_one_request_with_max_age_both_count(serve, service):
    """The second is bound to the end that the first has set."""

    async def streaming(request):
        session = await get_session(request)
        session.max_age = 600
        session["n"] = 1
        response = web.StreamResponse()
        await response.prepare(request)
        session["n"] = 2
        await session.save()
        session["n"] = 3
        await session.save()
        await response.write_eof()
        return response

    client = await serve(service, streaming=streaming)
    await client.post("/set", json={"n": 0})
    response = await client.get("/streaming")
    assert (200, "") == (response.status, await response.text())

    assert {"n": 3} == await (await client.get("/read")).json()
    assert 0 == service.counters.unreadable


async def test_max_age_counts_from_the_save(service, clock):
    """By the database's clock at that moment, however long the request has had the session in its hands."""
    session_id, session = await service.create({"n": 0})
    clock.advance(100)

    saved = await service.save(session, {"n": 1}, ages=True, max_age_seconds=60)

    assert clock() + 60_000 == saved.record.ends_at == (await service.load(session_id)).record.ends_at


async def test_max_age_never_passes_the_absolute_timeout(service, clock):
    """However long it is, and whichever change brings it: the absolute timeout runs from the creation."""
    session_id, session = await service.create({"n": 0}, max_age_seconds=60)
    end = session.record.created_at + LIFETIME_SECONDS * 1000
    clock.advance(10)

    saved = await service.save(session, {"n": 1}, ages=True, max_age_seconds=2 * LIFETIME_SECONDS)
    changed, _ = await service.atomically(
        digest_of(session_id), lambda data, _: data.update(n=2), max_age_seconds=2 * LIFETIME_SECONDS
    )

    assert [end] * 3 == [one.record.ends_at for one in (saved, changed, await service.load(session_id))]
    assert changed.record.expires_at == (await service.load(session_id)).record.expires_at


async def _set_without_constraints(database_url, assignment):
    """Changes every session as somebody does who owns the table."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(sqlite_path(database_url))) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute(f"UPDATE bodhi_session SET {assignment}")
        return
    postgres = await asyncpg.connect(database_url)
    checks = await postgres.fetch(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'bodhi_session'::regclass AND contype = 'c'"
    )
    for check in checks:
        await postgres.execute(f"ALTER TABLE bodhi_session DROP CONSTRAINT {check['conname']}")
    await postgres.execute(f"UPDATE bodhi_session SET {assignment}")
    await postgres.close()


async def test_an_expiry_beyond_the_end_prolongs_nothing(service, database_url, clock):
    """The table does not take one; where somebody does away with that, the session ends at its end all the same."""
    session_id, _ = await service.create({"user_id": "ann"}, max_age_seconds=600)
    await _set_without_constraints(database_url, "expires_at = ends_at + 86400000")
    clock.advance(599)
    assert await service.load(session_id) is not None

    clock.advance(1)

    assert await service.load(session_id) is None


async def test_an_expiry_within_the_end_is_not_bound(service, raw, clock):
    """It moves with every use, in an update without the data: whoever writes it keeps a session for its lifetime."""
    session_id, _ = await service.create({"user_id": "ann"})
    await raw.rows("UPDATE bodhi_session SET expires_at = ends_at")
    clock.advance(IDLE_SECONDS + 1)
    assert await service.load(session_id) is not None

    clock.advance(LIFETIME_SECONDS - IDLE_SECONDS)

    assert await service.load(session_id) is None


async def test_restored_row_lives_until_its_original_end(service, raw, clock):
    """Out of reach of encryption: what was sound once is sound again, but for no longer."""
    session_id, session = await service.create({"user_id": "ann"})
    [row] = await raw.sessions()
    del row["expires_step"]
    await service.delete(session.record.digest)
    columns, marks = ", ".join(row), ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await raw.rows(f"INSERT INTO bodhi_session ({columns}) VALUES ({marks})", *row.values())
    assert {"user_id": "ann"} == (await service.load(session_id)).data

    await raw.rows("UPDATE bodhi_session SET expires_at = ends_at")
    clock.advance(LIFETIME_SECONDS)

    assert await service.load(session_id) is None
