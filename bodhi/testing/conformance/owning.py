"""Users: any text names one, and no text names another one."""

import random
import string

from bodhi.session import SessionStore
from bodhi.session.handles import handle_of
from bodhi.session.records import UserCap
from bodhi.testing.conformance.kit import Kit, created, listed, new

_LETTERS = random.Random(1).choices(string.ascii_letters, k=1_000)  # noqa: S311 - a text that does not compress

HOSTILE_USERS = (
    "",
    " ",
    "ann",
    "Ann",
    "ann ",
    "a%",
    "a_n",
    "%",
    "'; DROP TABLE session; --",
    "ann' OR '1'='1",
    'ann"',
    "\\",
    "\\x00",
    "NULL",
    "null",
    "0",
    "00",
    "1e3",
    "$1",
    ":name",
    "?",
    "a\nb",
    "a\tb",
    "\u00e5",  # å in one character
    "a\u030a",  # å in two
    "\u212b",  # the sign of Ångström's unit
    "ß",
    "ss",
    "ｱ",
    "\U0001f98a",
    "\u202eann",
    "".join(_LETTERS),
    "".join(_LETTERS) + "!",
)


class Owning(Kit):
    """What the methods that take a user promise, whatever the user is called."""

    async def test_hostile_names_of_users_are_texts_and_nothing_more(self, store: SessionStore) -> None:
        """Each names one user: stored, counted and listed as it was given."""
        for user_id in HOSTILE_USERS:
            await store.create(new(user_id, user_id))

        for user_id in HOSTILE_USERS:
            assert [user_id] == [one.user_id for one in await listed(store.list_user(user_id))]
            assert 1 == await store.count_user(user_id)
        assert len(HOSTILE_USERS) == await store.count()

    async def test_hostile_names_of_users_end_no_other_users_sessions(self, store: SessionStore) -> None:
        """Revoking, clearing and capping reach exactly the user that is named."""
        for user_id in HOSTILE_USERS:
            await store.create(new(user_id, user_id))

        for left, user_id in enumerate(reversed(HOSTILE_USERS)):
            other = "ann" if user_id != "ann" else "Ann"
            assert not await store.revoke(handle_of(new(user_id).digest), user_id=other)
            await store.create(new(f"login of {user_id}", user_id), cap=UserCap(user_id, 1))
            assert len(HOSTILE_USERS) - left == await store.count()
            assert 1 == await store.clear_user(user_id)

        assert 0 == await store.count()

    async def test_a_visitor_without_user_is_no_user(self, store: SessionStore) -> None:
        """None is not a name: no text finds the sessions of nobody."""
        nobodys = await created(store, "abc")

        for user_id in ("", "None", "null", "NULL", "%"):
            assert 0 == await store.count_user(user_id) == await store.clear_user(user_id)
            assert [] == await listed(store.list_user(user_id))

        assert nobodys == [await store.load(one.digest) for one in nobodys]
