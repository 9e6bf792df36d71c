"""Repeated kill -9 during writes loses no confirmed change, and restarting needs no repair."""

import asyncio
import random
import sqlite3
import time

from resilience.clients import Visitor, answered, under_load, visitors
from resilience.conftest import StartApp
from resilience.outage import LIMIT_SECONDS, expect_all_works

KILLS = 20
VISITORS = 4


async def test_confirmed_changes_survive_every_kill(database_url: str, dialect: str, start_app: StartApp) -> None:
    """Sessions of before and sessions of now are written when the process dies, at any moment of it."""
    chance = random.Random(1135)
    async with visitors("", VISITORS * (KILLS + 1)) as crowd:
        for kill in range(KILLS):
            app = await start_app(database_url, limit_seconds=LIMIT_SECONDS)
            old_and_new = crowd[: VISITORS * (kill + 2)][-2 * VISITORS :]
            for visitor in old_and_new:
                visitor.base_url = app.base_url
            async with under_load(old_and_new, [Visitor.write]):
                await answered(old_and_new, since=time.monotonic(), status=200, paths=["/write"])
                await asyncio.sleep(chance.random() * 0.03)
                app.kill()
            if dialect == "sqlite":
                expect_sound(database_url)
        app = await start_app(database_url)
        for visitor in crowd:
            visitor.base_url = app.base_url
        await expect_all_works(crowd)
        assert 0 == await app.stop()


def expect_sound(url: str) -> None:
    """Check the integrity of the SQLite file."""
    file = sqlite3.connect(url.removeprefix("sqlite:"))
    assert [("ok",)] == file.execute("PRAGMA integrity_check").fetchall()
    file.close()
