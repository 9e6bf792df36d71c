"""Processes that start simultaneously on an empty database all serve; one creates the tables."""

import asyncio

from resilience.clients import go_round, visitors
from resilience.conftest import StartApp

PROCESSES = 5


async def test_processes_that_start_at_once_all_serve(database_url: str, start_app: StartApp) -> None:
    """A session made at one of them is read and written at every other."""
    apps = await asyncio.gather(*(start_app(database_url) for _ in range(PROCESSES)))

    async with visitors(apps[0].base_url, 10) as crowd:
        await go_round(crowd, [app.base_url for app in apps])
        assert {200} == {answer.status for visitor in crowd for answer in visitor.answers}
    assert [0] * PROCESSES == [await app.stop() for app in apps]
