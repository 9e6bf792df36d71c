"""Ending sessions: one by digest or handle, all of a user, all; and change notification."""

import asyncio

from bodhi.session import AllSessions, ChangeNotification, Revoked, SessionStore, UserSessions, handle_of
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import CROWD, SECOND_MS, Kit, concurrently, created, digest_for, new


class Ending(Kit):
    """The promises of ``delete``, ``revoke``, ``clear_user``, ``clear_all``, ``live_among`` and ``listen``."""

    async def test_delete_ends_one_session(self, store: SessionStore) -> None:
        """It returns whether there was one; the others stay."""
        record, other = await created(store, "ab", "ann")

        assert await store.delete(record.digest)
        assert not await store.delete(record.digest)
        assert not await store.delete(digest_for("unknown"))

        assert [None, other] == [await store.load(record.digest), await store.load(other.digest)]

    async def test_of_deletions_at_once_one_finds_the_session(self, store: SessionStore) -> None:
        """Two log-outs of one session end it once."""
        record = await store.create(new("a"))

        answers = await concurrently(store.delete(record.digest) for _ in range(CROWD))

        assert (1, CROWD - 1) == (answers.count(True), answers.count(False))

    async def test_revoke_ends_the_session_with_the_handle(self, user_sessions: UserSessions) -> None:
        """It returns the session's user, or None; the others stay."""
        record, other = await created(user_sessions, "ab", "ann")

        assert Revoked("ann") == await user_sessions.revoke(handle_of(record.digest))
        assert await user_sessions.revoke(handle_of(record.digest)) is None

        assert [None, other] == [await user_sessions.load(record.digest), await user_sessions.load(other.digest)]

    async def test_revoke_takes_the_owner(self, user_sessions: UserSessions) -> None:
        """Users end their own sessions by their handles."""
        record = await user_sessions.create(new("a", "ann"))

        assert await user_sessions.revoke(handle_of(record.digest), user_id="ann")

        assert await user_sessions.load(record.digest) is None

    async def test_a_foreign_handle_is_answered_like_an_unknown_one(self, user_sessions: UserSessions) -> None:
        """A user can neither end nor detect another user's or an anonymous session."""
        hers, anonymous = await user_sessions.create(new("a", "ann")), await user_sessions.create(new("b"))

        for digest in (hers.digest, anonymous.digest, digest_for("unknown")):
            assert not await user_sessions.revoke(handle_of(digest), user_id="bob")

        assert [hers, anonymous] == [await user_sessions.load(hers.digest), await user_sessions.load(anonymous.digest)]

    async def test_what_is_no_handle_ends_nothing(self, user_sessions: UserSessions) -> None:
        """Neither a part of one, nor a wildcard, nor nonsense."""
        record = await user_sessions.create(new("a", "ann"))
        handle = handle_of(record.digest)

        for nonsense in (
            "",
            "%",
            "_" * 16,
            handle[:-1],
            handle + "A",
            handle[:-1] + "%",
            record.digest.hex(),
            "ü" * 16,
        ):
            assert not await user_sessions.revoke(nonsense)

        assert record == await user_sessions.load(record.digest)

    async def test_clear_user_ends_all_sessions_of_the_user(self, user_sessions: UserSessions) -> None:
        """It returns how many, over several batches; other users' sessions stay."""
        await created(user_sessions, range(self.several_pages), "ann")
        others = [*await created(user_sessions, ["his"], "bob"), *await created(user_sessions, ["anonymous"])]

        assert self.several_pages == await user_sessions.clear_user("ann")

        assert (0, 0) == (await user_sessions.count_user("ann"), await user_sessions.clear_user("ann"))
        assert others == [await user_sessions.load(one.digest) for one in others]

    async def test_clear_user_keeps_the_session_that_is_named(self, user_sessions: UserSessions) -> None:
        """All other devices are logged out, and this one is not."""
        records = await created(user_sessions, range(self.several_pages), "ann")
        kept = records[self.several_pages // 2]

        assert self.several_pages - 1 == await user_sessions.clear_user("ann", keep=handle_of(kept.digest))

        assert kept == await user_sessions.load(kept.digest)
        assert 1 == await user_sessions.count_user("ann")

    async def test_clear_user_with_a_foreign_handle_keeps_none_of_the_users(self, user_sessions: UserSessions) -> None:
        """The handle names another user's session, which stays too."""
        await created(user_sessions, "abc", "ann")
        his = await user_sessions.create(new("his", "bob"))

        assert 3 == await user_sessions.clear_user("ann", keep=handle_of(his.digest))

        assert 0 == await user_sessions.count_user("ann")
        assert his == await user_sessions.load(his.digest)

    async def test_clear_all_ends_every_session(self, store: SessionStore, all_sessions: AllSessions) -> None:
        """Anonymous ones too, over several batches; it returns how many."""
        await created(store, range(self.several_pages), "ann")
        await created(store, ["his"], "bob")
        await created(store, ["anonymous"])

        assert self.several_pages + 2 == await all_sessions.clear_all()

        assert (0, 0) == (await all_sessions.count(), await all_sessions.clear_all())

    async def test_live_among_tells_who_has_not_ended(
        self, store: SessionStore, notification: ChangeNotification, clock: Clock
    ) -> None:
        """Open WebSockets use it; expired sessions count as ended."""
        assert set() == set(await notification.live_among([digest_for("unknown")]))
        short = await store.create(new("short", max_age_ms=SECOND_MS))
        ended, live = await store.create(new("ended")), await store.create(new("live"))
        await store.delete(ended.digest)
        digests = [short.digest, ended.digest, live.digest, digest_for("unknown")]

        assert {short.digest, live.digest} == set(await notification.live_among(digests))
        clock.advance(SECOND_MS)
        assert {live.digest} == set(await notification.live_among(digests))

    async def test_listen_goes_on_until_it_is_cancelled(
        self, store: SessionStore, notification: ChangeNotification
    ) -> None:
        """With or without changes to report."""
        listening = asyncio.create_task(notification.listen(lambda _: None))
        record = await store.create(new("a"))
        await store.delete(record.digest)

        assert not listening.done()

        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert listening.cancelled()
