"""Counting and listing: live sessions only, exact, and page by page while others come and go."""

from collections.abc import AsyncIterator, Callable, Iterable

from bodhi.session import (
    BEGINNING,
    AllSessions,
    Reencryption,
    SessionListing,
    SessionOverview,
    SessionRecord,
    SessionStore,
    UserActivity,
    UserSessions,
)
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    IDLE_MS,
    INTERVAL_MS,
    SECOND_MS,
    Kit,
    all_pages,
    created,
    listed,
    listed_all,
    listed_user,
    new,
    reloaded,
    touched,
    user_pages,
)


class Listing(Kit):
    """The promises of counts, lists and pages."""

    async def test_an_empty_store_has_no_sessions_of_a_user(self, user_sessions: UserSessions) -> None:
        """Zero, and no page."""
        assert 0 == await user_sessions.count_user("ann")
        assert [] == await listed_user(user_sessions, "ann")

    async def test_an_empty_store_counts_and_lists_nothing(self, all_sessions: AllSessions) -> None:
        """Zero, and no page."""
        assert 0 == await all_sessions.count()
        assert [] == await listed_all(all_sessions)

    async def test_an_empty_store_has_no_data(self, reencryption: Reencryption) -> None:
        """No page, and no sample."""
        assert not any(await listed(reencryption.list_data()))
        assert not await reencryption.some_data(1)

    async def test_a_users_count_leaves_out_others_and_the_expired(
        self, user_sessions: UserSessions, clock: Clock
    ) -> None:
        """An expired session does not count before it is swept either."""
        await created(user_sessions, ["expired"], "ann")
        clock.advance(IDLE_MS)
        await created(user_sessions, "ab", "ann")
        await created(user_sessions, "cde", "bob")
        await created(user_sessions, "f")

        assert (2, 3, 0) == tuple([await user_sessions.count_user(user) for user in ("ann", "bob", "eve")])

    async def test_the_count_leaves_out_the_expired(
        self, store: SessionStore, all_sessions: AllSessions, clock: Clock
    ) -> None:
        """An expired session does not count before it is swept either."""
        await created(store, ["expired"], "ann")
        clock.advance(IDLE_MS)
        await created(store, "ab", "ann")
        await created(store, "c")

        assert 3 == await all_sessions.count()

    async def test_a_users_list_leaves_out_others_and_the_expired(
        self, user_sessions: UserSessions, clock: Clock
    ) -> None:
        """Other users', anonymous and expired sessions are left out and do not shorten a page."""
        await created(user_sessions, ["expired", "too"], "ann")
        clock.advance(IDLE_MS)
        hers = {one.digest for one in await created(user_sessions, "ab", "ann")}
        await created(user_sessions, "cd", "bob")
        await created(user_sessions, "ef")

        assert hers == _digests(await listed_user(user_sessions, "ann"))
        assert hers == _digests(await user_sessions.list_user_page("ann", limit=2))

    async def test_the_list_of_all_leaves_out_the_expired(
        self, store: SessionStore, all_sessions: AllSessions, clock: Clock
    ) -> None:
        """Expired sessions do not shorten a page either."""
        await created(store, ["expired", "too"], "ann")
        clock.advance(IDLE_MS)
        live = {one.digest for one in await created(store, "ab", "ann")}

        assert live == _digests(await listed_all(all_sessions))
        assert live == _digests(await all_sessions.list_page(limit=2))

    async def test_the_data_leaves_out_the_expired(
        self, store: SessionStore, reencryption: Reencryption, clock: Clock
    ) -> None:
        """In pages and in a sample."""
        await created(store, ["expired"], "ann")
        clock.advance(IDLE_MS)
        live = {one.digest for one in await created(store, "ab", "ann")}

        assert live == {one.digest for page in await listed(reencryption.list_data()) for one in page}
        assert live == {one.digest for one in await reencryption.some_data(9)}

    async def test_a_users_listing_says_what_is_stored(self, user_sessions: UserSessions, clock: Clock) -> None:
        """User, times and device, also after a touch."""
        expected = await _touched_listing(user_sessions, clock)

        assert [expected] == await listed_user(user_sessions, "ann")

    async def test_a_listing_says_what_is_stored(
        self, store: SessionStore, all_sessions: AllSessions, clock: Clock
    ) -> None:
        """User, times and device, also after a touch."""
        expected = await _touched_listing(store, clock)

        assert [expected] == await listed_all(all_sessions)

    async def test_a_users_list_is_oldest_first(self, user_sessions: UserSessions, clock: Clock) -> None:
        """By their creation, over several pages."""
        expected = []
        for number in range(self.several_pages):
            expected.append((await user_sessions.create(new(number, "ann"))).digest)
            clock.advance(SECOND_MS)

        assert expected == [one.digest for one in await listed_user(user_sessions, "ann")]

    async def test_a_users_list_is_complete_where_sessions_began_at_once(self, user_sessions: UserSessions) -> None:
        """Sessions of one millisecond do not get lost between two pages."""
        records = await created(user_sessions, range(self.several_pages), "ann")

        listings = await listed_user(user_sessions, "ann")

        assert sorted(one.digest for one in records) == sorted(one.digest for one in listings)

    async def test_pages_of_a_users_list_are_the_list(self, user_sessions: UserSessions, clock: Clock) -> None:
        """Each has the requested length; a session that ended meanwhile is still a valid cursor."""
        for number in range(self.several_pages):
            await user_sessions.create(new(number, "ann"))
            clock.advance(SECOND_MS * (number % 2))
        await created(user_sessions, ["other"], "bob")
        expected = await listed_user(user_sessions, "ann", limit=self.several_pages)

        pages, after = [], BEGINNING
        while page := await user_sessions.list_user_page("ann", after=after, limit=4):
            pages.append(page)
            after = (page[-1].created_at, page[-1].digest)
            await user_sessions.delete(page[-1].digest)

        assert expected == [one for page in pages for one in page]
        assert {4} == {len(page) for page in pages[:-1]}

    async def test_pages_of_the_list_of_all_are_the_list(self, store: SessionStore, all_sessions: AllSessions) -> None:
        """Each has the requested length; a session that ended meanwhile is still a valid cursor."""
        await created(store, range(self.several_pages), "ann")
        await created(store, ["other"])
        expected = await listed_all(all_sessions, limit=self.several_pages + 1)

        pages, after = [], b""
        while page := await all_sessions.list_page(after=after, limit=4):
            pages.append(page)
            after = page[-1].digest
            await store.delete(after)

        assert expected == [one for page in pages for one in page]
        assert {4} == {len(page) for page in pages[:-1]}

    async def test_the_list_of_all_is_by_digest_and_complete(
        self, store: SessionStore, all_sessions: AllSessions
    ) -> None:
        """Each once, over several pages."""
        records = await created(store, range(self.several_pages))

        assert sorted(one.digest for one in records) == [one.digest for one in await listed_all(all_sessions)]

    async def test_the_list_of_all_can_be_read_backwards(
        self, store: SessionStore, all_sessions: AllSessions, overview: SessionOverview, clock: Clock
    ) -> None:
        """Page by page, without the expired; a session that ended meanwhile is still a valid position."""
        await created(store, ["expired", "too"])
        clock.advance(IDLE_MS)
        await created(store, range(self.several_pages))
        expected = await listed_all(all_sessions, limit=self.several_pages)

        pages, before = [], b"\xff" * 32
        while page := await overview.list_page_before(before, limit=4):
            pages.append(page)
            before = page[-1].digest
            await store.delete(before)

        assert expected == [one for page in pages for one in page][::-1]
        assert {4} == {len(page) for page in pages[:-1]}

    async def test_activity_is_told_of_users_with_live_sessions(
        self, store: SessionStore, overview: SessionOverview, clock: Clock
    ) -> None:
        """How many sessions, and the last use of any of them; nothing of users who were not asked for."""
        odd = "a'\"\\\N{GRINNING FACE}"
        await created(store, ["expired"], "eve")
        clock.advance(IDLE_MS)
        first, _ = await created(store, "ab", "ann")
        await created(store, "c", odd)
        await created(store, "d", "bob")
        await created(store, "e")
        began = clock()
        clock.advance(INTERVAL_MS)
        await store.touch([touched(first, clock())])

        activity = await overview.user_activity(["ann", odd, "eve", "nobody", "nul \x00"])

        assert {"ann": UserActivity(2, clock()), odd: UserActivity(1, began)} == activity
        assert {} == await overview.user_activity([])

    async def test_the_data_is_listed_by_digest_and_complete(
        self, store: SessionStore, reencryption: Reencryption
    ) -> None:
        """Each once with its data and version, over several pages, none of which is empty."""
        records = [await store.create(new(number, data=b"%d" % number)) for number in range(self.several_pages)]

        pages = await listed(reencryption.list_data())

        expected = sorted((one.digest, one.version, one.data) for one in records)
        assert expected == [(one.digest, one.version, one.data) for page in pages for one in page]
        assert 1 < len(pages)
        assert all(pages)

    async def test_some_of_the_data_is_the_first_by_digest(
        self, store: SessionStore, reencryption: Reencryption
    ) -> None:
        """With what is stored, and no more than requested."""
        records = [await store.create(new(number, data=b"%d" % number)) for number in range(5)]

        some = await reencryption.some_data(3)

        expected = sorted((one.digest, one.version, one.data) for one in records)[:3]
        assert expected == [(one.digest, one.version, one.data) for one in some]

    async def test_the_list_of_all_holds_while_others_come_and_go(
        self, store: SessionStore, all_sessions: AllSessions
    ) -> None:
        """A session that exists throughout is listed once; none is listed twice."""
        await _assert_holds(self.several_pages, store, lambda: _one_by_one(all_pages(all_sessions)))

    async def test_a_users_list_holds_while_others_come_and_go(self, user_sessions: UserSessions) -> None:
        """A session that exists throughout is listed once; none is listed twice."""
        await _assert_holds(self.several_pages, user_sessions, lambda: _one_by_one(user_pages(user_sessions, "ann")))

    async def test_the_data_holds_while_others_come_and_go(
        self, store: SessionStore, reencryption: Reencryption
    ) -> None:
        """A session that exists throughout is listed once; none is listed twice."""

        async def digests() -> AsyncIterator[bytes]:
            async for page in reencryption.list_data():
                for one in page:
                    yield one.digest

        await _assert_holds(self.several_pages, store, digests)


