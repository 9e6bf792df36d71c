"""The services that features share: databases, identity provider, and registries that features add to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from bodhi.background import repeated
from bodhi.database import Database, Schema
from bodhi.database.schema import refusing_to_open
from bodhi.keyring import Keyring
from bodhi.oidc.client import IdentityProvider
from bodhi.server.access.claim_mapping import Admission, ClaimMapping
from bodhi.server.access.directory import DIRECTORY, Directory, RoleManagement
from bodhi.server.access.ending import OnRemoval
from bodhi.server.access.identity import IdentityReader
from bodhi.server.access.instance import INSTANCES, InstanceService
from bodhi.server.access.leases import Leases
from bodhi.server.access.local_roles import LocalDirectory, LocalRoles
from bodhi.server.access.profiles import PROFILES, Profiles
from bodhi.server.access.recent_login import RECENT_LOGIN, RecentLogin
from bodhi.server.access.role_checks import RoleChecks
from bodhi.server.application_metrics import METRICS, ApplicationMetrics, LoginCounters
from bodhi.server.authentication.authenticator import AUTHENTICATOR, Authenticator
from bodhi.server.authentication.bearer import BearerAuthenticator
from bodhi.server.authentication.login_data import RenewalPolicy
from bodhi.server.authentication.refresh import REFRESHER, Refresher
from bodhi.server.authentication.user_claims import UserClaims
from bodhi.server.configured_provider import HttpClient, configured_client, create_provider
from bodhi.server.databases import (
    application_database,
    application_database_faults,
    session_database_faults,
    session_service,
    shares_database,
    warn_of_lost_keys,
)
from bodhi.server.http.context import IDENTIFY
from bodhi.server.http.errors import REFUSALS
from bodhi.server.http.lifecycle import SHUTDOWN
from bodhi.server.http.navigation import NAVIGATION, Navigation
from bodhi.server.http.rate_limits import RATE_LIMITS, RateLimits
from bodhi.server.http.sections import Section
from bodhi.session import DefaultSessionService, SqlSessionStore, handle_of
from bodhi.settings import Settings

SECONDS_TO_STORE = 2.0  # left of a refresh's lease at the provider's latest answer
REFRESH_SHARE = 0.9  # of the shutdown time: until then refreshed tokens may still be stored


@dataclass(frozen=True)
class Services:
    """The shared services; features append to the lists."""

    settings: Settings
    sessions: DefaultSessionService
    database: Database  # the application's own
    http: "HttpClient"
    provider: IdentityProvider  # a placeholder without any calls if none is configured
    leases: Leases
    instances: InstanceService
    profiles: Profiles
    role_management: RoleManagement
    directory: Directory
    mapping: ClaimMapping
    identities: IdentityReader
    role_checks: RoleChecks
    user_claims: UserClaims
    policy: RenewalPolicy
    refresher: Refresher
    metrics: ApplicationMetrics
    bearer: BearerAuthenticator = field(default_factory=BearerAuthenticator)
    navigation: Navigation = field(default_factory=Navigation)
    home_sections: list[Section] = field(default_factory=list)
    user_sections: list[Section] = field(default_factory=list)
    on_removal: list[OnRemoval] = field(default_factory=list)  # called when a user is removed
    editable_settings: dict[str, Callable[[Any], None]] = field(default_factory=dict)  # setters by setting name
    sweeps: list[Callable[[], Awaitable[object]]] = field(default_factory=list)  # of expired rows

    @property
    def configured_provider(self) -> IdentityProvider | None:
        """The identity provider, or None if none is configured."""
        return None if self.settings.auth_issuer is None else self.provider


def create_services(settings: Settings) -> Services:
    """Return services configured by *settings*; opens nothing."""
    sessions, http = session_service(settings), HttpClient()
    database = _shared_database(sessions, settings) or application_database(settings)
    provider = create_provider(settings, http)
    leases = Leases(database, hold_seconds=12 * settings.auth_timeout_seconds)
    keyring = Keyring(settings.encryption_keys, purpose=b"bodhi instance")
    instances = InstanceService(database, keyring=keyring, configured=configured_client(settings), leases=leases)
    profiles = Profiles(database, role_max_age_seconds=settings.auth_role_max_age_seconds)
    admission = Admission(
        settings.auth_allow,
        groups_claim=settings.auth_groups_claim,
        trusts_email=settings.auth_allow_unverified_email,
    )
    mapping = ClaimMapping(
        settings.auth_roles_claim,
        settings.auth_roles,
        default_role=settings.auth_default_role,
        name_claim=settings.auth_name_claim,
        admission=admission,
        grants_here=not settings.auth_management,
    )
    identities = IdentityReader(admission, settings.verify_claims)
    role_checks = RoleChecks(provider, instances=instances, profiles=profiles)
    user_claims = UserClaims(
        provider.userinfo,
        instances=instances,
        profiles=profiles,
        mapping=mapping,
        identities=identities,
        role_checks=role_checks,
        mode=settings.auth_userinfo,
    )
    policy = RenewalPolicy(
        recheck_seconds=settings.auth_recheck_seconds, keeps_without_refresh=settings.auth_without_refresh == "keep"
    )
    refresher = _refresher(settings, provider, user_claims, policy)
    role_management, directory = _role_management(settings, database, provider, instances, profiles)
    return Services(
        settings=settings,
        sessions=sessions,
        database=database,
        http=http,
        provider=provider,
        leases=leases,
        instances=instances,
        profiles=profiles,
        role_management=role_management,
        directory=directory,
        mapping=mapping,
        identities=identities,
        role_checks=role_checks,
        user_claims=user_claims,
        policy=policy,
        refresher=refresher,
        metrics=_metrics(sessions, database, refresher),
    )


def _role_management(
    settings: Settings,
    database: Database,
    provider: IdentityProvider,
    instances: InstanceService,
    profiles: Profiles,
) -> tuple[RoleManagement, Directory]:
    if settings.auth_management:
        return provider.management, Directory(provider.management, profiles)
    roles = LocalRoles(database, instances=instances, role_max_age_seconds=settings.auth_role_max_age_seconds)
    return roles, LocalDirectory(roles, profiles)


def _shared_database(sessions: DefaultSessionService, settings: Settings) -> Database | None:
    store = sessions.get_session_store()
    return store.database if isinstance(store, SqlSessionStore) and shares_database(settings) else None


def add_services(app: web.Application, services: Services) -> None:
    """Register the services in *app*, which opens them on startup and closes them on cleanup."""
    app[INSTANCES], app[PROFILES], app[DIRECTORY] = services.instances, services.profiles, services.directory
    app[NAVIGATION], app[METRICS], app[REFUSALS] = services.navigation, services.metrics, services.metrics.refusals
    app[RATE_LIMITS] = RateLimits(services.settings.rate_limit)
    app[REFRESHER] = services.refresher
    if services.configured_provider is not None:
        app[IDENTITY_PROVIDER] = services.configured_provider
    app[RECENT_LOGIN] = RecentLogin(services.settings.auth_recent_seconds)
    app[AUTHENTICATOR] = Authenticator(
        instances=services.instances,
        bearer=services.bearer,
        refresher=services.refresher,
        mapping=services.mapping,
        policy=services.policy,
        identities=services.identities,
    )
    app[IDENTIFY] = app[AUTHENTICATOR].optional
    app.cleanup_ctx.extend([_sessions_opened(services), services.http.opened, _database_opened(services)])


def _sessions_opened(services: Services) -> Callable[[web.Application], AsyncIterator[None]]:
    async def opened(_: web.Application) -> AsyncIterator[None]:
        with session_database_faults(services.settings):
            await services.sessions.open()
        try:
            await warn_of_lost_keys(services.sessions, services.settings)
            yield  # requests are served here
        finally:
            await services.sessions.close()

    return opened


def _database_opened(services: Services) -> Callable[[web.Application], AsyncIterator[None]]:
    settings, database = services.settings, services.database
    # That of the sessions is opened before this, and closed after it.
    connection = nullcontext() if shares_database(settings) else database

    async def sweep() -> None:
        for sweep in services.sweeps:
            await sweep()

    async def opened(app: web.Application) -> AsyncIterator[None]:
        with application_database_faults(settings):
            await connection.__aenter__()
        try:
            with application_database_faults(settings), refusing_to_open(database):
                schema = Schema(database, "application")
                await (schema.migrate() if settings.db_auto_migrate else schema.check())
            async with repeated(sweep, lambda: settings.sweep_seconds, "sweeping expired rows"):
                yield  # requests are served here
            seconds_left = settings.shutdown_timeout_seconds * REFRESH_SHARE - app[SHUTDOWN].seconds_draining
            await services.refresher.close(max(0.0, seconds_left))
            await services.role_checks.close()
            await services.provider.close()
        finally:
            await connection.__aexit__(None, None, None)

    return opened


def _refresher(settings: Settings, provider: IdentityProvider, users: UserClaims, policy: RenewalPolicy) -> Refresher:
    # Requests stop waiting at the limit, but the grant continues: a late answer may carry a new refresh token. A lease
    # shorter than the grant would allow a second, concurrent grant.
    lease_seconds = 3 * settings.auth_timeout_seconds + 5
    return Refresher(
        partial(provider.grants.refresh, limit_seconds=lease_seconds - SECONDS_TO_STORE),
        lease_seconds=lease_seconds,
        wait_seconds=settings.auth_timeout_seconds,
        users=users,
        policy=policy,
        name_of=handle_of,
    )


def _metrics(sessions: DefaultSessionService, database: Database, refresher: Refresher) -> ApplicationMetrics:
    databases = {"application": database.counters}
    store = sessions.get_session_store()
    if isinstance(store, SqlSessionStore):
        if store.database is database:
            databases.clear()  # one pool is counted once
        databases["session"] = store.database.counters
    return ApplicationMetrics(
        sessions=sessions.counters,
        count_live=sessions.count_sessions,
        logins=LoginCounters(),
        refresher=refresher,
        databases=databases,
    )


IDENTITY_PROVIDER = web.AppKey("IDENTITY_PROVIDER", IdentityProvider)
