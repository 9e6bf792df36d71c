"""Log in and out through the identity provider."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from aiohttp import web
from yarl import URL

from bodhi.server.http.headers import COMPLETIONS
from bodhi.server.http.rendering import PROVIDER_ORIGINS
from bodhi.server.login import api, backchannel, current_user, frontchannel, logout, pages, single_sign_on
from bodhi.server.login.api import LOGIN, LoginService
from bodhi.server.login.begun_logins import BegunLogins, set_cookie
from bodhi.server.login.provider_origins import provider_origins
from bodhi.server.login.provider_sessions import ProviderSessions
from bodhi.server.login.service import LoginFlow
from bodhi.server.login.single_sign_on import SINGLE_SIGN_ON, Codes, SingleSignOn
from bodhi.server.services import Services

OPERATIONS = (
    *api.OPERATIONS,
    *logout.OPERATIONS,
    *backchannel.OPERATIONS,
    *frontchannel.OPERATIONS,
    *current_user.OPERATIONS,
    *pages.OPERATIONS,
    *single_sign_on.OPERATIONS,
)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    settings, provider = services.settings, services.configured_provider
    provider_sessions = ProviderSessions(services.database)
    begun = BegunLogins(
        settings.encryption_keys,
        replace(services.sessions.cookie, name="bodhi_login"),
        data_format=services.sessions.data_format,
    )
    app[COMPLETIONS].append(set_cookie)
    app[LOGIN] = LoginService(
        logins=LoginFlow(
            provider,
            instances=services.instances,
            profiles=services.profiles,
            users=services.user_claims,
            policy=services.policy,
            role_management=services.role_management,
            grants_roles_here=services.mapping.grants_here,
            reads_access_tokens=settings.auth_access_tokens == "jwt",
            parameters=parse_qsl(settings.auth_parameters or "", keep_blank_values=True),
        ),
        users=services.user_claims,
        instances=services.instances,
        provider=provider,
        provider_sessions=provider_sessions,
        begun=begun,
        remember_seconds=settings.lifetime_seconds,
        logs_out_at_provider=settings.auth_logout,
        counters=services.metrics.logins,
        link_parameters=[name.strip() for name in settings.auth_link_parameters.split(",") if name != "none"],
        skips_page=settings.auth_skip_login_page,
        provider_name=settings.auth_provider_name or (URL(provider.issuer).host if provider else None),
        logged_out_url=settings.auth_logged_out_url,
    )
    cookie = services.sessions.cookie
    app[SINGLE_SIGN_ON] = SingleSignOn(
        Codes(settings.encryption_keys),
        session_cookie=cookie,
        nonce_cookie=replace(cookie, name="bodhi_sso", samesite="Lax"),
    )
    services.sweeps.append(provider_sessions.sweep)

    async def find_origins() -> Sequence[str]:
        return await provider_origins(provider, settings.auth_logged_out_url)

    app[PROVIDER_ORIGINS] = find_origins
