"""The composition root: settings in, aiohttp application out."""

from collections.abc import AsyncIterator

from aiohttp import web

from bodhi import session
from bodhi.metrics.requests import RequestTimes
from bodhi.server.authentication.guard import routes_of
from bodhi.server.databases import (
    application_database,
    application_database_faults,
    session_database,
    session_database_faults,
    session_service,
)
from bodhi.server.features import add_logins
from bodhi.server.http import headers, request_id
from bodhi.server.http import instrumentation as watching
from bodhi.server.http import lifecycle as life
from bodhi.server.http.access_log import LOGGER, AccessLog
from bodhi.server.http.canonical import canonical_filter
from bodhi.server.http.cors import cors_middleware
from bodhi.server.http.cross_site import cross_site_filter
from bodhi.server.http.error_pages import page_error_middleware
from bodhi.server.http.errors import api_error_middleware, error_middleware
from bodhi.server.http.forwarded import client_of, forwarded_filter
from bodhi.server.http.hosts import PUBLIC_URL, host_filter
from bodhi.server.http.openapi_route import DESCRIPTION, Description
from bodhi.server.http.public_url import PublicUrl
from bodhi.server.http.request_filters import request_filter_middleware
from bodhi.server.http.stripping import stripping_middleware
from bodhi.server.login import backchannel
from bodhi.server.lost_keys import warn_of_lost_keys
from bodhi.server.routes import OPERATIONS
from bodhi.server.status.api import COMMIT_SHA
from bodhi.server.verify import api as verify
from bodhi.session import DefaultSessionService
from bodhi.settings import Settings

__all__ = [
    "application_database",
    "application_database_faults",
    "create_app",
    "session_database",
    "session_database_faults",
    "session_service",
]


def create_app(settings: Settings) -> web.Application:
    """The application, for any runner: nothing is opened before it starts up.

    Starting raises :exc:`ConfigurationError`, naming the setting, when one of the databases cannot be used.
    """
    app = web.Application(handler_args={"access_log_class": AccessLog, "access_log": LOGGER})
    app[COMMIT_SHA] = settings.commit_sha
    service = session_service(settings)

    async def sessions(_: web.Application) -> AsyncIterator[None]:
        with session_database_faults(settings):
            await service.open()
        try:
            await warn_of_lost_keys(service, settings)
            yield  # requests are served here
        finally:
            await service.close()

    app.cleanup_ctx.append(sessions)
    # From the outside in.
    request_id.setup(app)
    times = RequestTimes()
    watching.setup(app, times)
    app.middlewares.append(page_error_middleware)
    app.middlewares.append(error_middleware)
    _guard_the_edge(app, settings, service)
    session.setup(app, service, client_of=client_of)
    app.middlewares.append(api_error_middleware)
    headers.setup(app, is_https=settings.public_scheme == "https")
    life.setup(app)
    add_logins(app, settings, service, times)
    app[verify.GIVES_ACCESS_TOKENS] = settings.verify_access_token
    app[DESCRIPTION] = Description(OPERATIONS)
    app.add_routes(routes_of(OPERATIONS))
    return app


def _guard_the_edge(app: web.Application, settings: Settings, service: DefaultSessionService) -> None:
    """What looks at every request before anything else does."""
    public_url = app[PUBLIC_URL] = PublicUrl(
        settings.public_scheme, settings.public_host, settings.public_port, is_explicit=settings.has_explicit_host
    )
    redirects = settings.canonical_redirect
    guards = [
        forwarded_filter(settings.trusted_proxies),
        host_filter(public_url, own_host=settings.host, allowed_hosts=settings.allowed_hosts, redirects=redirects),
        # A proxy asks there in the name of a page, and would send people to the question rather than to the page.
        canonical_filter(public_url, enabled=redirects, exempt=[verify.PATH]),
        cross_site_filter(service.cookie.full_name, exempt=[backchannel.PATH]),
    ]
    app.middlewares.extend([stripping_middleware, cors_middleware, request_filter_middleware(guards)])
