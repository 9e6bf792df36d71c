"""What logging in takes: the provider, the application's database, and the services on both."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from bodhi.database import Database, Schema
from bodhi.errors import BodhiError
from bodhi.keyring import Keyring
from bodhi.metrics.requests import RequestTimes
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderLacks
from bodhi.oidc.responses import ClientCredentials, Tokens
from bodhi.server.access.instance import Instance, InstanceService, Status
from bodhi.server.access.leases import Leases
from bodhi.server.access.principal import ExternalApp
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.role_checks import RoleChecks
from bodhi.server.access.role_mapping import Roles
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.apps.external_apps import ExternalApps
from bodhi.server.apps.service import AppAccessRequests
from bodhi.server.authentication.authenticator import AUTHENTICATOR, Authenticator
from bodhi.server.authentication.bearer import BearerAuthenticator
from bodhi.server.authentication.refresh import Refresher
from bodhi.server.databases import application_database, application_database_faults
from bodhi.server.http.lifecycle import LIFE
from bodhi.server.login.api import LOGIN, LoginService
from bodhi.server.login.provider_sessions import ProviderSessions
from bodhi.server.login.service import LoginFlow
from bodhi.server.monitoring import add_metrics, recorded_activity
from bodhi.server.roles.service import AccessRequests
from bodhi.server.services import (
    ACCESS_REQUESTS,
    API_TOKENS,
    APP_ACCESS_REQUESTS,
    INSTANCES,
    PROFILES,
    SETTINGS_SERVICE,
    USERS,
)
from bodhi.server.settings.service import SettingsService, editable_settings
from bodhi.server.setup.api import SETUP, SetupService
from bodhi.server.status.api import program_version
from bodhi.server.tokens.service import ApiTokens
from bodhi.server.users.service import RoleChangeHooks, Users
from bodhi.session import DefaultSessionService
from bodhi.session.handles import handle_of
from bodhi.settings import Settings

MOST_REMEMBERED = 10_000  # tokens of each kind, in each process
SECONDS_TO_STORE = 2.0  # what is left of a refresh's lease when the provider answers last
REFRESH_SHARE = 0.9  # of the time for the end: until then refreshed tokens may still be stored

log = logging.getLogger(__name__)


class HttpClient:
    """The one HTTP client of the application, there while it is in service."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def __call__(self) -> aiohttp.ClientSession:
        """The client; a :exc:`ProviderLacks` before the application has started."""
        if self._session is None:
            raise ProviderLacks("the application has not started")
        return self._session

    async def opened(self, _: web.Application) -> AsyncIterator[None]:
        """Open for as long as the application is in service."""
        # No cookies: what one user's call brings is not for another's.
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as self._session:
            yield
        self._session = None


@dataclass(frozen=True)
class _PatientGrant:
    """The provider's refresh grant, with more time than calls have that somebody waits for."""

    provider: IdentityProvider
    limit_seconds: float

    async def refresh(self, client: ClientCredentials, refresh_token: str) -> Tokens:
        """The new tokens; raises :exc:`ProviderError`."""
        return await self.provider.refresh(client, refresh_token, limit_seconds=self.limit_seconds)


@dataclass(frozen=True)
class _Services:
    """What several services are made of."""

    settings: Settings
    sessions: DefaultSessionService
    database: Database
    provider: IdentityProvider
    instances: InstanceService
    people: Profiles
    leases: Leases
    roles: Roles

    @property
    def has_provider(self) -> bool:
        """Whether there is a provider at all: without one, its place is held by one that lacks every call."""
        return self.settings.auth_issuer is not None


def add_logins(app: web.Application, settings: Settings, sessions: DefaultSessionService, times: RequestTimes) -> None:
    """Make *app* log people in, as *settings* say, and watch it; nothing is opened before it starts up."""
    http = HttpClient()
    database = application_database(settings)
    parts = _parts(settings, sessions, database, http)
    tokens = app[API_TOKENS] = ApiTokens(
        database,
        memory_seconds=settings.token_memory_seconds,
        default_lifetime_seconds=settings.api_token_lifetime_seconds,
        role_max_age_seconds=settings.auth_role_max_age_seconds,
    )
    book = app[SETTINGS_SERVICE] = SettingsService(settings, database, editable=editable_settings(tokens))
    provider_sessions = ProviderSessions(database)
    exchanges = _add_requests_and_users(app, parts)
    role_checks = RoleChecks(parts.provider, instances=parts.instances, people=parts.people)
    refresher = app[REFRESHER] = _add_login(app, parts, provider_sessions, role_checks)
    add_metrics(app, sessions=sessions, database=database, refresher=refresher, exchanges=exchanges, times=times)

    async def in_service(_: web.Application) -> AsyncIterator[None]:
        with application_database_faults(settings):
            await database.__aenter__()
        try:
            with application_database_faults(settings):
                schema = Schema(database, "application")
                await (schema.migrate() if settings.db_auto_migrate else schema.check())
            sweeping = asyncio.create_task(_sweep(provider_sessions, settings.sweep_seconds))
            async with book, recorded_activity(app):
                yield  # requests are served here
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
            await refresher.close(_left_to_end(app, settings))
            await role_checks.close()
            await parts.provider.close()
        finally:
            await database.__aexit__(None, None, None)

    app.cleanup_ctx.append(http.opened)
    app.cleanup_ctx.append(in_service)


def _left_to_end(app: web.Application, settings: Settings) -> float:
    return max(0.0, settings.shutdown_timeout_seconds * REFRESH_SHARE - app[LIFE].seconds_ending)


