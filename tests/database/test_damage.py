"""A database that is taken away under a running program: noticed with the next sweep, and nothing is lost silently."""

import asyncio
import logging
import shutil
from pathlib import Path

import pytest

from bodhi.database import Damaged, sqlite_path
from bodhi.session import DefaultSessionService, SessionUnavailable
from support.raw_database import RawDatabase

DEADLINE_SECONDS = 60
KEY = "a key for tests, of at least thirty-two characters"


def _delete(file: Path) -> None:
    file.unlink()


def _replace(file: Path) -> None:
    copy = file.with_suffix(".copy")
    shutil.copy(file, copy)
    copy.replace(file)


def _make_anew(file: Path) -> None:
    file.unlink()
    file.touch()


def _replace_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("elsewhere"))
    file.parent.mkdir()
    file.touch()


@pytest.mark.parametrize("damage", [_delete, _replace, _make_anew, _replace_folder])
async def test_a_file_that_is_taken_away_is_noticed_by_the_sweep(damage, tmp_path, caplog):
    """Nothing is read from it or written to it from then on; the log has one error, which names the file."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "session.sqlite"
    async with DefaultSessionService.from_url(f"sqlite:{file}", keys=[KEY], sweep_seconds=None) as service:
        session_id, _ = await service.create({"a": 1})
        damage(file)

        for attempt in (service.sweep, lambda: service.load(session_id), lambda: service.create({"a": 2})):
            with pytest.raises(SessionUnavailable) as caught:
                await attempt()
            assert isinstance(caught.value.__cause__, Damaged)

    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert 1 == len(errors)
    assert str(file) in errors[0]


async def test_a_save_into_a_file_that_is_gone_fails(sqlite_url):
    """Without a sweep in between: every write looks."""
    async with DefaultSessionService.from_url(sqlite_url, keys=[KEY], sweep_seconds=None) as service:
        _, session = await service.create({"a": 1})
        Path(sqlite_path(sqlite_url)).unlink()

        with pytest.raises(SessionUnavailable):
            await service.save(session, {"a": 2})


async def test_a_file_that_is_put_back_serves_again(sqlite_url, caplog):
    """Another one took its place by mistake: the sessions are in it still."""
    file = Path(sqlite_path(sqlite_url))
    away = file.with_suffix(".old")
    async with DefaultSessionService.from_url(sqlite_url, keys=[KEY], sweep_seconds=None) as service:
        session_id, _ = await service.create({"a": 1})
        file.rename(away)
        await service.sweep()  # moved alone, it is whole: what is written is in it
        file.touch()
        with pytest.raises(SessionUnavailable):
            await service.sweep()

        away.rename(file)

        await service.sweep()
        assert {"a": 1} == (await service.load(session_id)).data
    assert "is back while it is open" in caplog.text


async def test_a_dropped_table_is_an_outage(database_url):
    """Requests are 503 rather than 500, and the cause says which table."""
    async with DefaultSessionService.from_url(database_url, keys=[KEY], sweep_seconds=None) as service:
        session_id, session = await service.create({"a": 1})
        async with RawDatabase(database_url) as raw:
            await raw.rows("DROP TABLE bodhi_session")

        for attempt in (
            service.sweep,
            lambda: service.load(session_id),
            lambda: service.create({"a": 2}),
            lambda: service.save(session, {"a": 2}),
            lambda: service.clear_sessions_for_user("ann"),
        ):
            with pytest.raises(SessionUnavailable) as caught:
                await attempt()
            assert isinstance(caught.value.__cause__, Damaged)
            assert "bodhi_session" in str(caught.value.__cause__)


async def test_the_sweeper_logs_an_error(database_url, caplog, monkeypatch):
    """By itself, within its interval, where nobody asks for a session."""
    monkeypatch.setattr("bodhi.session.sweeper.random.uniform", lambda *_: 0.0)
    async with DefaultSessionService.from_url(database_url, keys=[KEY], sweep_seconds=None) as service:
        async with RawDatabase(database_url) as raw:
            await raw.rows("DROP TABLE bodhi_session_set_aside")
        sweeping = asyncio.ensure_future(service._sweeper.run(1))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not service.counters.sweep_failures:
                await asyncio.sleep(0)
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)

    (record, *_) = [record for record in caplog.records if "sweep of expired sessions failed" in record.getMessage()]
    assert logging.ERROR == record.levelno
    assert "bodhi_session_set_aside" in record.getMessage()
