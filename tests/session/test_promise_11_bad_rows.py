"""Promise 11: garbage in a row makes its visitor anonymous, and nothing else."""

import asyncio
import logging
import random
from contextlib import nullcontext

import asyncpg
import pytest

from bodhi.keyring import Keyring
from bodhi.session import SessionUnavailable
from bodhi.session.handles import digest_of
from session.conftest import KEY
from session.pages import cookie_of, sent

DATA = {"cart": ["apple"], "user_id": "alice"}
FORMAT, KEY_ID = 0, range(1, 5)


@pytest.fixture
async def begun(bare_client):
    """The cookie of a session."""
    return cookie_of(await bare_client.post("/set", json=DATA))


async def _assert_anonymous(client, cookie):
    response = await client.get("/read", headers=sent(cookie))
    assert (200, "{}", None) == (response.status, await response.text(), cookie_of(response))


def _sealed(plaintext, digest):
    return Keyring([KEY]).seal(plaintext, digest)


BAD = {
    "nothing": lambda data, digest: b"",
    "one byte": lambda data, digest: data[:1],
    "cut in the header": lambda data, digest: data[:10],
    "cut in the data": lambda data, digest: data[:-5],
    "garbage": lambda data, digest: random.Random(1).randbytes(200),
    "zeros": lambda data, digest: bytes(200),
    "more at the end": lambda data, digest: data + b"\0",
    "an unknown format": lambda data, digest: b"\xfe" + data[1:],
    "the JSON of an older time": lambda data, digest: b'{"cart": ["apple"]}',
    "sealed for another row": lambda data, digest: _sealed(b"\x01{}", b"another digest"),
    "sealed nothing": lambda data, digest: _sealed(b"", digest),
    "sealed garbage": lambda data, digest: _sealed(b"\x01{]", digest),
    "a sealed list": lambda data, digest: _sealed(b"\x01[1]", digest),
    "a sealed unknown encoding": lambda data, digest: _sealed(b'\x09{"cart": 1}', digest),
    "sealed bottomless nesting": lambda data, digest: _sealed(b'\x01{"a":' + b"[" * 100_000, digest),
}


async def test_the_visitor_of_a_bad_row_is_anonymous_and_the_row_is_set_aside(
    bare_client, service, raw, caplog, subtests
):
    """200, no word about the cookie; the row is kept for a look; a counter and a log line say so."""
    for name, spoil in BAD.items():
        caplog.clear()
        before = service.counters.unreadable
        with subtests.test(name), caplog.at_level(logging.WARNING):
            cookie = cookie_of(await bare_client.post("/set", json=DATA))
            row = (await raw.sessions())[0]
            bad = spoil(row["data"], row["digest"])
            await raw.write_data(row["digest"], bad)

            await _assert_anonymous(bare_client, cookie)

            assert [] == await raw.sessions()
            aside = await raw.set_aside()
            assert [(row["digest"], bad, "alice")] == [(one["digest"], one["data"], one["user_id"]) for one in aside]
            assert aside[0]["reason"]
            assert 1 == service.counters.unreadable - before
            assert 1 == len([record for record in caplog.records if "set aside" in record.getMessage()])
            await _assert_anonymous(bare_client, cookie)
            assert 1 == service.counters.unreadable - before, "the second visit finds nothing"
        await raw.rows("DELETE FROM bodhi_session_set_aside")
        await raw.rows("DELETE FROM bodhi_session")


async def test_a_flipped_byte_is_noticed_wherever_it_is(begun, bare_client, service, raw):
    """Every byte is covered: of format, key id, nonce, data and tag."""
    row = (await raw.sessions())[0]
    good = row["data"]
    positions = [*range(18), *range(18, len(good), 7), len(good) - 1]
    for position in positions:
        flipped = bytearray(good)
        flipped[position] ^= 1
        await raw.write_data(row["digest"], bytes(flipped))
        session = await service.load(begun)
        assert session is None, f"byte {position}"
        if position not in KEY_ID:
            assert [bytes(flipped)] == [one["data"] for one in await raw.set_aside()]
            await raw.rows("DELETE FROM bodhi_session_set_aside")
            columns = ", ".join(name for name in row if name != "expires_step")
            marks = ", ".join(f"${number}" for number in range(1, len(row)))
            values = [value for name, value in row.items() if name != "expires_step"]
            await raw.rows(f"INSERT INTO bodhi_session ({columns}) VALUES ({marks})", *values)

    assert len(KEY_ID) == service.counters.unknown_keys
    assert len(positions) - len(KEY_ID) == service.counters.unreadable


async def test_rows_with_swapped_data_are_unreadable(bare_client, service, raw):
    """Data is bound to its row: nobody becomes somebody else by copying bytes."""
    cookies = [cookie_of(await bare_client.post(f"/login/{user_id}")) for user_id in ("alice", "mallory")]
    rows = {row["user_id"]: row for row in await raw.sessions()}
    await raw.write_data(rows["alice"]["digest"], rows["mallory"]["data"])
    await raw.write_data(rows["mallory"]["digest"], rows["alice"]["data"])

    for cookie in cookies:
        await _assert_anonymous(bare_client, cookie)

    assert 2 == len(await raw.set_aside())
    assert 2 == service.counters.unreadable


async def test_data_copied_from_another_row_is_unreadable(bare_client, service, raw):
    """An intruder who may write the database cannot take over an administrator's data."""
    admin, mallory = [cookie_of(await bare_client.post(f"/login/{user_id}")) for user_id in ("admin", "mallory")]
    rows = {row["user_id"]: row for row in await raw.sessions()}
    await raw.write_data(rows["mallory"]["digest"], rows["admin"]["data"])

    await _assert_anonymous(bare_client, mallory)
    assert "admin" == (await service.load(admin)).data["user_id"]


