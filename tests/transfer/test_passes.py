"""Passes of a transfer: paging, interruption, unwritable rows, and records of copied sessions."""

import sqlite3
from contextlib import AsyncExitStack, closing

import pytest

from bodhi.database import Conflict, DatabaseError, open_database
from bodhi.session.handles import digest_of, handle_of, share_up_to
from bodhi.transfer.copy import COPIED_COLUMNS, COPIED_TABLE, Tally, Transfer
from transfer.conftest import KEY

NEW_KEY = "a-new-key-for-moving-of-at-least-thirty-two-characters"
DAY_MS = 86_400_000


@pytest.fixture
async def between(service_on):
    """Creates transfers between two databases, and records failed rows."""
    failures = []
    async with AsyncExitStack() as stack:

        async def between(source_url, target_url, **options):
            for url in (source_url, target_url):
                await service_on(url)  # makes the tables
            source = await stack.enter_async_context(open_database(source_url, read_only=True))
            target = await stack.enter_async_context(open_database(target_url))
            return Transfer(source, target, failed=lambda *failure: failures.append(failure), **options)

        between.failed = failures  # type: ignore[attr-defined]
        yield between


async def tally_of(transfer):
    """Run a pass; return its tally."""
    return [tally async for tally in transfer.run()][-1]


async def broken_off(transfer):
    """Interrupt a pass after its first page."""
    passing = transfer.run()
    await anext(passing)
    await passing.aclose()


async def numbers_in(service):
    """Return the numbers in all live sessions."""
    digests = [listing.digest for listing in await service.get_session_store().list_page(limit=1000)]
    records = [await service.get_session_store().load(digest) for digest in digests]
    return sorted(service._changes.opened(record).data["n"] for record in records)


async def test_source_and_target_pages_may_differ(source_url, target_url, service_on, between):
    """One side is much denser than the other in places; nothing is left out, or done twice."""
    old, new = await service_on(source_url), await service_on(target_url)
    sessions = [await old.create({"n": n}) for n in range(20)]
    for n in range(100, 110):
        await new.create({"n": n})
    transfer = await between(source_url, target_url, page=3)

    assert Tally(read=20, written=20, others=10) == await tally_of(transfer)
    for _, session in sessions[:12]:
        await old.delete(session.record.digest)
    for n in range(20, 25):
        await old.create({"n": n})

    assert Tally(read=13, written=5, kept=8, ended=12, others=10) == await tally_of(transfer)
    assert [*range(12, 25), *range(100, 110)] == await numbers_in(new)
    assert Tally(read=13, kept=13, others=10) == await tally_of(transfer)


async def test_pass_reports_its_progress(source_url, target_url, service_on, between):
    """The digests up to the one that it names are done, and no others."""
    old = await service_on(source_url)
    digests = [(await old.create({"n": n}))[1].record.digest for n in range(10)]
    transfer = await between(source_url, target_url, page=4)

    told = [(tally.read, tally.reached) async for tally in transfer.run()]

    assert [(sum(digest <= reached for digest in digests), reached) for _, reached in told] == told
    assert (10, 1.0) == (told[-1][0], share_up_to(told[-1][1]))
    assert 3 == len(told)


async def test_interrupted_pass_can_be_repeated(source_url, target_url, service_on, between):
    """What was written before is kept, the rest comes."""
    old = await service_on(source_url)
    for n in range(10):
        await old.create({"n": n})
    transfer = await between(source_url, target_url, page=4)
    passing = transfer.run()
    assert 4 == (await anext(passing)).written
    await passing.aclose()

    assert Tally(read=10, written=6, kept=4) == await tally_of(transfer)
    assert list(range(10)) == await numbers_in(await service_on(target_url))


async def test_empty_sqlite_target_gets_its_user_index_last(sqlite_url, postgres_url, service_on, between):
    """If the pass is broken off, with the next one, or by whoever migrates."""
    old, new = await service_on(postgres_url), await service_on(sqlite_url)
    for n in range(6):
        await old.create({"user_id": f"user-{n}", "n": n})
    transfer = await between(postgres_url, sqlite_url, page=3)

    found = []
    for end in (lambda: tally_of(transfer), lambda: service_on(sqlite_url)):
        await broken_off(transfer)
        found.append(await transfer._target.maybe("find_user_index") is not None)
        await end()
        found.append(await transfer._target.maybe("find_user_index") is not None)
        await new.clear_all_sessions()
        await transfer._target.script("DELETE FROM bodhi_session_copied")

    assert [False, True, False, True] == found


async def test_sqlite_target_with_sessions_keeps_its_user_index(sqlite_url, postgres_url, service_on, between):
    """They may be listed meanwhile."""
    old, new = await service_on(postgres_url), await service_on(sqlite_url)
    for n in range(6):
        await old.create({"n": n})
    await new.create({"n": 100})
    transfer = await between(postgres_url, sqlite_url, page=3)

    await broken_off(transfer)

    assert await transfer._target.maybe("find_user_index") is not None


