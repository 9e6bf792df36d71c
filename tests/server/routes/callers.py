"""All kinds of callers: anonymous, sessions, API tokens and external applications, at each level."""

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web

from bodhi.database import open_database
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role
from bodhi.session import SESSIONS
from bodhi.testing import DevelopmentProvider
from bodhi.testing.identity_provider import Person

LEVELS = ("user", "power_user", "manager", "admin")
ANOTHER_APP = "another-app"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Caller:
    """A caller with a credential of one *kind*; *level* is one of :data:`LEVELS`, ``none`` or ``unknown``.

    An ``old_session`` is a session whose sign-in is not recent.
    """

    kind: str
    level: str
    headers: Mapping[str, str] = field(repr=False)
    secret: str | None = field(default=None, repr=False)  # the credential in them


async def every_caller(app: web.Application, provider: DevelopmentProvider, database_url: str) -> list[Caller]:
    """Return callers of all kinds and levels; *app* must be started."""
    return [
        Caller("anonymous", "none", SAME_ORIGIN),
        *[caller async for caller in _sessions(app, provider)],
        *[await session(app, provider, level, [f"resource_{level}"], is_recent=False) for level in LEVELS],
        *[caller async for caller in _api_tokens(provider, database_url)],
        *_external_apps(provider),
    ]


async def _sessions(app, provider):
    roles = {level: [f"resource_{level}"] for level in LEVELS} | {"none": None, "unknown": ["owner", "Resource_Admin"]}
    provider.add_person(Person("stranger"))  # whose sessions nobody else ends
    for level, names in roles.items():
        yield await session(app, provider, level, names)


async def session(
    app: web.Application, provider: DevelopmentProvider, level: str, roles: list[str] | None, *, is_recent: bool = True
) -> Caller:
    """Create a login session with *roles* in the access token; None omits the list."""
    access = None if roles is None else {provider.client_id: {"roles": roles}}
    username = {"none": "nobody", "unknown": "stranger", "power_user": "power"}.get(level, level)
    if not is_recent:
        username = f"old_{username}"
        provider.add_person(Person(username), Role(f"resource_{level}"))  # whose sessions the others do not end
    tokens = provider.issue_tokens(username)
    token = provider.issue_access_token(username, resource_access=access)
    user_id = provider.person(username).user_id
    data = {"user_id": user_id, "access_token": token, "refresh_token": tokens["refresh_token"]}
    data |= {"signed_in_at": int(time.time())} if is_recent else {}
    session_id, _ = await app[SESSIONS].create(data)
    kind = "session" if is_recent else "old_session"
    return Caller(kind, level, {**SAME_ORIGIN, "Cookie": f"bodhiapp_session_id={session_id}"}, session_id)


async def _api_tokens(provider, database_url):
    owner = provider.person("admin")
    async with open_database(database_url, limit_seconds=60) as database:
        await Profiles(database).note(owner.user_id, owner.username, Role.ADMIN)
        for number, level in enumerate(LEVELS, 1):  # the API makes none above power users
            token = f"bodhiapp_{secrets.token_urlsafe(32)}"
            await database.maybe(
                "create_api_token",
                id=str(UUID(int=number)),
                user_id=owner.user_id,
                name=level,
                token_prefix=token[:17],
                token_hash=hashlib.sha256(token.encode()).hexdigest(),
                scopes=f"scope_token_{level}",
                expires_at=None,
                lifetime_ms=None,
                now=None,
            )
            yield Caller("api_token", level, {"Authorization": f"Bearer {token}"}, token)


def _external_apps(provider: DevelopmentProvider) -> Iterator[Caller]:
    provider.add_client(ANOTHER_APP)
    for level in (*LEVELS, "none"):
        scope = "openid" if level == "none" else f"openid scope_user_{level}"
        token = provider.issue_access_token("admin", client_id=ANOTHER_APP, scope=scope)
        yield Caller("external_app", level, {"Authorization": f"Bearer {token}"}, token)
