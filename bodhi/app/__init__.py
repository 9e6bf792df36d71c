"""The composition root: settings in, aiohttp application out."""

from collections.abc import AsyncIterator

from aiohttp import web

from bodhi import session
from bodhi.app.databases import (
    application_database,
    application_database_faults,
    session_database,
    session_database_faults,
    session_service,
)
from bodhi.app.logins import add_logins
from bodhi.app.lost_keys import warn_of_lost_keys
from bodhi.metrics.requests import RequestTimes
from bodhi.session import DefaultSessionService
from bodhi.settings import Settings
from bodhi.web import backchannel, headers, life, request_id, verify, watching
from bodhi.web.access_log import LOGGER, AccessLog
from bodhi.web.canonical import canonical_guard
from bodhi.web.cors import cors_middleware
from bodhi.web.cross_site import cross_site_guard
from bodhi.web.edge import edge_middleware
from bodhi.web.errors import error_middleware, refusal_middleware
from bodhi.web.forwarded import client_of, forwarded_guard
from bodhi.web.guard import routes_of
from bodhi.web.hosts import PUBLIC_URL, host_guard
from bodhi.web.openapi_route import DESCRIPTION, Description
from bodhi.web.pages.errors import page_error_middleware
from bodhi.web.public_url import PublicUrl
from bodhi.web.routes import OPERATIONS
from bodhi.web.status import COMMIT_SHA
from bodhi.web.stripping import stripping_middleware

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
    app.middlewares.append(refusal_middleware)
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
        forwarded_guard(settings.trusted_proxies),
        host_guard(public_url, own_host=settings.host, allowed_hosts=settings.allowed_hosts, redirects=redirects),
        # A proxy asks there in the name of a page, and would send people to the question rather than to the page.
        canonical_guard(public_url, enabled=redirects, exempt=[verify.PATH]),
        cross_site_guard(service.cookie.full_name, exempt=[backchannel.PATH]),
    ]
    app.middlewares.extend([stripping_middleware, cors_middleware, edge_middleware(guards)])
