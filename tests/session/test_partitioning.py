"""PostgreSQL: the session table is divided while requests go on, and nothing is lost, whatever happens meanwhile."""

import asyncio
import uuid
from collections import Counter
from contextlib import asynccontextmanager
from itertools import cycle

import pytest

from bodhi.database import DatabaseError, DatabaseUnavailable, Schema, open_database
from bodhi.session import (
    count_partitions,
    digest_of,
    partition_sessions,
    partitioning,
)
from support.postgres_locks import ask, blocked, table_locked

SESSIONS = 40  # of each node
STRUCTURE = """
SELECT array_agg(line ORDER BY line)
  FROM (SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
          FROM pg_index WHERE indrelid = 'bodhi_session'::regclass
        UNION ALL
        SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'bodhi_session'::regclass
        UNION ALL
        SELECT concat_ws(' ', attname, atttypid::regtype, attnotnull, attstorage, pg_get_expr(adbin, adrelid))
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = 'bodhi_session'::regclass AND attnum > 0
        UNION ALL
        SELECT concat_ws(' ', grantee::regrole, privilege_type, is_grantable)
          FROM pg_class CROSS JOIN aclexplode(relacl) WHERE pg_class.oid = 'bodhi_session'::regclass) AS lines (line)
"""
OPTIONS = """
SELECT array_agg(DISTINCT reloptions::text)
  FROM pg_class WHERE relname LIKE 'bodhi\\_session\\_%\\_%' AND relkind = 'r' AND relispartition
"""
LEFT = """
SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'bodhi_session'::regclass)
     + (SELECT count(*) FROM pg_class WHERE relname LIKE 'bodhi\\_session\\_next%')
"""


def ignore(copied):
    """Nobody watches."""


@pytest.fixture
def database_url(postgres_databases):
    """A database whose session table is undivided, whatever the tests were started with."""
    with postgres_databases.created(settings={"bodhi.session_partitions": "1"}) as url:
        yield url


@pytest.fixture
async def database(service, database_url):
    """A further pool on it."""
    async with open_database(database_url) as database:
        yield database


@pytest.fixture
def small_batches(monkeypatch):
    """Of seven rows."""
    monkeypatch.setattr(partitioning, "BATCH", 7)


@pytest.fixture
async def filled(service):
    """Some sessions: their data by id."""
    return {(await service.create({"n": n, "user_id": f"user {n % 5}"}))[0]: n for n in range(50)}


async def stored(service, ids):
    """Return the numbers in these sessions."""
    loaded = {session_id: await service.load(session_id) for session_id in ids}
    return {session_id: session.data["n"] for session_id, session in loaded.items() if session}


@pytest.mark.parametrize("counts", [(8,), (2, 3), (4, 1)])
async def test_every_session_is_there_after_it(counts, service, database, filled, small_batches):
    """With a number that is a power of two or not, divided anew, and undone."""
    for partitions in counts:
        assert len(filled) == await partition_sessions(database, partitions, ignore)

    assert counts[-1] == max(await count_partitions(database), 1)
    assert filled == await stored(service, filled)
    assert 10 == await service.count_sessions_for_user("user 1")


async def test_a_row_is_copied_with_all_its_columns(service, raw, database):
    """None may be NULL here, so that a new one is thought of: in the migration of its own, too."""
    session_id, _ = await service.create({"user_id": "alice"})
    await raw.rows("UPDATE bodhi_session SET ip = '192.0.2.1', user_agent = 'agent', max_age = 60")
    before = await raw.sessions()
    assert None not in before[0].values()
    await service.create({"user_id": "bob"})

    await partition_sessions(database, 3, ignore)

    assert before[0] in await raw.sessions()
    assert await service.load(session_id) is not None