async def test_a_row_under_an_unknown_key_is_kept(begun, bare_client, service, raw, caplog):
    """The key may come back: the visitor is anonymous until then, with a counter and a log line."""
    row = (await raw.sessions())[0]
    sealed = Keyring(["a key that this node does not have, long enough"]).seal(b'\x01{"a":1}', row["digest"])
    await raw.write_data(row["digest"], sealed)

    with caplog.at_level(logging.WARNING):
        await _assert_anonymous(bare_client, begun)

    assert [sealed] == [one["data"] for one in await raw.sessions()]
    assert [] == await raw.set_aside()
    assert (1, 0) == (service.counters.unknown_keys, service.counters.unreadable)
    assert 1 == len([record for record in caplog.records if "kept" in record.getMessage()])


async def test_many_requests_at_once_all_get_through(begun, bare_client, service, make_service, serve, raw):
    """A page with twenty pictures asks twenty times for the same bad row, of two nodes: none fails."""
    other = await serve(await make_service(), keeps_cookies=False)
    await raw.write_data(digest_of(begun), b"garbage")

    responses = await asyncio.gather(
        *(client.get("/read", headers=sent(begun)) for _ in range(10) for client in (bare_client, other))
    )

    assert {200} == {response.status for response in responses}
    assert 1 == len(await raw.set_aside())


async def test_a_row_that_was_set_aside_before_is_set_aside_again(begun, bare_client, raw):
    """An operator put it back, and it is as bad as it was."""
    digest = digest_of(begun)
    await raw.write_data(digest, b"garbage")
    await _assert_anonymous(bare_client, begun)
    await raw.rows(
        "INSERT INTO bodhi_session (digest, data, version, created_at, last_seen_at, expires_at, ends_at)"
        " SELECT digest, data, 1, set_aside_at, set_aside_at, set_aside_at + 1000, set_aside_at + 1000"
        " FROM bodhi_session_set_aside"
    )

    await _assert_anonymous(bare_client, begun)

    assert [] == await raw.sessions()
    assert 1 == len(await raw.set_aside())


@pytest.mark.parametrize("error", [SessionUnavailable(), RuntimeError("a bug")], ids=["outage", "bug"])
async def test_a_row_that_cannot_be_set_aside_does_no_harm(error, begun, bare_client, service, raw, break_store):
    """The visitor is anonymous all the same, and the next visit tries again."""
    await raw.write_data(digest_of(begun), b"garbage")
    break_store(service, "set_aside", error=error)

    await _assert_anonymous(bare_client, begun)

    assert 1 == len(await raw.sessions())


async def test_the_visitor_of_a_bad_row_can_begin_anew(begun, bare_client, service, raw):
    """With an id of its own, and the bad row stays where it was put."""
    await raw.write_data(digest_of(begun), b"garbage")

    fresh = cookie_of(await bare_client.post("/set", json={"new": True}, headers=sent(begun)))

    assert fresh not in (None, begun)
    assert {"new": True} == (await service.load(fresh)).data
    assert 1 == len(await raw.set_aside())


async def test_a_row_spoiled_while_a_request_runs_fails_softly(serve, service, hold, raw):
    """The save finds what it cannot merge with: it is dropped, with 200, and the cookie is left alone."""
    held = hold()
    client = await serve(service, held=held.handler)
    cookie = cookie_of(await client.post("/set", json=DATA))
    request = asyncio.create_task(client.get("/held"))
    await held.reached()
    await raw.rows("UPDATE bodhi_session SET data = $1, version = version + 1", b"garbage")

    held.go_on()
    response = await request

    assert (200, None) == (response.status, cookie_of(response))
    assert await service.load(cookie) is None


async def test_one_bad_row_does_not_hide_the_others(service, raw):
    """Lists, counts, dumps and rekeying go on around it."""
    ids = [(await service.create({"user_id": "alice", "n": number}))[0] for number in range(3)]
    await raw.write_data(digest_of(ids[1]), b"garbage")

    assert 3 == await service.count_sessions_for_user("alice") == len(await service.list_sessions_for_user("alice"))
    assert [(0, 3, 1)] == [progress async for progress in service.rekey()]
    assert 3 == len([pair async for pair in service.dump_all_sessions()])
    assert [{0}, set(), {2}] == [{one.data["n"]} if (one := await service.load(i)) else set() for i in ids]


async def test_non_utf_8_bytes_do_no_harm(service, raw):
    """SQLite keeps them as text, PostgreSQL does not take them.

    Their own visitor notices nothing, unless they stand for whose session it is: then it is nobody's.
    """
    ids = [(await service.create({"user_id": "alice", "n": number}))[0] for number in range(5)]
    is_kept = raw.dialect == "sqlite"
    text = "CAST($1 AS TEXT)" if is_kept else "convert_from($1, 'UTF8')"
    for column, one in zip(("user_id", "ip", "user_agent"), ids, strict=False):
        with nullcontext() if is_kept else pytest.raises(asyncpg.CharacterNotInRepertoireError):
            await raw.rows(f"UPDATE bodhi_session SET {column} = {text} WHERE digest = $2", b"a\xff", digest_of(one))

    together = await asyncio.gather(*(service.load(one) for one in ids))
    is_lost = [is_kept, False, False, False, False]
    assert [None if lost else number for number, lost in enumerate(is_lost)] == [
        found and found.data["n"] for found in together
    ]
    assert 5 - sum(is_lost) == len((await service.list_page()).sessions)
    assert 5 - sum(is_lost) == len([pair async for pair in service.dump_all_sessions()])
    assert sum(is_lost) == service.counters.unreadable