async def test_row_that_the_target_refuses_does_not_stop_the_copy(sqlite_url, postgres_url, service_on, between):
    """It is named once, however many passes meet it."""
    old = await service_on(sqlite_url)
    cookies = [(await old.create({"n": n}))[0] for n in range(5)]
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:"))) as database, database:
        database.execute(
            "UPDATE bodhi_session SET user_agent = 'a' || char(0) WHERE digest = ?", [digest_of(cookies[2])]
        )
    transfer = await between(sqlite_url, postgres_url)

    assert Tally(read=5, written=4, failed=1) == await tally_of(transfer)
    assert Tally(read=5, kept=4, failed=1) == await tally_of(transfer)
    assert [handle_of(digest_of(cookies[2]))] == [handle for handle, _ in between.failed]
    assert [0, 1, 3, 4] == await numbers_in(await service_on(postgres_url))


@pytest.mark.parametrize("writes", [True, False])
async def test_row_with_invalid_utf_8_does_not_stop_the_copy(writes, database_url, tmp_path, service_on, between):
    """SQLite keeps any bytes as text. It is counted, also where nothing is written, and not shown."""
    source_url = f"sqlite:{tmp_path / 'old.sqlite'}"
    old = await service_on(source_url)
    digests = [digest_of((await old.create({"n": n}))[0]) for n in range(5)]
    broken = {"user_id": digests[0], "ip": digests[2], "user_agent": digests[4]}
    with closing(sqlite3.connect(source_url.removeprefix("sqlite:"))) as database, database:
        for column, digest in broken.items():
            breaking = f"UPDATE bodhi_session SET {column} = CAST(? AS TEXT) WHERE digest = ?"
            database.execute(breaking, [b"shown\xff", digest])
    transfer = await between(source_url, database_url, writes=writes)

    for _ in range(2):
        tally = await tally_of(transfer)
        assert (5, 2, 3) == (tally.read, tally.written + tally.kept, tally.failed)
    told = [(handle_of(digest), f"{column} is not UTF-8") for column, digest in broken.items()]
    assert sorted(told) == sorted(between.failed)
    assert ([1, 3] if writes else []) == await numbers_in(await service_on(database_url))


async def test_concurrent_copies_do_not_conflict(source_url, target_url, service_on, between):
    """Two that run at once are no failure of either."""
    old = await service_on(source_url)
    for n in range(5):
        await old.create({"n": n})
    first, second = [await between(source_url, target_url) for _ in range(2)]
    carry_out = first._carry_out

    async def be_late(page):
        await tally_of(second)
        await carry_out(page)

    first._carry_out = be_late

    assert Tally(read=5, kept=5) == await tally_of(first)
    assert [] == between.failed
    assert [0, 1, 2, 3, 4] == await numbers_in(await service_on(target_url))


async def test_re_encryption_is_carried_while_following(source_url, target_url, service_on, between):
    """It makes no new version; afterwards the old key is not needed at the target either."""
    await (await service_on(source_url)).create({"n": 1})
    transfer = await between(source_url, target_url, follows=True)
    await tally_of(transfer)
    renewed = await service_on(source_url, keys=(NEW_KEY, KEY))
    assert [(1, 1, 0)] == [counts async for counts in renewed.rekey()]

    assert Tally(read=1, kept=1) == await tally_of(await between(source_url, target_url))
    assert Tally(read=1, written=1) == await tally_of(transfer)
    assert [1] == await numbers_in(await service_on(target_url, keys=(NEW_KEY,)))


async def test_records_of_copied_sessions_are_dropped_after_their_end(source_url, target_url, service_on, between):
    """The sweeper sees to it."""
    await (await service_on(source_url)).create({"n": 1})
    await tally_of(await between(source_url, target_url))
    _, session = await (await service_on(target_url)).create({"n": 2})
    async with open_database(target_url) as database:
        for days, left in ((40, 1), (50, 0)):
            later = await service_on(target_url, clock=lambda days=days: session.record.now + days * DAY_MS)
            await later.sweep()

            assert left == len(await database.many("list_copied", after=b"", batch=10))


async def test_bulk_insert_is_atomic(database_url, service_on):
    """All rows or none."""
    await service_on(database_url)
    rows = [(bytes([n]) * 32, 1, 2, 3) for n in range(5)]
    async with open_database(database_url) as database:
        await database.fill(COPIED_TABLE, COPIED_COLUMNS, rows[:3])
        with pytest.raises(Conflict):
            await database.fill(COPIED_TABLE, COPIED_COLUMNS, rows[:1:-1])

        assert rows[:3] == [tuple(row) for row in await database.many("list_copied", after=b"", batch=10)]


async def test_a_file_that_is_opened_to_be_read_is_not_written(sqlite_url, service_on):
    """Nor is one made."""
    await service_on(sqlite_url)
    async with open_database(sqlite_url, read_only=True) as database:
        with pytest.raises(DatabaseError):
            await database.fill(COPIED_TABLE, COPIED_COLUMNS, [(bytes(32), 1, 2, 3)])
