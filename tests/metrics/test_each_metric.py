"""Each session metric increases with the real event, as Prometheus reads it."""

import asyncio

import pytest

from bodhi.metrics.exposition import exposition
from bodhi.server.application_metrics import ApplicationMetrics, LoginCounters
from bodhi.server.authentication.refresh import Refresher
from bodhi.session import DefaultSessionService, SessionGone
from bodhi.session.records import Save

KEY = "k" * 32
DAY_MS = 86_400_000


@pytest.fixture
async def service(database_url, clock):
    """A service with one connection per database, so that concurrent calls wait."""
    options = {"pool_size": 1, "clock": clock, "sweep_seconds": None, "touch_seconds": 60}
    async with DefaultSessionService.from_url(database_url, keys=[KEY], **options) as service:
        yield service


@pytest.fixture
def scrape(service, clock, read_samples):
    """Return the metrics of the service by name and labels."""
    watch = ApplicationMetrics(
        sessions=service.counters,
        count_live=service.count_sessions,
        logins=LoginCounters(),
        refresher=Refresher(None),
        databases={"session": service.get_session_store().database.counters},
        clock=lambda: clock.now_ms / 1000,
    )

    async def scrape():
        clock.advance(15_000)  # the number of live sessions is asked for anew
        await watch.refresh_live_count(None)
        return read_samples(exposition(watch.snapshot(), {}).decode())

    return scrape


async def load(service, clock, session_id, session):
    """Load a session."""
    assert await service.load(session_id)


async def save(service, clock, session_id, session):
    """Save a session."""
    await service.save(session, {**session.data, "color": "red"})


async def touch(service, clock, session_id, session):
    """Touch a session."""
    clock.advance(61_000)
    await service.load(session_id)
    assert 1 == await service.flush()


async def conflict(service, clock, session_id, session):
    """Change the same key concurrently."""
    for color in ("red", "blue"):
        await service.save(session, {**session.data, "color": color})


async def resurrection(service, clock, session_id, session):
    """Save a session after its end."""
    await service.revoke_session(session.handle)
    with pytest.raises(SessionGone):
        await service.save(session, {**session.data, "color": "red"})


async def corruption(service, clock, session_id, session):
    """Damage a row."""
    record = session.record
    await service.get_session_store().save(Save(record.digest, record.version, b"\x01garbage", record.user_id))
    assert await service.load(session_id) is None


async def sweep(service, clock, session_id, session):
    """Let a session expire, and sweep it."""
    clock.advance(30 * DAY_MS)
    assert 1 == await service.sweep()


async def login(service, clock, session_id, session):
    """Create another session."""
    await service.create({"user_id": "bob"})


async def crowd(service, clock, session_id, session):
    """Make calls wait for the connection or the writer."""
    database = service.get_session_store().database
    async with database.transaction():
        waiting = asyncio.create_task(service.revoke_session(session.handle))
        async with asyncio.timeout(300):
            while not database.counters.waiting:
                await asyncio.sleep(0)
    assert await waiting


HAPPENINGS = {
    load: {"bodhi_session_loads_total": 1},
    save: {"bodhi_session_saves_total": 1},
    touch: {"bodhi_session_loads_total": 1, "bodhi_session_touches_total": 1},
    conflict: {
        "bodhi_session_saves_total": 2,
        "bodhi_session_merges_total": 1,
        "bodhi_session_overwrites_total": 1,
    },
    resurrection: {
        "bodhi_session_blocked_saves_total": 1,
        "bodhi_session_deletions_total": 1,
        "bodhi_session_ended_total": 1,
        "bodhi_sessions_live": -1,
    },
    corruption: {
        "bodhi_session_loads_total": 1,
        "bodhi_session_unreadable_total": 1,
        "bodhi_session_ended_total": 1,
        "bodhi_sessions_live": -1,
    },
    sweep: {"bodhi_session_swept_total": 1, "bodhi_session_ended_total": 1, "bodhi_sessions_live": -1},
    login: {"bodhi_session_creations_total": 1, "bodhi_sessions_live": 1},
    crowd: {
        "bodhi_database_waits_total": 1,
        "bodhi_session_deletions_total": 1,
        "bodhi_session_ended_total": 1,
        "bodhi_sessions_live": -1,
    },
}
TIMES = "bodhi_database_wait_seconds_total"


@pytest.mark.parametrize("happens", HAPPENINGS, ids=lambda happens: happens.__name__)
async def test_metric_increases_with_its_event(service, clock, scrape, happens):
    """By as much as it should, and no other one with it."""
    session_id, session = await service.create({"user_id": "ann"})
    before = await scrape()

    await happens(service, clock, session_id, session)

    after = await scrape()
    moved = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    assert (happens is crowd) == (moved.pop((TIMES, 'database="session"'), 0) > 0)
    assert HAPPENINGS[happens] == {name: change for (name, _), change in moved.items()}
