import asyncio
import logging

import pytest

from bodhi.database import DatabaseUnavailable
from bodhi.server.settings.overrides import SettingsOverrides


class Applied:
    """Records applied overrides in order."""

    def __init__(self):
        self.all = []
        self._news = asyncio.Event()

    def __call__(self, values):
        self.all.append(dict(values))
        self._news.set()

    async def next(self):
        """Wait for the next applied overrides and return them."""
        self._news.clear()
        await asyncio.wait_for(self._news.wait(), 300)
        return self.all[-1]


async def test_stored_overrides_are_applied_at_startup(application, clock):
    """By the next process, too."""
    first, second = Applied(), Applied()
    async with SettingsOverrides(application, apply=first, clock=clock) as overrides:
        await overrides.put("BODHI_LOG_LEVEL", "DEBUG", "option")
        await overrides.put("BODHI_TOKEN_MEMORY", "5", "number")
        await overrides.put("BODHI_LOG_LEVEL", "ERROR", "option")
        await overrides.remove("BODHI_TOKEN_MEMORY")
        await overrides.remove("BODHI_UNKNOWN")
    async with SettingsOverrides(application, apply=second, clock=clock):
        pass

    assert [{}, {"BODHI_LOG_LEVEL": "DEBUG"}] == first.all[:2]
    assert {"BODHI_LOG_LEVEL": "ERROR"} == first.all[-1]
    assert [{"BODHI_LOG_LEVEL": "ERROR"}] == second.all


async def test_other_processes_apply_changed_settings(application):
    """Without being told: they look every so often."""
    followed = Applied()
    async with SettingsOverrides(application, apply=followed, every_seconds=0.01):
        other = SettingsOverrides(application, apply=lambda _: None)
        await other.put("BODHI_LOG_LEVEL", "DEBUG", "option")
        while {"BODHI_LOG_LEVEL": "DEBUG"} != await followed.next():
            pass
        await other.remove("BODHI_LOG_LEVEL")
        while {} != await followed.next():
            pass


async def test_concurrent_changes_converge_in_all_processes(application):
    """Nobody applies last what was read first."""
    applied = Applied()
    async with SettingsOverrides(application, apply=applied) as overrides:
        await asyncio.gather(*(overrides.put("BODHI_TOKEN_MEMORY", str(number), "number") for number in range(10)))
        latest = applied.all[-1]
        await overrides.refresh()

    assert latest == applied.all[-1]


async def test_an_outage_does_not_stop_following(application, caplog):
    """It is logged, and tried again; so is a value that cannot be applied."""
    applied = Applied()
    failures = [DatabaseUnavailable(), ZeroDivisionError()]

    class Flaky:
        async def many(self, name, **values):
            if failures and applied.all:
                raise failures.pop(0)
            return await application.many(name, **values)

    with caplog.at_level(logging.WARNING):
        async with SettingsOverrides(Flaky(), apply=applied, every_seconds=0.01):
            await applied.next()

    failed = "reading settings overrides failed, will be retried"
    assert [f"{failed}: {DatabaseUnavailable()}", failed] == [record.message for record in caplog.records]


async def test_outage_at_startup_is_reported():
    """A server that does not know its settings does not start."""

    class Away:
        async def many(self, *_, **__):
            raise DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable):
        async with SettingsOverrides(Away(), apply=lambda _: None):
            pass


async def test_author_of_a_change_is_stored(application, clock):
    """As long as it is that change: a value of version 0.1.0, which stores none, has no author."""
    async with SettingsOverrides(application, apply=lambda _: None, clock=clock) as overrides:
        await overrides.put("BODHI_TOKEN_MEMORY", "5", "number", by="id-ann")
        assert ("5", "id-ann") == (
            overrides.stored["BODHI_TOKEN_MEMORY"].value,
            overrides.stored["BODHI_TOKEN_MEMORY"].by,
        )

        await application.script("UPDATE bodhi_setting SET value = '6', updated_at = updated_at + 1;")
        await overrides.refresh()
        assert ("6", None) == (overrides.stored["BODHI_TOKEN_MEMORY"].value, overrides.stored["BODHI_TOKEN_MEMORY"].by)

        await overrides.put("BODHI_TOKEN_MEMORY", "7", "number", by="id-bob")
        assert "id-bob" == overrides.stored["BODHI_TOKEN_MEMORY"].by
        await overrides.remove("BODHI_TOKEN_MEMORY")
        assert {} == overrides.stored