async def _touched_listing(store: SessionStore, clock: Clock) -> SessionListing:
    """Return the expected listing of the only session, which was touched."""
    record = await store.create(new("a", "ann"))
    clock.advance(INTERVAL_MS)
    await store.touch([touched(record, clock())])
    now = await reloaded(store, record)
    return SessionListing(now.digest, "ann", now.created_at, now.last_seen_at, now.expires_at, now.device)


async def _assert_holds(count: int, store: SessionStore, digests: Callable[[], AsyncIterator[bytes]]) -> None:
    """Read *digests*; after each, end the listed session and create another."""
    stay, go = await created(store, range(count), "ann"), {}
    for record in await created(store, range(count, 2 * count), "ann"):
        go[record.digest] = record
    seen: list[bytes] = []
    async for digest in digests():
        seen.append(digest)
        if len(seen) <= 2 * count:
            await store.create(new(f"new {len(seen)}", "ann"))
        if digest in go:
            await store.delete(digest)

    assert sorted(set(seen)) == sorted(seen)
    assert {record.digest for record in stay} <= set(seen)


async def _one_by_one(listings: AsyncIterator[SessionListing]) -> AsyncIterator[bytes]:
    async for listing in listings:
        yield listing.digest


def _digests(items: Iterable[SessionListing | SessionRecord]) -> set[bytes]:
    return {item.digest for item in items}
