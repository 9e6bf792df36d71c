"""Nodes of version 0.1.0 and of this one on one database: nobody is logged out, and no row is set aside."""

import pytest

from bodhi.database import SchemaTooNew
from bodhi.keyring import NEWEST_FORMAT, UNBOUND_FORMAT
from bodhi.session.handles import digest_of
from session.conftest import IDLE_SECONDS, KEY
from session.old_node import OldNode

# A row that version 0.1.0 has written, with the key of the tests.
OLD_ID = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"
OLD_DATA = bytes.fromhex(
    "01a08acfe1c4da5e448042388ce77dad39351659e8dabce35e47b0b8a7f36ebfe5d744a2"
    "fdb4e5f4bdc9db7d3c8371bd8f333f57368a9b4a701149e24e24cb9cba0a57fc"
)


@pytest.fixture
def has_tables():
    """None: the node of 0.1.0 makes its own."""
    return False


@pytest.fixture
async def old_node(database_url, clock):
    """A node of 0.1.0, which was there first."""
    async with OldNode.on(database_url, clock) as node:
        yield node


@pytest.fixture
async def upgraded(old_node, make_service):
    """A node of this version, on the database that 0.1.0 still uses."""
    return await make_service()


async def formats(raw):
    """The formats of all sessions."""
    return {row["data"][0] for row in await raw.sessions()}


async def test_what_version_0_1_0_wrote_is_read(upgraded, raw, clock):
    """Byte for byte as it came from there."""
    digest = digest_of(OLD_ID)
    times = (clock(), clock(), clock() + 1_000, clock() + 1_000)
    await raw.rows(
        "INSERT INTO bodhi_session (digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at)"
        " VALUES ($1, $2, 'ann', 1, $3, $4, $5, $6)",
        digest,
        OLD_DATA,
        *times,
    )

    assert {"user_id": "ann", "cart": ["apple"]} == (await upgraded.load(OLD_ID)).data


async def test_an_old_node_reads_what_a_new_one_writes(old_node, upgraded, raw, clock):
    """Created, saved, saved with max_age, changed by atomically and moved, until somebody switches the format."""
    session_id, session = await upgraded.create({"user_id": "ann"})
    assert {"user_id": "ann"} == await old_node.load(session_id)
    session = await upgraded.save(session, {"user_id": "ann", "n": 1})
    assert {"user_id": "ann", "n": 1} == await old_node.load(session_id)
    await upgraded.save(session, {"user_id": "ann", "n": 2}, ages=True, max_age_seconds=600)
    assert {"user_id": "ann", "n": 2} == await old_node.load(session_id)
    await upgraded.atomically(digest_of(session_id), lambda data, _: data.update(n=3), max_age_seconds=700)
    assert {"user_id": "ann", "n": 3} == await old_node.load(session_id)
    moved_id, _ = await upgraded.rotate(await upgraded.load(session_id), {"user_id": "bob"}, renewed=True)
    assert {"user_id": "bob"} == await old_node.load(moved_id)
    assert [(0, 1, 0)] == [sums async for sums in upgraded.rekey()]
    assert {"user_id": "bob"} == await old_node.load(moved_id)

    assert {UNBOUND_FORMAT} == await formats(raw)


async def test_a_new_node_reads_what_an_old_one_writes(old_node, upgraded, raw):
    """On the tables as they are after the migration, with the statements of before."""
    session_id = await old_node.create({"user_id": "ann"})
    assert {"user_id": "ann"} == (await upgraded.load(session_id)).data
    await old_node.save(session_id, n=1)
    assert {"user_id": "ann", "n": 1} == (await upgraded.load(session_id)).data
    await old_node.save(session_id, max_age_seconds=600, n=2)
    assert {"user_id": "ann", "n": 2} == (await upgraded.load(session_id)).data
    moved_id = await old_node.rotate(session_id, user_id="bob")
    assert {"user_id": "bob", "n": 2} == (await upgraded.load(moved_id)).data
    short_id = await old_node.create({"n": 1}, max_age_seconds=600)
    assert {"n": 1} == (await upgraded.load(short_id)).data

    assert (0, []) == (upgraded.counters.unreadable, await raw.set_aside())


