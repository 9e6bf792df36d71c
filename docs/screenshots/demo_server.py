"""The demo server with users and activity."""

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
from screenshots.demo_users import DEMO_USERS, DemoUser, Login, Token
from screenshots.fixed_clock import NOW, ago, milliseconds_ago

# As in `bodhi serve --dev`.
PORT, PROVIDER_PORT = 1135, 1136
URL = f"http://localhost:{PORT}"
FOLDER_PREFIX = "bodhi-screenshots-"
HOURS = 6  # of activity
IDLE = timedelta(days=14)


class DemoServer:
    """The server at *URL* and its provider."""

    def __init__(self, app: web.Application, provider: DevelopmentProvider) -> None:
        self._app = app
        self._provider = provider

    async def add_users(self) -> None:
        """Create users, sessions, tokens and role requests."""
        for user in DEMO_USERS:
            self._provider.add_person(user.person, user.role)
            with ago(hours=user.seen_hours):
                await self._app[PROFILES].note(
                    user.person.user_id, user.username, user.role, full_name=f"{user.given_name} {user.family_name}"
                )
            for login in user.logins:
                await self._log_in(user, login)
            for token in user.tokens:
                await self._create_token(user, token)
            if user.requested_hours:
                with ago(hours=user.requested_hours):
                    await self._app[ACCESS_REQUESTS].create(user.person.user_id, user.username)

    async def add_activity(self) -> None:
        """Record the activity of some hours."""
        activity = self._app[ACTIVITY]
        for minutes in range(HOURS * 60, -1, -1):
            with ago(minutes=minutes):
                await activity.add(activity_at(minutes))
                await activity.sample_live_sessions(partial(_return, live_at(minutes)))

    async def _create_token(self, user: DemoUser, token: Token) -> None:
        owner = SessionUser(user.person.user_id, user.username, user.role, token="")
        with ago(days=token.days):
            end = NOW + timedelta(days=token.days_left)
            created = await self._app[API_TOKENS].create(owner, scope=token.scope, name=token.name, expires_at=end)
        if token.is_active:
            with ago(hours=12.6):
                await self._app[API_TOKENS].authenticate(created.token)
        else:
            await self._app[API_TOKENS].disable(created.record.id)

    async def _log_in(self, user: DemoUser, login: Login) -> None:
        service = self._app[SESSIONS]
        with ago(hours=login.hours):
            device = Device(login.address, login.user_agent)
            session_id, _ = await service.create({"user_id": user.person.user_id}, device=device)
        idle_ms = IDLE // timedelta(milliseconds=1)
        used = Touch(digest_of(session_id), milliseconds_ago(hours=login.used_hours), idle_ms, 1)
        await service.get_session_store().touch([used])


def activity_at(minutes: int) -> Mapping[str, int]:
    """Return the activity of a past minute: reproducible and varied."""
    day = 1.2 + 0.8 * math.sin((HOURS * 60 - minutes) / 75)
    noise = math.sin(minutes * 12.9898) * 43758.5453 % 1
    amounts = {
        "logins": round(3 * day * noise),
        "saves": round(40 * day + 25 * noise),
        "conflicts": int(noise > 0.93) * round(day),
        "revocations": int(0.3 < noise < 0.36) * round(1 + day),
        "ended.revoked": int(0.3 < noise < 0.34) * round(1 + day),
        "ended.backchannel_logout": int(0.34 < noise < 0.36) * round(1 + day),
        "ended.logout": round(1.4 * day * noise),
        "ended.expired": int(noise > 0.8),
    }
    return {name: amount for name, amount in amounts.items() if amount}


def live_at(minutes: int) -> int:
    """Return the number of live sessions at a past minute."""
    return round(180 + 70 * math.sin((HOURS * 60 - minutes - 60) / 95) + 6 * math.sin(minutes / 4))


@asynccontextmanager
async def run_demo_server() -> AsyncIterator[DemoServer]:
    """Run an empty demo server in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        socket_of_provider = socket.create_server(("localhost", PROVIDER_PORT))
        provider = DevelopmentProvider(sockets=[socket_of_provider], base_url=f"http://localhost:{PROVIDER_PORT}")
        environ = {
            "BODHI_HOME": folder,
            "BODHI_PORT": str(PORT),
            "BODHI_AUTH_ISSUER": provider.issuer,
            "BODHI_AUTH_PROVIDER_NAME": "the development provider",
            "BODHI_AUTH_MANAGEMENT": "true",
            "BODHI_CLIENT_ID": provider.client_id,
            "BODHI_CLIENT_SECRET": provider.client_secret,
            "BODHI_SESSION_IDLE_TIMEOUT": f"{IDLE.days}d",
            # Lets browsers set their address.
            "BODHI_TRUSTED_PROXIES": "127.0.0.1,::1",
        }
        app = create_app(load_settings(environ=environ, cwd=Path(folder)))
        async with provider, TestServer(app, host="localhost", port=PORT):
            yield DemoServer(app, provider)


async def _return(number: int) -> int:
    return number