def _parts(settings: Settings, sessions: DefaultSessionService, database: Database, http: HttpClient) -> _Services:
    provider = IdentityProvider(
        settings.auth_issuer or "https://nobody.invalid",
        http=http if settings.auth_issuer is not None else _nobody,
        # A place that is only held tells nobody the version, which takes a while to find.
        version=program_version() if settings.auth_issuer is not None else "",
        limit_seconds=settings.auth_timeout_seconds,
        management=settings.auth_management,
        refresh_reuse=settings.auth_refresh_reuse,
    )
    leases = Leases(database, hold_seconds=12 * settings.auth_timeout_seconds)
    instances = InstanceService(
        database,
        keyring=Keyring(settings.encryption_keys, purpose=b"bodhi instance"),
        configured=_configured(settings),
        leases=leases,
    )
    return _Services(
        settings,
        sessions,
        database,
        provider,
        instances,
        Profiles(database, role_max_age_seconds=settings.auth_role_max_age_seconds),
        leases,
        Roles(settings.auth_roles_claim, settings.auth_roles),
    )


def _configured(settings: Settings) -> Instance | None:
    if settings.client_id is None or settings.client_secret is None:
        return None
    return Instance(settings.client_id, settings.client_secret, status=Status(settings.client_status))


def _nobody() -> aiohttp.ClientSession:
    raise ProviderLacks("no identity provider is configured")


def _add_requests_and_users(app: web.Application, parts: _Services) -> TtlCache[ExternalApp]:
    """Answers where exchanged tokens are remembered."""
    app[INSTANCES] = parts.instances
    app[PROFILES] = parts.people
    app[SETUP] = SetupService(
        parts.instances, parts.provider if parts.has_provider else None, secret=parts.settings.setup_secret
    )
    app[ACCESS_REQUESTS] = AccessRequests(
        parts.database,
        people=parts.people,
        provider=parts.provider,
        end_sessions=parts.sessions.clear_sessions_for_user,
        leases=parts.leases,
    )
    memory: TtlCache[ExternalApp] = TtlCache(seconds=parts.settings.exchange_memory_seconds, most=MOST_REMEMBERED)
    app_access_requests = app[APP_ACCESS_REQUESTS] = AppAccessRequests(
        parts.database,
        parts.provider,
        parts.instances,
        public_url=parts.settings.public_url,
        # Not the bound method itself: each of the two needs the other.
        withdrawn=lambda request_id: external_apps.forget_access_request(request_id),  # noqa: PLW0108
    )
    external_apps = ExternalApps(
        parts.provider,
        instances=parts.instances,
        app_access_requests=app_access_requests,
        people=parts.people,
        memory=memory,
        caps_roles=parts.settings.auth_app_roles == "capped",
    )

    async def disable_tokens_of(user_id: str) -> None:
        # Also what other applications were allowed: who comes back begins with nothing.
        await app[API_TOKENS].disable_tokens_of(user_id)
        await app_access_requests.withdraw_all_of(user_id)

    async def has_anything(user_id: str) -> bool:
        if await parts.sessions.count_sessions_for_user(user_id):
            return True
        return bool(await app[API_TOKENS].list_of_all(user_id=user_id, size=1))

    parts.people.forget_user = (external_apps.forget_user, app[API_TOKENS].forget_owner)
    app[USERS] = Users(
        parts.provider,
        people=parts.people,
        leases=parts.leases,
        consequences=RoleChangeHooks(
            end_sessions=parts.sessions.clear_sessions_for_user,
            disable_tokens_of=disable_tokens_of,
            forget_user=parts.people.forget_user,
            reject_requests_of=app[ACCESS_REQUESTS].reject_pending_of,
        ),
        has_anything=has_anything,
    )
    app[BEARER] = BearerAuthenticator(app[API_TOKENS], external_apps if parts.has_provider else None)
    return memory


def _add_login(
    app: web.Application, parts: _Services, provider_sessions: ProviderSessions, role_checks: RoleChecks
) -> Refresher:
    settings = parts.settings
    logins = LoginFlow(
        parts.provider if parts.has_provider else None,
        instances=parts.instances,
        people=parts.people,
        roles=parts.roles,
        scopes=settings.auth_scopes,
        reads_access_tokens=settings.auth_access_tokens == "jwt",
        role_checks=role_checks,
    )

    # Requests give up at the limit, the grant goes on: the provider may answer late, with a new refresh token. A lease
    # that ends before the grant would let two ask.
    lease_seconds = 3 * settings.auth_timeout_seconds + 5
    refresher = Refresher(
        _PatientGrant(parts.provider, lease_seconds - SECONDS_TO_STORE),
        lease_seconds=lease_seconds,
        wait_seconds=settings.auth_timeout_seconds,
        notes=logins,
        name_of=handle_of,
    )
    app[LOGIN] = LoginService(
        logins=logins,
        instances=parts.instances,
        provider=parts.provider if parts.has_provider else None,
        provider_sessions=provider_sessions,
        public_url=settings.public_url,
        remember_seconds=settings.lifetime_seconds,
        logs_out_at_provider=settings.auth_logout,
    )
    app[AUTHENTICATOR] = Authenticator(
        instances=parts.instances, bearer=app[BEARER], refresher=refresher, roles=parts.roles
    )
    return refresher


async def _sweep(provider_sessions: ProviderSessions, every_seconds: float) -> None:
    """Remove what is short-lived and has expired, now and then, whatever goes wrong in between."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await provider_sessions.sweep()
        except BodhiError as error:
            log.warning("sweeping what has expired failed and is tried again: %s", error)


BEARER = web.AppKey("BEARER", BearerAuthenticator)
REFRESHER = web.AppKey("REFRESHER", Refresher)
