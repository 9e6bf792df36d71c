"""Promise 8: expired rows go away by themselves, in small batches, and nothing that goes wrong stops it for good."""

import asyncio
import hashlib
import inspect

import pytest

from bodhi.session import DefaultSessionService, SessionUnavailable
from session.conftest import DEADLINE_SECONDS, IDLE_SECONDS
from session.pages import cookie_of, sent

EXPIRED, LIVE = 10_000, 10


@pytest.fixture
async def full_of_expired(service, raw, clock):
    """Ten thousand rows that have expired, and the cookies of ten sessions that live."""
    await service.create({"template": True})
    columns = "data, version, created_at, last_seen_at, expires_at, ends_at"
    if raw.dialect == "sqlite":
        digests = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EXPIRED}) SELECT "
        digest, source = "CAST(printf('%032d', i) AS BLOB)", "n"
    else:
        digests, digest, source = "SELECT ", "sha256(i::text::bytea)", f"generate_series(1, {EXPIRED}) AS n(i)"
    await raw.rows(
        f"INSERT INTO bodhi_session (digest, {columns}) {digests} {digest}, {columns} FROM {source}, bodhi_session"
    )
    clock.advance(IDLE_SECONDS)
    return [(await service.create({"live": number}))[0] for number in range(LIVE)]


async def test_two_processes_sweep_while_logins_go_on(
    full_of_expired, service, other_node, bare_client, monkeypatch, raw
):
    """Everything expired goes, everything live stays, in bounded batches, and nobody waits long."""
    store = service.get_session_store()
    sweep, batches = store.sweep, []

    async def watched():
        swept = await sweep()
        batches.append(swept or 0)
        return swept

    monkeypatch.setattr(store, "sweep", watched)

    async def log_in(number):
        return await bare_client.post(f"/login/user{number}", headers=sent(full_of_expired[number % LIVE]))

    async def sweep_there():
        return sum([await other_node.call("sweep") for _ in range(2)])

    here, there, *logins = await asyncio.gather(
        service.sweep(), sweep_there(), *(log_in(number) for number in range(LIVE))
    )
    rest = await service.sweep()

    assert EXPIRED + 1 == here + there + rest
    assert {200} == {response.status for response in logins}
    assert {f"user{number}" for number in range(LIVE)} == {row["user_id"] for row in await raw.sessions()}
    assert LIVE == len(await raw.sessions())
    assert max(batches) <= store.sweep_batch <= 1_000
    for number, response in enumerate(logins):
        assert number == (await service.load(cookie_of(response))).data["live"]


async def test_only_what_has_expired_goes(service, clock, raw):
    """To the millisecond, by the idle timeout as by the absolute one."""
    first, _ = await service.create({"a": 1})
    clock.advance(0.001)
    await service.create({"b": 2})
    clock.advance(IDLE_SECONDS - 0.001)

    assert 1 == await service.sweep()
    assert hashlib.sha256(first.encode()).digest() not in {row["digest"] for row in await raw.sessions()}
    assert 1 == len(await raw.sessions())
    clock.advance(0.001)
    assert 1 == await service.sweep()
    assert 0 == await service.sweep()
    assert 2 == service.counters.swept


async def _swept_in_background(service, raw):
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not service.counters.swept:
            await asyncio.sleep(0.01)
    assert [] == await raw.sessions()


def test_sweeping_is_on_by_default():
    """Nobody has to think of it."""
    assert inspect.signature(DefaultSessionService).parameters["sweep_seconds"].default > 0


async def test_expired_rows_go_by_themselves(make_service, clock, raw):
    """Without anybody calling sweep()."""
    service = await make_service(sweep_seconds=0.01)
    await service.create({"a": 1})
    clock.advance(IDLE_SECONDS)

    await _swept_in_background(service, raw)

    assert 1 == service.counters.swept


@pytest.mark.parametrize("error", [SessionUnavailable(), RuntimeError("a bug")], ids=["outage", "bug"])
async def test_sweeping_survives_errors(error, make_service, clock, raw, monkeypatch, caplog):
    """A failure is counted and logged, and the next turn does the work."""
    service = await make_service(sweep_seconds=0.01)
    store = service.get_session_store()
    sweep, failures = store.sweep, []

    async def failing_twice():
        if len(failures) < 2:
            failures.append(error)
            raise error
        return await sweep()

    monkeypatch.setattr(store, "sweep", failing_twice)
    await service.create({"a": 1})
    clock.advance(IDLE_SECONDS)

    await _swept_in_background(service, raw)

    assert 2 == service.counters.sweep_failures
    assert "will be retried" in caplog.text


async def test_a_sweeper_leaves_the_work_to_the_one_that_is_at_it(service, monkeypatch, clock):
    """Where the store says that another runner works, sweep() ends at once."""

    async def busy():
        return None

    monkeypatch.setattr(service.get_session_store(), "sweep", busy)

    assert 0 == await service.sweep()


async def test_rows_set_aside_go_after_a_month(service, clock, raw):
    """They are kept for a look, not for ever."""
    session_id, stored = await service.create({"a": 1})
    await raw.write_data(stored.record.digest, b"garbage")
    assert await service.load(session_id) is None

    clock.advance(30 * 86_400 - 1)
    await service.sweep()
    assert 1 == len(await raw.set_aside())
    clock.advance(1)
    await service.sweep()
    assert [] == await raw.set_aside()


@pytest.mark.parametrize("ahead_ms", [0, 1, 299_999], ids=["as a step begins", "within it", "as it ends"])
async def test_the_count_of_live_sessions_is_exact(ahead_ms, service, raw, clock):
    """Though it is taken from an index of steps of five minutes."""
    clock.now_ms = 1_800_000_000_000 + ahead_ms
    for late_ms in (-300_000, -1, 0, 1, 300_000):
        _, session = await service.create({"a": 1})
        await raw.rows(
            "UPDATE bodhi_session SET expires_at = $1 WHERE digest = $2", clock.now_ms + late_ms, session.record.digest
        )

    assert 2 == await service.count_sessions()
