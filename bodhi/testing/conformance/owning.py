"""User ids: any text is a valid id, and matches only itself."""

import random
import string

from bodhi.session import UserCap, UserSessions, handle_of
from bodhi.testing.conformance.kit import Kit, assert_counts, created, listed_user, new

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
    """The promises of methods that take a user id, for any id."""

    async def test_hostile_names_of_users_are_texts_and_nothing_more(self, user_sessions: UserSessions) -> None:
        """Each identifies one user, and is stored, counted and listed unchanged."""
        for user_id in HOSTILE_USERS:
            await user_sessions.create(new(user_id, user_id))

        for user_id in HOSTILE_USERS:
            assert [user_id] == [one.user_id for one in await listed_user(user_sessions, user_id)]
            assert 1 == await user_sessions.count_user(user_id)
        await assert_counts(user_sessions, len(HOSTILE_USERS), ann=1)

    async def test_hostile_names_of_users_end_no_other_users_sessions(self, user_sessions: UserSessions) -> None:
        """Revoking, clearing and capping affect exactly the named user."""
        for user_id in HOSTILE_USERS:
            await user_sessions.create(new(user_id, user_id))

        for left, user_id in enumerate(reversed(HOSTILE_USERS)):
            other = "ann" if user_id != "ann" else "Ann"
            assert not await user_sessions.revoke(handle_of(new(user_id).digest), user_id=other)
            await user_sessions.create(new(f"login of {user_id}", user_id), cap=UserCap(user_id, 1))
            await assert_counts(user_sessions, len(HOSTILE_USERS) - left)
            assert 1 == await user_sessions.clear_user(user_id)

        await assert_counts(user_sessions, 0)

    async def test_a_visitor_without_user_is_no_user(self, user_sessions: UserSessions) -> None:
        """No user id matches anonymous sessions."""
        anonymous = await created(user_sessions, "abc")

        for user_id in ("", "None", "null", "NULL", "%"):
            assert 0 == await user_sessions.count_user(user_id) == await user_sessions.clear_user(user_id)
            assert [] == await listed_user(user_sessions, user_id)

        assert anonymous == [await user_sessions.load(one.digest) for one in anonymous]
