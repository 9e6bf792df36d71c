"""The server of the pictures: its people, and what happened before the pictures are taken."""

import math
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import PROFILES
from bodhi.server.activity.service import ACTIVITY
from bodhi.server.app import create_app
from bodhi.server.roles.service import ACCESS_REQUESTS
from bodhi.server.tokens.service import API_TOKENS
from bodhi.session import SESSIONS, Device, Touch, digest_of
from bodhi.settings import load_settings
from bodhi.testing import DevelopmentProvider
from screenshots.fixed_clock import NOW, ago, milliseconds_ago
from screenshots.demo_users import GUESTS, Guest, Login, Token

# Those of `bodhi serve --dev`: the login page names the provider's.
PORT, PROVIDER_PORT = 1135, 1136
URL = f"http://localhost:{PORT}"
FOLDERS = "bodhi-screenshots-"
HOURS = 6  # of activity
IDLE = timedelta(days=14)


class House:
    """The server at *URL* and its provider."""

    def __init__(self, app: web.Application, provider: DevelopmentProvider) -> None:
        self._app = app
        self._provider = provider

    async def fill(self) -> None:
        """People come, log in, and ask for access."""
        for guest in GUESTS:
            self._provider.add_person(guest.person, guest.role)
            with ago(hours=guest.seen_hours):
                await self._app[PROFILES].note(guest.person.user_id, guest.username, guest.role)
            for login in guest.logins:
                await self._log_in(guest, login)
            for token in guest.tokens:
                await self._make(guest, token)
            if guest.asked_hours:
                with ago(hours=guest.asked_hours):
                    await self._app[ACCESS_REQUESTS].create(guest.person.user_id, guest.username)

    async def work(self) -> None:
        """Hours go by, and are counted."""
        activity = self._app[ACTIVITY]
        for minutes in range(HOURS * 60, -1, -1):
            with ago(minutes=minutes):
                await activity.add(amounts_of(minutes))
                await activity.sample_live_sessions(partial(_told, live_at(minutes)))

    async def _make(self, guest: Guest, token: Token) -> None:
        owner = SessionUser(guest.person.user_id, guest.username, guest.role, token="")
        with ago(days=token.days):
            end = NOW + timedelta(days=token.days_left)
            made = await self._app[API_TOKENS].create(owner, scope=token.scope, name=token.name, expires_at=end)
        if not token.is_active:
            await self._app[API_TOKENS].disable(made.record.id)

    async def _log_in(self, guest: Guest, login: Login) -> None:
        service = self._app[SESSIONS]
        with ago(hours=login.hours):
            device = Device(login.address, login.user_agent)
            session_id, _ = await service.create({"user_id": guest.person.user_id}, device=device)
        idle_ms = IDLE // timedelta(milliseconds=1)
        used = Touch(digest_of(session_id), milliseconds_ago(hours=login.used_hours), idle_ms, 1)
        await service.get_session_store().touch([used])


def amounts_of(minutes: int) -> Mapping[str, int]:
    """What happened in a minute so long ago: the same every time, and never the same twice."""
    day = 1.2 + 0.8 * math.sin((HOURS * 60 - minutes) / 75)
    noise = math.sin(minutes * 12.9898) * 43758.5453 % 1
    found = {
        "logins": round(3 * day * noise),
        "saves": round(40 * day + 25 * noise),
        "conflicts": int(noise > 0.93) * round(day),
        "revocations": int(0.3 < noise < 0.36) * round(1 + day),
    }
    return {name: amount for name, amount in found.items() if amount}


def live_at(minutes: int) -> int:
    """How many sessions were live so long ago."""
    return round(180 + 70 * math.sin((HOURS * 60 - minutes - 60) / 95) + 6 * math.sin(minutes / 4))


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """The server, at which nobody was yet; nothing stays of it."""
    with tempfile.TemporaryDirectory(prefix=FOLDERS) as folder:
        socket_of_provider = socket.create_server(("localhost", PROVIDER_PORT))
        provider = DevelopmentProvider(sockets=[socket_of_provider], base_url=f"http://localhost:{PROVIDER_PORT}")
        environ = {
            "BODHI_HOME": folder,
            "BODHI_PORT": str(PORT),
            "BODHI_AUTH_ISSUER": provider.issuer,
            "BODHI_AUTH_MANAGEMENT": "true",
            "BODHI_CLIENT_ID": provider.client_id,
            "BODHI_CLIENT_SECRET": provider.client_secret,
            "BODHI_SESSION_IDLE_TIMEOUT": f"{IDLE.days}d",
            # So that browsers can say where they are.
            "BODHI_TRUSTED_PROXIES": "127.0.0.1,::1",
        }
        app = create_app(load_settings(environ=environ, cwd=Path(folder)))
        async with provider, TestServer(app, host="localhost", port=PORT):
            yield House(app, provider)


async def _told(number: int) -> int:
    return number