async def test_both_change_one_session_in_turns(old_node, upgraded, raw):
    """Neither loses what the other saved, also where the new node has to merge."""
    session_id = await old_node.create({"user_id": "ann"})
    loaded = await upgraded.load(session_id)
    await old_node.save(session_id, theirs=1)

    await upgraded.save(loaded, {**loaded.data, "mine": 1})

    assert {"user_id": "ann", "theirs": 1, "mine": 1} == await old_node.load(session_id)
    await old_node.save(session_id, max_age_seconds=600, again=1)
    loaded = await upgraded.save(await upgraded.load(session_id), {"user_id": "ann"}, ages=True, max_age_seconds=60)
    assert {"user_id": "ann"} == loaded.data == await old_node.load(session_id)
    assert [] == await raw.set_aside()


async def test_a_new_database_begins_with_the_newest_format(service, raw):
    """There has never been an older node."""
    await service.create({"n": 1})

    assert {NEWEST_FORMAT} == await formats(raw)
    assert NEWEST_FORMAT == await service.get_session_store().data_format()
    assert not await service.write_newest_format()


async def test_later_data_format_is_not_written_by_this_version(service, raw):
    """This node goes on with the newest that it knows; there is nothing to re-encrypt again and again."""
    await raw.rows("UPDATE bodhi_session_format SET written = 9")
    session_id, _ = await service.create({"n": 1})

    assert {NEWEST_FORMAT} == await formats(raw)
    assert [(0, 1, 0)] == [sums async for sums in service.rekey()]
    assert {"n": 1} == (await service.load(session_id)).data


async def test_a_database_that_was_in_use_stays_with_the_old_format_however_empty(upgraded, raw):
    """Old nodes may run, although nobody is logged in."""
    assert [] == await raw.sessions()
    assert UNBOUND_FORMAT == await upgraded.get_session_store().data_format()


async def test_after_the_switch_everything_gets_the_newest_format(old_node, upgraded, make_service, raw):
    """Nobody is logged out; nodes that run already follow, and the switch is made once."""
    other = await make_service()
    ids = [await old_node.create({"user_id": "ann", "n": number}) for number in range(5)]
    held = await other.load(ids[0])

    assert await upgraded.write_newest_format()
    assert not await other.write_newest_format()

    created, _ = await other.create({"user_id": "ann", "n": 5})
    assert {UNBOUND_FORMAT, NEWEST_FORMAT} == await formats(raw)
    assert {"older_format": 5, "newest": 1} == await upgraded.sample_keys(10)
    assert [(5, 6, 0)] == [sums async for sums in upgraded.rekey()]
    assert {NEWEST_FORMAT} == await formats(raw)
    # What a request had loaded before keeps its format, until the next time.
    await other.save(held, {**held.data, "late": 1})
    assert [(1, 6, 0)] == [sums async for sums in other.rekey()]
    assert {"newest": 6} == await upgraded.sample_keys(10)
    found = [(await upgraded.load(session_id)).data["n"] for session_id in [*ids, created]]
    assert list(range(6)) == found
    assert [] == await raw.set_aside()


async def test_a_new_key_keeps_the_format(old_node, upgraded, make_service, raw):
    """Before the switch and after it, of sessions in either format."""
    new_key = "the key that takes its place, also of thirty-two characters"
    old = await old_node.create({"user_id": "ann"})
    both = await make_service(keys=[new_key, KEY])
    assert [(1, 1, 0)] == [sums async for sums in both.rekey()]
    assert {UNBOUND_FORMAT} == await formats(raw)

    await both.write_newest_format()
    assert [(1, 1, 0)] == [sums async for sums in both.rekey()]
    assert {NEWEST_FORMAT} == await formats(raw)
    assert {"user_id": "ann"} == (await (await make_service(keys=[new_key])).load(old)).data


async def test_an_old_node_that_starts_after_the_migration_refuses(upgraded, database_url, clock):
    """One line says why; it does not run on rows that it cannot read."""
    with pytest.raises(SchemaTooNew, match="run a newer bodhi"):
        async with OldNode.on(database_url, clock):
            pass


async def test_times_of_old_rows_are_kept(old_node, upgraded, clock):
    """Re-encrypting is no use of the session."""
    session_id = await old_node.create({"user_id": "ann"})
    clock.advance(IDLE_SECONDS - 1)
    await upgraded.write_newest_format()
    assert [(1, 1, 0)] == [sums async for sums in upgraded.rekey()]

    clock.advance(1)

    assert await upgraded.load(session_id) is None
