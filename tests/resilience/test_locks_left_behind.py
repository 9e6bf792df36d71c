"""A row lock that is not released affects only its own session."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from bodhi.session import DefaultSessionService, SessionUnavailable
from resilience.app import KEY
from resilience.outage import LIMIT_SECONDS
from support.postgres_locks import blocked, locked, tidy

SESSIONS = 40
POOL_SIZE = 4
FROZEN_NODE = Path(__file__).with_name("frozen_node.py")


def service_on(url: str, **options: object) -> DefaultSessionService:
    """A service with a small pool and a short limit."""
    return DefaultSessionService.from_url(
        url, keys=[KEY], limit_seconds=LIMIT_SECONDS, pool_size=POOL_SIZE, sweep_seconds=None, **options
    )


async def test_held_lock_does_not_block_saves_of_other_sessions(postgres_url: str) -> None:
    """Who shares a trip with the locked session's save does not share its wait."""
    async with service_on(postgres_url) as service:
        sessions = [(await service.create({"number": number}))[1] for number in range(SESSIONS)]
        async with locked(postgres_url, sessions[0].record.digest):
            outcomes = await asyncio.gather(
                *(service.save(session, {"number": -1}) for session in (sessions[0], *sessions)), return_exceptions=True
            )

        assert {SessionUnavailable} == {type(outcome) for outcome in outcomes[:2]}
        assert not [outcome for outcome in outcomes[2:] if isinstance(outcome, Exception)]


async def test_held_lock_does_not_block_touches_of_other_sessions(postgres_url: str) -> None:
    """One locked row does not let the idle time of all others run out."""
    now_ms = 1_800_000_000_000
    async with service_on(postgres_url, touch_seconds=60, clock=lambda: now_ms) as service:
        sessions = [await service.create({"number": number}) for number in range(SESSIONS)]
        now_ms += 100_000
        async with locked(postgres_url, sessions[0][1].record.digest):
            for session_id, _ in sessions:
                assert await service.load(session_id) is not None

            assert SESSIONS - 1 == await service.flush()


async def test_timed_out_request_does_not_keep_waiting_on_the_server(postgres_url: str) -> None:
    """A statement that was given up is cancelled: each would keep one of the server's connections from everybody."""
    async with service_on(postgres_url) as service:
        _, session = await service.create({"number": 1})
        async with locked(postgres_url, session.record.digest):
            calls = [service.delete(session.record.digest) for _ in range(POOL_SIZE)]
            outcomes = Counter(type(one) for one in await asyncio.gather(*calls, return_exceptions=True))
            assert {SessionUnavailable: POOL_SIZE} == outcomes

            await blocked(postgres_url, count=0)


async def test_transaction_of_a_frozen_node_is_ended(postgres_url: str) -> None:
    """What a node held when its machine stopped is free again soon, although nobody told the server that it stopped."""
    async with service_on(postgres_url) as service:
        _, session = await service.create({"number": 1})
        node = subprocess.Popen(
            [sys.executable, str(FROZEN_NODE), postgres_url, session.record.digest.hex(), str(LIMIT_SECONDS)],
            stdout=subprocess.PIPE,
        )
        with node:
            try:
                assert node.stdout is not None
                assert b"locked\n" == await asyncio.to_thread(node.stdout.readline)

                await tidy(postgres_url, most=POOL_SIZE + 1)
                assert await service.save(session, {"number": 2}) is not None
            finally:
                os.kill(node.pid, signal.SIGKILL)