async def test_the_structure_and_the_rights_stay(service, database, database_url):
    """Columns, constraints, indexes with their names; options, for autovacuum, are those of each partition."""
    role = f"bodhi_test_{uuid.uuid4().hex}"
    await database.script(
        f"CREATE ROLE {role}; GRANT SELECT ON bodhi_session TO {role};"
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT, DELETE ON TABLES TO {role};"
        "ALTER TABLE bodhi_session SET (autovacuum_vacuum_scale_factor = 0.02)"
    )
    try:
        before = await ask(database_url, STRUCTURE)

        await partition_sessions(database, 4, ignore)

        divided = await ask(database_url, STRUCTURE)
        assert ["{fillfactor=70,autovacuum_vacuum_scale_factor=0.02}"] == await ask(database_url, OPTIONS)
        await partition_sessions(database, 1, ignore)
        assert [before, before] == [divided, await ask(database_url, STRUCTURE)]
    finally:
        await database.script(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_nothing_is_lost_while_requests_go_on(make_service, database, small_batches):
    """Of all that two nodes answered meanwhile: what ended stays ended, and the rest is as it was saved last."""
    live, ended, steps = {}, set(), Counter()

    async def use(node, user_id):
        own = [(await node.create({"n": 0, "user_id": user_id}))[0] for _ in range(SESSIONS)]
        live.update(dict.fromkeys(own, 0))
        while not is_over:
            steps[user_id] = step = steps[user_id] + 1
            session_id = own.pop(0)
            session = await node.load(session_id)
            assert live[session_id] == session.data["n"]
            match step % 3:
                case 0:
                    live[session_id] = step
                    assert await node.save(session, {**session.data, "n": step})
                case 1:
                    ended.add(session_id)
                    number = live.pop(session_id)
                    session_id, _ = await node.rotate(session, session.data)
                    live[session_id] = number
                case 2:
                    ended.add(session_id)
                    del live[session_id]
                    assert await node.delete(session.record.digest)
                    session_id, _ = await node.create({"n": step, "user_id": user_id})
                    live[session_id] = step
            own.append(session_id)

    is_over = False
    nodes = {user_id: await make_service() for user_id in ("alice", "bob")}
    using = [asyncio.create_task(use(node, user_id)) for user_id, node in nodes.items()]
    numbers = cycle((4, 3, 1, 2))
    while min(steps[user_id] for user_id in nodes) < SESSIONS and not any(task.done() for task in using):
        await partition_sessions(database, next(numbers), ignore)
    is_over = True
    await asyncio.gather(*using)

    node = nodes["bob"]
    assert live == await stored(node, live)
    assert {} == await stored(node, ended)
    assert [SESSIONS, SESSIONS] == [await node.count_sessions_for_user(user_id) for user_id in nodes]


async def test_what_ends_while_its_page_is_copied_stays_ended(service, database, filled, database_url):
    """An end waits for the copy of its row, and then finds it in both tables."""
    begun = await database.maybe("begin_partitions", partitions=2)
    ids = [*filled]
    async with database.transaction() as transaction:
        await transaction.maybe("copy_partitions", beyond=b"", batch=1000)
        ending = asyncio.create_task(service.delete(digest_of(ids[0])))
        saving = asyncio.create_task(service.save(await service.load(ids[1]), {"n": -1, "user_id": "user 1"}))
        await blocked(database_url, count=2)
    assert await ending
    assert await saving
    await database.maybe("end_partitions", next=begun["next"])

    assert {**filled, ids[1]: -1} == {ids[0]: 0, **await stored(service, ids)}
    assert 49 == await service.count_sessions()


class Broken(Exception):
    """What goes wrong."""


@pytest.mark.parametrize("broken", [Broken, asyncio.CancelledError])
async def test_where_it_fails_everything_is_as_before(broken, service, database, filled, small_batches, database_url):
    """No second table and no trigger stay behind."""

    def fail(copied):
        raise broken

    with pytest.raises(broken):
        await partition_sessions(database, 8, fail)

    assert 0 == await count_partitions(database)
    assert 0 == await ask(database_url, LEFT)
    assert filled == await stored(service, filled)


async def test_a_copy_that_is_not_complete_does_not_take_the_place(service, database, filled, raw, monkeypatch):
    """Whatever kept a row from it."""
    copy = partitioning._copy

    async def lose_one(database, told):
        copied = await copy(database, told)
        await raw.rows("DELETE FROM bodhi_session_next WHERE digest = (SELECT digest FROM bodhi_session LIMIT 1)")
        return copied

    monkeypatch.setattr(partitioning, "_copy", lose_one)

    with pytest.raises(DatabaseError, match="the copy is not complete: 1 sessions differ"):
        await partition_sessions(database, 8, ignore)

    assert 0 == await count_partitions(database)
    assert filled == await stored(service, filled)


async def test_a_step_whose_answer_was_lost_is_no_failure(service, database, filled, monkeypatch):
    """It is tried again: the first begins anew, and the last one finds that it is done already."""
    monkeypatch.setattr(partitioning, "LOCK_SECONDS", 1)
    transaction = database.transaction
    steps = []

    @asynccontextmanager
    async def losing(*, limit_seconds):
        async with transaction(limit_seconds=60) as executor:
            yield executor
        if limit_seconds == 1:
            steps.append("lost" if len(steps) % 2 == 0 else "answered")
            if steps[-1] == "lost":
                raise DatabaseUnavailable("no answer in time")

    monkeypatch.setattr(database, "transaction", losing)

    assert 50 == await partition_sessions(database, 8, ignore)

    assert ["lost", "answered"] * 2 == steps
    assert 8 == await count_partitions(database)
    assert filled == await stored(service, filled)


async def test_what_a_killed_run_left_is_removed_by_the_next(service, database, filled, database_url):
    """Until then all changes go into both tables, and nothing is wrong."""
    await database.maybe("begin_partitions", partitions=8)
    session_id, _ = await service.create({"n": 51})

    assert 51 == await partition_sessions(database, 4, ignore)

    assert 4 == await count_partitions(database)
    assert 0 == await ask(database_url, LEFT)
    assert {**filled, session_id: 51} == await stored(service, [*filled, session_id])


async def test_of_two_runs_at_once_none_takes_the_others_table(service, database, filled, small_batches, monkeypatch):
    """The first ends with an error: the table that it would put in place is the second's, and not full yet."""
    maybe = database.maybe
    others = []

    async def begin_another_after_a_batch(name, **values):
        row = await maybe(name, **values)
        if name == "copy_partitions" and not others:
            others.append(await maybe("begin_partitions", partitions=3))
        return row

    monkeypatch.setattr(database, "maybe", begin_another_after_a_batch)
    with pytest.raises(DatabaseError):
        await partition_sessions(database, 8, ignore)

    assert others
    assert 0 == await count_partitions(database)
    assert filled == await stored(service, filled)


async def test_a_lock_that_is_held_is_not_waited_for_long(service, database, filled, monkeypatch, database_url):
    """Requests queue behind whoever waits for the table: it gives up and tries again, and at last says so."""
    monkeypatch.setattr(partitioning, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(partitioning, "LOCK_ATTEMPTS", 2)
    async with table_locked(database_url):
        with pytest.raises(DatabaseUnavailable):
            await partition_sessions(database, 8, ignore)

    assert 0 == await count_partitions(database)
    assert filled == await stored(service, filled)


@pytest.mark.parametrize(
    "own",
    [
        "CREATE TRIGGER own AFTER DELETE ON bodhi_session EXECUTE FUNCTION bodhi_follow_session()",
        "CREATE POLICY own ON bodhi_session",
        "CREATE VIEW own AS SELECT digest FROM bodhi_session",
    ],
    ids=["trigger", "policy", "view"],
)
async def test_what_an_operator_added_is_not_lost(own, service, database, filled, database_url):
    """A new table would not have it: the command says so, and leaves everything as it was."""
    await database.script(own)
    before = await ask(database_url, LEFT)

    with pytest.raises(DatabaseError, match=r"triggers or policies|other objects depend on it"):
        await partition_sessions(database, 8, ignore)

    assert 0 == await count_partitions(database)
    assert before == await ask(database_url, LEFT)


async def test_nodes_of_version_0_1_0_are_not_left_with_partitions(service, database, raw):
    """They would delete live sessions: the switch of the data format says that there are none any more."""
    await raw.rows("UPDATE bodhi_session_format SET written = 1")

    with pytest.raises(DatabaseError, match="sessions rekey --newest-format"):
        await partition_sessions(database, 8, ignore)

    assert 0 == await count_partitions(database)


async def test_the_setting_divides_a_table_without_sessions_alone(postgres_databases):
    """As the tables are made. What has sessions is divided by the command, whenever its operator likes."""
    with postgres_databases.created(settings={"bodhi.session_partitions": "4"}) as url:
        async with open_database(url) as database:
            await Schema(database, "session").migrate()
            assert 4 == await count_partitions(database)
            await partition_sessions(database, 1, ignore)
            await database.script(
                "INSERT INTO bodhi_session (digest, data, version, created_at, last_seen_at, expires_at, ends_at)"
                " VALUES (sha256('a'), '', 1, 1, 1, 1, 1); DROP FUNCTION bodhi_begin_partitions, bodhi_end_partitions,"
                " bodhi_abandon_partitions, bodhi_copy_partitions, bodhi_compare_partitions, bodhi_follow_session;"
                "DELETE FROM bodhi_schema WHERE name = 'partitions'"
            )

            assert ["partitions"] == [migration.name for migration in await Schema(database, "session").migrate()]

            assert 0 == await count_partitions(database)
