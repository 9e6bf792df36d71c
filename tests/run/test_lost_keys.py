"""The key file, and the warning if the keys decrypt no stored session."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from bodhi.database import open_database
from bodhi.server.app import create_app
from bodhi.session import SESSIONS, DefaultSessionService

LOST = "no stored session can be decrypted sample=2"


@pytest.fixture
def key_file(environ):
    """Return the path of the key file."""
    return Path(environ["BODHI_HOME"]) / "encryption.key"


@pytest.fixture
def log_of(serve, database_url):
    """Return the log of a server from start to shutdown."""

    def log_of(**settings):
        server = serve(BODHI_SESSION_DB_URL=database_url, **settings)
        assert 0 == server.stop()
        return server.stderr

    return log_of


async def fill(database_url, key):
    """Create two sessions under *key*."""
    async with DefaultSessionService.from_url(database_url, keys=[key], sweep_seconds=None) as service:
        for user_id in ("ann", "bob"):
            await service.create({"user_id": user_id})


@pytest.mark.parametrize("workers", ["1", "2"])
def test_created_key_file_is_logged_once(log_of, key_file, workers):
    """With its path, and not the key."""
    first, second = log_of(BODHI_WORKERS=workers), log_of(BODHI_WORKERS=workers)

    [line] = [line for line in first.splitlines() if "key file" in line]
    assert f"INFO bodhi.settings.key_file key file created: {key_file}; " in line
    assert key_file.read_text().strip() not in first
    assert "key file" not in second


async def test_a_lost_key_file_is_a_warning(log_of, key_file, database_url):
    """Until it is back: with the place that the keys come from, and what to do."""
    assert LOST not in log_of(), "nothing is stored"
    key = key_file.read_text().strip()
    await fill(database_url, key)
    assert LOST not in log_of()

    key_file.unlink()
    lost = log_of()
    [line] = [line for line in lost.splitlines() if LOST in line]
    assert " WARNING bodhi.server.databases " in line
    assert f"BODHI_ENCRYPTION_KEY (key file {key_file})" in line
    assert "put it back" in line
    assert f"key file created: {key_file}" in lost

    key_file.write_text(f"{key_file.read_text().strip()},{key}")
    assert LOST not in log_of()


async def test_key_that_decrypts_some_sessions_is_no_warning(log_of, database_url):
    """Those under another key may be of a rotation that was too quick, and doctor tells of them."""
    await fill(database_url, "an-older-key-of-at-least-thirty-two-characters")
    await fill(database_url, "the-key-of-today-of-at-least-thirty-two-characters")

    log = log_of(BODHI_ENCRYPTION_KEY="the-key-of-today-of-at-least-thirty-two-characters")

    assert "no stored session can be decrypted" not in log


async def test_failed_key_check_does_not_prevent_the_start(log_of, database_url):
    """The log says why; what a request needs is another matter."""
    await fill(database_url, "k" * 32)
    async with open_database(database_url) as database:
        await database.script("ALTER TABLE bodhi_session RENAME COLUMN version TO elsewhere")

    log = log_of(BODHI_ENCRYPTION_KEY="k" * 32)

    [line] = [line for line in log.splitlines() if "bodhi.server.databases" in line]
    assert " WARNING " in line
    assert "encryption keys not checked against stored sessions: " in line
    assert "version" in line


async def test_aborted_start_closes_what_it_opened(make_settings, database_url, monkeypatch):
    """Or the process would wait for it at its end."""

    async def given_up(*_):
        raise asyncio.CancelledError

    monkeypatch.setattr(DefaultSessionService, "sample_keys", given_up)
    app = create_app(make_settings(BODHI_SESSION_DB_URL=database_url))
    runner = web.AppRunner(app)

    with pytest.raises(asyncio.CancelledError):
        await runner.setup()
    await runner.cleanup()

    assert not app[SESSIONS].is_open
