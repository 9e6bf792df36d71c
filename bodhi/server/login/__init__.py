"""Log in and out through the identity provider."""

from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from bodhi.server.http.rendering import PROVIDER_ORIGINS
from bodhi.server.login import api, backchannel, current_user, pages
from bodhi.server.login.api import LOGIN, LoginService
from bodhi.server.login.begun_logins import BegunLogins
from bodhi.server.login.provider_origins import provider_origins
from bodhi.server.login.provider_sessions import ProviderSessions
from bodhi.server.login.service import LoginFlow
from bodhi.server.services import Services

OPERATIONS = (*api.OPERATIONS, *backchannel.OPERATIONS, *current_user.OPERATIONS, *pages.OPERATIONS)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    settings, provider = services.settings, services.configured_provider
    provider_sessions = ProviderSessions(services.database)
    begun = BegunLogins(
        settings.encryption_keys,
        replace(services.sessions.cookie, name="bodhi_login"),
        data_format=services.sessions.data_format,
    )
    app.on_response_prepare.append(begun.set_cookie)
    app[LOGIN] = LoginService(
        logins=LoginFlow(
            provider,
            instances=services.instances,
            profiles=services.profiles,
            notes=services.role_notes,
            userinfo=services.userinfo,
            reads_access_tokens=settings.auth_access_tokens == "jwt",
        ),
        notes=services.role_notes,
        instances=services.instances,
        provider=provider,
        provider_sessions=provider_sessions,
        begun=begun,
        remember_seconds=settings.lifetime_seconds,
        logs_out_at_provider=settings.auth_logout,
        counters=services.metrics.logins,
    )
    services.sweeps.append(provider_sessions.sweep)

    async def find_origins() -> Sequence[str]:
        return await provider_origins(provider)

    app[PROVIDER_ORIGINS] = find_origins
