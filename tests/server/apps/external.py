"""A server with external applications and a running provider."""

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
    """A manual clock, in seconds since 1970."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


class World:
    """The provider, and the services that handle tokens of external applications."""

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
        """Handle the withdrawal of an approval."""
        self.apps.forget_access_request(request_id)

    def client_of(self, issuer):
        """Return a client of the provider without retries."""
        return IdentityProvider(
            issuer, http=lambda: self.http, version="1", limit_seconds=60, clock=self.wall, retry_delays=()
        )

    def instances(self, *, is_set_up=True):
        """Return the instance service, registered or not."""
        keyring = Keyring([b"a key for tests, of at least 32 bytes"])
        return InstanceService(self.database, keyring=keyring, configured=self.instance if is_set_up else None)

    def apps_with(self, *, is_set_up=True, memory=None, **options):
        """Return the service under test, with other options."""
        return ExternalApps(
            self.client,
            instances=self.instances(is_set_up=is_set_up),
            app_access_requests=self.requests,
            profiles=self.people,
            cache=self.memory if memory is None else memory,
            **options,
        )

    def token(self, username="user", *, client_id=APP, audience=None, scope=SCOPE, **claims):
        """Return a token issued to an external application."""
        audience = [client_id, self.idp.client_id] if audience is None else audience
        return self.idp.issue_access_token(username, client_id=client_id, audience=audience, scope=scope, **claims)

    def altered(self, **claims):
        """Return such a token with other claims, validly signed; None removes one."""
        payload = {**payload_of(self.token()), **claims}
        return self.idp.sign({name: value for name, value in payload.items() if value is not None})

    async def approved(self, username="user", app=APP):
        """Create an approved app access request."""
        person = self.idp.person(username)
        draft = await self.requests.create(
            app, flow_type="popup", redirect_url=None, requested={"things": ["one"]}, source="test"
        )
        token = self.idp.issue_access_token(username, audience=[self.idp.client_id])
        return await self.requests.approve(
            draft.id, {"things": ["one"]}, SessionUser(person.user_id, username, Role.USER, token)
        )

    def answer_exchange_with(self, token, *, times=1):
        """Let the provider return *token* for every exchange."""
        self.idp.alter("exchange", lambda answer: answer.update(access_token=token), times=times)

    def exchanged(self, username="user", **claims):
        """Return an exchanged token."""
        given = {"client_id": self.idp.client_id, "audience": [self.idp.client_id], "scope": SCOPE, **claims}
        return self.idp.issue_access_token(username, **given)

    @property
    def exchanges(self):
        """Return the number of exchanges."""
        return self.idp.counts["exchange"]


@asynccontextmanager
async def world_in(database):
    """Return a complete world on *database*."""
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
    """Return status and code of the error raised by *waiting*, or None."""
    try:
        await waiting
    except ApiError as refusal:
        return refusal.status, refusal.code
    return None


def payload_of(token):
    """Return the claims of a token."""
    return json.loads(decoded(token.split(".")[1]))


def decoded(part):
    """Decode a part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(data):
    """Encode *data* as a part of a token."""
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")
