"""``session["user_id"]`` and the indexed column are one, after every single statement."""

import enum
import random

import pytest

from bodhi.session import SessionDataError
from session.pages import cookie_of, sent

# Nothing that compresses: PostgreSQL indexes at most some 2,700 bytes, compressed.
LONG = random.Random(1).randbytes(8_000).hex()


class _Name(enum.StrEnum):
    ALICE = "alice"


async def _column(raw):
    return [row["user_id"] for row in await raw.sessions()]


async def test_the_column_follows_every_save(client, raw):
    """From none to a user, to another, and back to none."""
    await client.post("/set", json={"a": 1})
    assert [None] == await _column(raw)
    await client.post("/login/alice")
    assert ["alice"] == await _column(raw)
    await client.post("/set", json={"b": 1})
    assert ["alice"] == await _column(raw)
    await client.post("/login/bob")
    assert ["bob"] == await _column(raw)
    await client.post("/remove/user_id")
    assert [None] == await _column(raw)


async def test_a_session_may_begin_with_a_user(client, raw, service):
    """The very first statement writes the column."""
    await client.post("/login/alice")

    assert ["alice"] == await _column(raw)
    assert 1 == await service.count_sessions_for_user("alice")


async def test_user_id_none_makes_the_session_anonymous(client, raw, service):
    """As removing the key is."""
    await client.post("/set", json={"user_id": None, "a": 1})

    assert [None] == await _column(raw)


USER_IDS = [
    ("", ""),
    (" alice ", " alice "),
    ("Alice", "Alice"),
    ("'; DROP TABLE bodhi_session; --", "'; DROP TABLE bodhi_session; --"),
    ("100%_\\", "100%_\\"),
    ("$1 ?1 :1", "$1 ?1 :1"),
    ("line\nbreak\ttab", "line\nbreak\ttab"),
    ("J\u00f6rg \U0001f600 \u202e", "J\u00f6rg \U0001f600 \u202e"),
    ("e\u0301", "e\u0301"),
    ("x" * 255, "x" * 255),
    (7, "7"),
    (0, "0"),
    (2**70, str(2**70)),
    (-1.5, "-1.5"),
    (True, "true"),
    (False, "false"),
    ([1, "a"], '[1,"a"]'),
    ({"realm": "x", "id": 1}, '{"realm":"x","id":1}'),
]


async def test_every_user_id_is_found_again(service, bare_client, raw, subtests):
    """Exactly it and no other; what is no text is its JSON."""
    other, _ = await service.create({"user_id": "somebody else"})
    for user_id, column in USER_IDS:
        with subtests.test(user_id=repr(user_id)[:60]):
            response = await bare_client.post("/set", json={"user_id": user_id})

            assert 200 == response.status
            assert column in await _column(raw)
            assert user_id == (await service.load(cookie_of(response))).data["user_id"]
            assert 1 == await service.count_sessions_for_user(column)
            assert [column] == [info.user_id for info in await service.list_sessions_for_user(column)]
            assert 1 == await service.clear_sessions_for_user(column)
    assert await service.load(other)


async def test_upper_and_lower_case_are_different_users(service):
    """And so are texts that only look alike."""
    await service.create({"user_id": "alice"})
    await service.create({"user_id": "e\u0301"})

    assert (0, 0, 0) == (
        await service.count_sessions_for_user("Alice"),
        await service.count_sessions_for_user("alice "),
        await service.count_sessions_for_user("\u00e9"),
    )


async def test_a_number_and_its_text_are_one_user(client, service):
    """So nobody rotates, or escapes a revocation, by the type of an id."""
    cookie = cookie_of(await client.post("/set", json={"user_id": 7}))

    assert cookie_of(await client.post("/set", json={"user_id": "7"})) is None
    assert 1 == await service.count_sessions_for_user("7")
    assert await service.load(cookie)


async def test_an_enum_is_its_text(service, raw):
    """A StrEnum member is the text that it holds."""
    await service.create({"user_id": _Name.ALICE})

    assert ["alice"] == await _column(raw)


@pytest.mark.parametrize(
    "user_id",
    ["a\0b", "\ud800", LONG, [LONG]],
    ids=["NUL", "surrogate", "too long", "a list too long"],
)
async def test_a_user_id_that_a_database_cannot_index_is_refused_on_both(user_id, client, service, raw, caplog):
    """A 500 that names the key in the log: what works on SQLite today has to work on PostgreSQL tomorrow."""
    cookie = cookie_of(await client.post("/set", json={"a": 1}))
    rows = await raw.sessions()

    response = await client.post("/set", json={"user_id": user_id})

    assert (500, None) == (response.status, cookie_of(response))
    assert rows == await raw.sessions()
    assert "user_id" in caplog.text
    assert {"a": 1} == (await service.load(cookie)).data


async def test_a_long_user_id_is_one_limit_for_both(client, service):
    """At a thousand bytes, of whatever kind, every database still has an entry for it in its index."""
    user_id = random.Random(2).randbytes(500).hex()

    assert 200 == (await client.post("/set", json={"user_id": user_id})).status
    assert 1 == await service.count_sessions_for_user(user_id)


@pytest.mark.parametrize("user_id", ["a\0b", "\ud800", LONG], ids=["NUL", "surrogate", "too long"])
@pytest.mark.parametrize("ask", ["count_sessions_for_user", "list_sessions_for_user", "clear_sessions_for_user"])
async def test_asking_for_a_user_that_cannot_exist_is_answered_alike(ask, user_id, service):
    """An operator's typing mistake, or an attacker's: nobody, or the refusal of such a text, on both databases."""
    await service.create({"user_id": "alice"})

    try:
        answer = await getattr(service, ask)(user_id)
    except SessionDataError:
        assert user_id != LONG
    else:
        assert not answer
    assert 1 == await service.count_sessions()


async def test_row_with_an_edited_user_column_is_unreadable(bare_client, service, raw):
    """Data and column belong together: a session that is listed as another user's is nobody's."""
    cookie = cookie_of(await bare_client.post("/login/alice"))
    await raw.rows("UPDATE bodhi_session SET user_id = 'admin'")
    response = await bare_client.get("/read", headers=sent(cookie))
    assert (200, "{}") == (response.status, await response.text())

    response = await bare_client.post("/set", json={"a": 1}, headers=sent(cookie))

    assert 200 == response.status
    assert [None] == await _column(raw)
    assert 1 == service.counters.unreadable
