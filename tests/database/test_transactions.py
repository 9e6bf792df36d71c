"""Transactions are atomic, whatever happens to the calling task."""

import asyncio

import pytest

from bodhi.database import Conflict, DatabaseUnavailable, Schema, open_database
from database.rows import insert, letters

DEADLINE_SECONDS = 300


async def test_transaction_is_atomic(database):
    """It sees its own rows at once, and others see them when it has ended."""
    async with database.transaction() as transaction:
        await insert(transaction, "a")
        await insert(transaction, "b")
        assert "ab" == await letters(transaction)
        assert "" == await letters(database)

    assert "ab" == await letters(database)


async def test_an_error_undoes_the_transaction(database):
    """The error comes through as it is, and the next transaction works."""

    async def work() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()

    assert "" == await letters(database)
    async with database.transaction() as transaction:
        await insert(transaction, "a")
    assert "a" == await letters(database)


async def test_a_refused_statement_undoes_the_transaction(database):
    """The rows before it go as well."""
    await insert(database, "b")

    async def work() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, "a")
            await insert(transaction, "b")

    with pytest.raises(Conflict):
        await work()

    assert "b" == await letters(database)


async def test_cancelled_transaction_is_rolled_back(database):
    """The client went away in the middle; whoever comes next finds the database as it was."""
    inserted = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, "a")
            inserted.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.wait_for(inserted.wait(), DEADLINE_SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "" == await letters(database)
    async with database.transaction() as transaction:
        await insert(transaction, "a")
    assert "a" == await letters(database)


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_transaction_cancelled_at_any_point_is_all_or_nothing(database, cancellations):
    """After any number of steps, once or twice in a row."""

    async def work() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, "a")
            await insert(transaction, "b")

    for steps in range(1, 40):
        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(cancellations):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task], timeout=DEADLINE_SECONDS)
        assert task.done()

        async with database.transaction() as transaction:  # whatever is still on its way comes before this one
            assert await letters(transaction) in {"", "ab"}
            await transaction.many("clear_all", now=None)


async def test_statement_outside_a_transaction_is_not_part_of_it(database):
    """Coroutines that shared a connection would lose it when the other rolls back."""
    inserted, roll_back = asyncio.Event(), asyncio.Event()

    async def other() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, "a")
            inserted.set()
            await roll_back.wait()
            raise ZeroDivisionError

    task = asyncio.create_task(other())
    await asyncio.wait_for(inserted.wait(), DEADLINE_SECONDS)
    mine = asyncio.create_task(insert(database, "b"))
    await asyncio.wait([mine], timeout=0.05)  # PostgreSQL has stored it by now; on SQLite it waits for its turn
    roll_back.set()
    await asyncio.wait_for(mine, DEADLINE_SECONDS)
    with pytest.raises(ZeroDivisionError):
        await task

    assert "b" == await letters(database)


async def test_concurrent_transactions_are_isolated(database):
    """Every second one fails: its rows are gone, and no others."""

    async def work(pair: str, *, fails: bool) -> None:
        async with database.transaction() as transaction:
            for letter in pair:
                await insert(transaction, letter)
            if fails:
                raise ZeroDivisionError

    pairs = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op", "qr", "st", "uv", "wx"]
    work_at_once = [work(pair, fails=bool(number % 2)) for number, pair in enumerate(pairs)]
    answers = await asyncio.wait_for(asyncio.gather(*work_at_once, return_exceptions=True), DEADLINE_SECONDS)

    assert [None, ZeroDivisionError] * 6 == [answer and type(answer) for answer in answers]
    assert "".join(pairs[::2]) == await letters(database)


async def test_a_transaction_that_takes_too_long_is_ended(database):
    """By the limit that it was given; nothing of it stays, and the next one works."""

    async def work() -> None:
        async with database.transaction(limit_seconds=0.2) as transaction:
            await insert(transaction, "a")
            await asyncio.Event().wait()

    with pytest.raises(DatabaseUnavailable):
        await work()

    assert "" == await letters(database)
    async with database.transaction() as transaction:
        await insert(transaction, "a")
    assert "a" == await letters(database)


async def test_script_is_atomic(database):
    """A migration that fails half-way leaves nothing."""
    with pytest.raises(Exception, match="no_such_table"):
        await database.script("CREATE TABLE half (a INTEGER);\nINSERT INTO no_such_table VALUES (1);")

    await database.script("CREATE TABLE half (a INTEGER);\nCREATE TABLE other_half (a INTEGER);")


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE one (a integer);\nCREATE TABLE two (a integer)",
        "CREATE TABLE one (a integer); CREATE TABLE two (a integer);",
        "CREATE TABLE one (a integer);\nCREATE TABLE two (a integer); -- the end",
        "-- A word; and another.\nCREATE TABLE one (a integer);\n\nCREATE TABLE two (a integer);\n-- The end.\n",
    ],
)
async def test_every_statement_of_a_script_is_run(database, script):
    """However it is laid out: a migration that is half applied would count as done."""
    await database.script(script)

    await database.script("INSERT INTO one VALUES (1);\nINSERT INTO two VALUES (1);")


async def test_whoever_waits_as_the_database_is_closed_is_refused(database_url):
    """For a connection, or within a transaction: an outage like another, rather than an error of the driver."""
    database = open_database(database_url, pool_size=1)
    await database.__aenter__()
    await Schema(database, "session").migrate()
    is_closed, begun = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, "a")
            begun.set()
            await is_closed.wait()
            await insert(transaction, "b")

    async def transact() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, "c")

    holder = asyncio.create_task(hold())
    await begun.wait()
    waiting = [asyncio.create_task(insert(database, "d")), asyncio.create_task(transact())]
    async with asyncio.timeout(DEADLINE_SECONDS):
        while database.counters.waiting < len(waiting):
            await asyncio.sleep(0)
        await database.__aexit__(None, None, None)
        is_closed.set()
        errors = await asyncio.gather(holder, *waiting, return_exceptions=True)

    assert [True] * 3 == [isinstance(error, DatabaseUnavailable) for error in errors], errors
    async with open_database(database_url) as again:
        assert "" == await letters(again)
