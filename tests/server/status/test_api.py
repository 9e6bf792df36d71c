import asyncio
from importlib.metadata import version
from pathlib import Path

import pytest

from bodhi.database import sqlite_path
from bodhi.server.app import create_app
from bodhi.server.http.lifecycle import SHUTDOWN
from bodhi.session import SESSIONS, SessionUnavailable
from bodhi.settings import load_settings
from support.raw_database import RawDatabase
from support.tcp_proxy import TcpProxy


@pytest.fixture
async def client(aiohttp_client, database_url, tmp_path):
    """A client of the application on each database."""
    environ = {
        "BODHI_HOME": str(tmp_path / "bodhi"),
        "BODHI_SESSION_DB_URL": database_url,
        "BODHI_COMMIT_SHA": "0123abc",
    }
    return await aiohttp_client(create_app(load_settings(environ=environ, cwd=tmp_path)))


@pytest.mark.parametrize("path", ["/ping", "/health"])
async def test_ping_and_health_return_pong(client, path):
    """On both databases."""
    response = await client.get(path)

    assert (200, {"message": "pong"}) == (response.status, await response.json())


async def test_info_returns_version_commit_and_setup_status(client):
    """These three and nothing else."""
    response = await client.get("/bodhi/v1/info")

    assert {"version": version("bodhi-sessions"), "commit_sha": "0123abc", "status": "setup"} == await response.json()


async def test_health_is_503_while_the_session_database_does_not_answer(client, monkeypatch):
    """A load balancer asks elsewhere then, and comes back by itself; a ping is answered all along."""

    async def no_answer(_):
        raise SessionUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(client.app[SESSIONS].get_session_store(), "load", no_answer)
        response = await client.get("/health")
        alive = await client.get("/ping")

    error = (await response.json())["error"]
    assert (503, "service_unavailable", "auth_error-session_store") == (response.status, error["type"], error["code"])
    assert "5" == response.headers["Retry-After"]
    assert 200 == alive.status
    assert 200 == (await client.get("/health")).status


async def test_health_is_503_when_a_table_or_the_file_is_gone(client, database_url, dialect):
    """From the next sweep on; a file that was deleted would take writes that nobody sees again."""
    if dialect == "sqlite":
        Path(sqlite_path(database_url)).unlink()
    else:
        async with RawDatabase(database_url) as raw:
            await raw.rows("DROP TABLE bodhi_session")
    with pytest.raises(SessionUnavailable):
        await client.app[SESSIONS].sweep()

    assert 503 == (await client.get("/health")).status
    assert 200 == (await client.get("/ping")).status


@pytest.mark.parametrize("mode", ["hang", "drop", "reset"])
async def test_health_follows_a_real_outage(aiohttp_client, postgres_url, tmp_path, mode):
    """503 within the time limit while the network is gone, and 200 again afterwards without a restart."""
    async with TcpProxy.to(postgres_url) as proxy:
        environ = {
            "BODHI_HOME": str(tmp_path / "bodhi"),
            "BODHI_SESSION_DB_URL": proxy.url_for(postgres_url),
            "BODHI_DB_TIMEOUT": "3",
        }
        client = await aiohttp_client(create_app(load_settings(environ=environ, cwd=tmp_path)))

        async def ask(path):
            async with asyncio.timeout(300), client.get(path) as response:
                return response.status

        async def until_healthy():
            async with asyncio.timeout(300):
                while await ask("/health") != 200:
                    await asyncio.sleep(0.02)

        await until_healthy()
        proxy.mode = mode
        assert (503, 200) == (await ask("/health"), await ask("/ping"))
        proxy.mode = "forward"
        await until_healthy()
        await client.close()


async def test_health_is_503_during_shutdown(client):
    """Before anything else is closed; the connection ends with the answer."""
    client.app[SHUTDOWN].start_draining()

    response = await client.get("/health")

    assert (503, "server_error-shutting_down") == (response.status, (await response.json())["error"]["code"])
    assert "close" == response.headers["Connection"]
    assert 200 == (await client.get("/ping")).status


async def test_nothing_is_opened_before_the_application_starts(tmp_path):
    """So that it can be made anywhere, and the database may be absent."""
    settings = load_settings(
        environ={"BODHI_HOME": str(tmp_path), "BODHI_SESSION_DB_URL": f"sqlite:{tmp_path}/session.sqlite"}, cwd=tmp_path
    )
    create_app(settings)

    assert not (tmp_path / "session.sqlite").exists()
