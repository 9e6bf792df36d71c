"""Every end of a login closes its WebSockets, on other nodes too."""

import asyncio
import os
import secrets
import sys
from pathlib import Path

import pytest
from aiohttp import WSCloseCode, WSMsgType, web

import bodhi
from bodhi.session import SESSIONS, get_session
from bodhi.session.handles import digest_of, handle_of

DEADLINE_SECONDS = 300


async def chat(request):
    """An echo WebSocket that is closed with its session."""
    session = await get_session(request)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async with session.until_revoked(socket):
        async for message in socket:
            await socket.send_str(message.data)
    return socket


class Node:
    """The other node, with an administrator's browser and the command line."""

    def __init__(self, admin, provider, environ):
        self.admin = admin
        self.provider = provider
        self._environ = environ

    async def command(self, *arguments):
        """Run ``python -m bodhi`` successfully."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bodhi", *arguments),
            env=self._environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (0, "1 live session ended\n") == (process.returncode, out.decode()), err.decode()


async def back_channel(node, user_id, handle):
    """Send a logout token for the user."""
    now = int(node.provider.realm.now())
    token = {
        "iss": node.provider.issuer,
        "aud": node.provider.client_id,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_hex(8),
        "sub": user_id,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    url = node.admin.make_url("/bodhi/v1/auth/backchannel-logout")
    assert 200 == (await node.admin.session.post(url, data={"logout_token": node.provider.sign(token)})).status


async def change_of_role(node, user_id, handle):
    """Change the user's role as an administrator."""
    role = {"role": "resource_power_user"}
    assert 200 == (await node.admin.put(f"/bodhi/v1/users/{user_id}/role", json=role)).status


async def removal(node, user_id, handle):
    """An administrator removes the user."""
    assert 200 == (await node.admin.delete(f"/bodhi/v1/users/{user_id}")).status


async def revocation_by_command(node, user_id, handle):
    """Revoke the session on the command line."""
    await node.command("sessions", "revoke", "--yes", "--", handle)


async def clearing_by_command(node, user_id, handle):
    """Clear the user's sessions on the command line."""
    await node.command("sessions", "clear", "--user", user_id, "--yes")


ENDINGS = (back_channel, change_of_role, removal, revocation_by_command, clearing_by_command)


@pytest.fixture
async def other_node(start_server, open_browser, provider, database_url, tmp_path):
    """Another node with a logged-in administrator."""
    admin = await open_browser(await start_server())
    await admin.log_in(provider, "admin")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    own = {"BODHI_HOME": str(tmp_path / "bodhi"), "BODHI_SESSION_DB_URL": database_url}
    return Node(admin, provider, {**inherited, **own, "PYTHONPATH": str(Path(bodhi.__file__).parents[1])})


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_an_open_websocket_is_closed(start_server, open_browser, provider, other_node, ending):
    """Of the session that ended, and of no other."""
    server = await start_server(web.get("/chat", chat))
    sockets = []
    for user in ("user", "power"):
        browser = await open_browser(server)
        await browser.log_in(provider, user)
        socket = await browser.ws_connect("/chat")
        await socket.send_str("hello")
        assert "hello" == await socket.receive_str()
        sockets.append((browser, socket))
    (browser, closed), (_, left) = sockets
    handle = handle_of(digest_of(browser.session_cookie))

    await ending(other_node, provider.person("user").user_id, handle)

    async with asyncio.timeout(DEADLINE_SECONDS):
        message = await closed.receive()
    assert (WSMsgType.CLOSE, WSCloseCode.POLICY_VIOLATION) == (message.type, message.data)
    await left.send_str("still here")
    assert "still here" == await left.receive_str()
    assert 2 == await server.app[SESSIONS].count_sessions()
    for _, socket in sockets:
        await socket.close()
