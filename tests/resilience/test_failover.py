"""The primary is lost and the standby takes its place: the running application finds it, with the same cookies."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from bodhi.database import CannotOpen, open_database
from bodhi.session import DefaultSessionService
from bodhi.session.sql_store import open_store
from resilience.app import KEY
from resilience.clients import visitors
from resilience.conftest import StartApp
from resilience.outage import LIMIT_SECONDS, live_through
from support.replication import ReplicationPair
from support.tcp_proxy import TcpProxy

VISITORS = 8
LONGEST_GAP_SECONDS = 3.0
Record = Callable[[str, object], None]


async def test_a_killed_primary_is_replaced_under_load(
    replication_pair: ReplicationPair, start_app: StartApp, record_property: Record
) -> None:
    """Between the primary's death and the standby's promotion: 503. Then everything works, without a restart."""
    app = await start_app(replication_pair.url(), limit_seconds=LIMIT_SECONDS)
    async with visitors(app.base_url, VISITORS) as crowd:
        outage = await live_through(
            crowd,
            lambda: asyncio.to_thread(replication_pair.primary.kill),
            lambda: asyncio.to_thread(replication_pair.standby.promote),
        )
    record_property("gap_seconds", round(outage.gap_seconds, 3))
    assert outage.gap_seconds <= LONGEST_GAP_SECONDS
    assert 0 == await app.stop()


async def test_a_primary_that_vanished_is_replaced_under_load(
    replication_pair: ReplicationPair, start_app: StartApp, record_property: Record
) -> None:
    """A lost machine refuses nothing, it is silent: its address must not keep anybody from the next one."""
    async with TcpProxy("127.0.0.1", replication_pair.primary.port) as proxy:

        async def vanish() -> None:
            proxy.mode = "hang"

        url = replication_pair.url().replace(str(replication_pair.primary.port), str(proxy.port))
        app = await start_app(url, limit_seconds=LIMIT_SECONDS)
        async with visitors(app.base_url, VISITORS) as crowd:
            outage = await live_through(crowd, vanish, lambda: asyncio.to_thread(replication_pair.fail_over))
    record_property("gap_seconds", round(outage.gap_seconds, 3))
    assert outage.gap_seconds <= LONGEST_GAP_SECONDS


async def test_demoted_primary_is_abandoned(replication_pair: ReplicationPair) -> None:
    """The first write that it refuses leads to the new primary, and nobody reads from the old one after that."""
    async with DefaultSessionService.from_url(replication_pair.url(), keys=[KEY]) as service:
        created = [await service.create({"number": 1}) for _ in range(8)]
        await asyncio.gather(*(service.load(session_id) for session_id, _ in created))
        await make_read_only(replication_pair)
        await asyncio.to_thread(replication_pair.standby.promote)

        for _, stored in created:
            assert await service.save(stored, {"number": 2}) is not None
        found = await asyncio.gather(*(service.load(session_id) for session_id, _ in created))
        assert [{"number": 2}] * 8 == [one and one.data for one in found]


async def test_connection_in_use_during_a_failover_is_abandoned(replication_pair: ReplicationPair) -> None:
    """What was busy with the old primary when another request found the new one serves no more reads afterwards."""
    database = open_database(replication_pair.url())
    async with DefaultSessionService(open_store(database), keys=[KEY], database=database) as service:
        session_id, stored = await service.create({"number": 1})
        await make_read_only(replication_pair)
        await asyncio.to_thread(replication_pair.standby.promote)

        async with database.transaction():
            assert await service.delete(stored.record.digest)
        assert await service.load(session_id) is None


async def test_start_without_a_primary_reports_it(replication_pair: ReplicationPair) -> None:
    """In the middle of a failover no server takes writes: that is one clear line, with the password masked."""
    replication_pair.primary.kill()

    with pytest.raises(CannotOpen, match=r"^cannot open postgresql://bodhi_test:\*\*\*@"):
        await DefaultSessionService.connect(replication_pair.url(), keys=[KEY])


async def make_read_only(pair: ReplicationPair) -> None:
    """Has the primary refuse writes, in open connections as well, as an operator does before a planned change."""
    connection = await asyncpg.connect(pair.primary.url())
    try:
        await connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
