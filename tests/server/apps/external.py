"""A server to which another application comes with tokens of a provider that runs."""

import base64
import json
from contextlib import asynccontextmanager

import aiohttp

from bodhi.keyring import Keyring
from bodhi.oidc.client import IdentityProvider
from bodhi.server.access.errors import ApiError
from bodhi.server.access.instance import Instance, InstanceService, Status
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.apps.external_apps import ExternalApps
from bodhi.server.apps.service import AppAccessRequests
from bodhi.testing import DevelopmentProvider

APP = "another-app"
SCOPE = "openid scope_user_user"
MEMORY_SECONDS = 300


class Wall:
    """The time in seconds since 1970; it stands still until it is moved."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


class World:
    """The provider, and what of this server deals with tokens of other applications."""

    def __init__(self, idp, wall, http, database):
        self.idp = idp
        self.wall = wall
        self.http = http
        self.database = database
        self.client = self.client_of(idp.issuer)
        self.instance = Instance(idp.client_id, idp.client_secret, status=Status.READY)
        self.people = Profiles(database)
        self.memory = TtlCache(seconds=MEMORY_SECONDS, clock=wall)
        self.requests = AppAccessRequests(
            database,
            self.client.management,
            self.instances(),
            public_url="http://localhost:1135",
            on_withdrawal=self.withdrawn,
        )
        self.apps = self.apps_with()

    def withdrawn(self, request_id):
        """What happens as an approval ends."""
        self.apps.forget_access_request(request_id)

    def client_of(self, issuer):
        """A client of the provider that never tries again."""
        return IdentityProvider(
            issuer, http=lambda: self.http, version="1", limit_seconds=2, clock=self.wall, retry_delays=()
        )

    def instances(self, *, is_set_up=True):
        """Who knows how this server is registered, if it is."""
        keyring = Keyring([b"a key for tests, of at least 32 bytes"])
        return InstanceService(self.database, keyring=keyring, configured=self.instance if is_set_up else None)

    def apps_with(self, *, is_set_up=True, memory=None, **options):
        """What is under test, in another process or in another state."""
        return ExternalApps(
            self.client,
            instances=self.instances(is_set_up=is_set_up),
            app_access_requests=self.requests,
            profiles=self.people,
            cache=self.memory if memory is None else memory,
            **options,
        )

    def token(self, username="user", *, client_id=APP, audience=None, scope=SCOPE, **claims):
        """A token that the provider gave to another application."""
        audience = [client_id, self.idp.client_id] if audience is None else audience
        return self.idp.issue_access_token(username, client_id=client_id, audience=audience, scope=scope, **claims)

    def altered(self, **claims):
        """Such a token with other claims, signed all the same; None leaves one out."""
        payload = {**payload_of(self.token()), **claims}
        return self.idp.sign({name: value for name, value in payload.items() if value is not None})

    async def approved(self, username="user", app=APP):
        """An app access request that the person approved."""
        person = self.idp.person(username)
        draft = await self.requests.create(
            app, flow_type="popup", redirect_url=None, requested={"things": ["one"]}, source="test"
        )
        token = self.idp.issue_access_token(username, audience=[self.idp.client_id])
        return await self.requests.approve(
            draft.id, {"things": ["one"]}, SessionUser(person.user_id, username, Role.USER, token)
        )

    def answer_exchange_with(self, token, *, times=1):
        """Let the provider give *token* for whatever it is asked for."""
        self.idp.alter("exchange", lambda answer: answer.update(access_token=token), times=times)

    def exchanged(self, username="user", **claims):
        """A token as the provider gives it in an exchange."""
        given = {"client_id": self.idp.client_id, "audience": [self.idp.client_id], "scope": SCOPE, **claims}
        return self.idp.issue_access_token(username, **given)

    @property
    def exchanges(self):
        """How often the provider was asked for one."""
        return self.idp.counts["exchange"]


@asynccontextmanager
async def world_in(database):
    """A world with everything in it, on *database*."""
    wall = Wall()
    async with (
        DevelopmentProvider(now=wall) as idp,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        for client_id in (APP, "third-app"):
            idp.add_client(client_id)
        world = World(idp, wall, http, database)
        for name in ("user", "manager"):  # who have logged in, and may do all that an application may
            await world.people.note(idp.person(name).user_id, name, Role.ADMIN)
        yield world
        await world.client.close()


async def refused(waiting):
    """Status and code of the refusal that *waiting* ends with, or None."""
    try:
        await waiting
    except ApiError as refusal:
        return refusal.status, refusal.code
    return None


def payload_of(token):
    """The claims in a token."""
    return json.loads(decoded(token.split(".")[1]))


def decoded(part):
    """The bytes of a part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(data):
    """The part of a token that stands for *data*."""
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")
