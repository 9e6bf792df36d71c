"""Composition root: create the aiohttp application from the settings."""

import logging
from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from bodhi import session
from bodhi.logs import FailureLog
from bodhi.server import activity, apps, home, login, roles, sessions, settings, setup, status, tokens, users, verify
from bodhi.server.access.errors import ApiError, DatabaseUnavailable, ProviderMisconfigured, ProviderUnavailable
from bodhi.server.authentication.guard import routes_of
from bodhi.server.databases import (
    application_database,
    application_database_faults,
    session_database,
    session_database_faults,
    session_service,
)
from bodhi.server.http import error_pages, headers, instrumentation, lifecycle, openapi_route, static_files
from bodhi.server.http.canonical import canonical_filter
from bodhi.server.http.cross_site import cross_site_filter
from bodhi.server.http.errors import OUTAGES, error_middleware
from bodhi.server.http.forwarded import client_of, forwarded_filter
from bodhi.server.http.hosts import PUBLIC_URL, SSO_HOSTS, host_filter, sso_filter
from bodhi.server.http.instrumentation import LOGGER, AccessLog
from bodhi.server.http.openapi_route import DESCRIPTION, Description
from bodhi.server.http.operations import Operation
from bodhi.server.http.public_url import PublicUrl
from bodhi.server.http.request_filters import RequestFilter, request_filter_middleware
from bodhi.server.services import Services, add_services, create_services
from bodhi.settings import Settings

__all__ = [
    "FEATURES",
    "OPERATIONS",
    "application_database",
    "application_database_faults",
    "create_app",
    "session_database",
    "session_database_faults",
    "session_service",
]


log = logging.getLogger(__name__)


class Feature(Protocol):
    """The interface of a feature package."""

    @property
    def OPERATIONS(self) -> Sequence[Operation]:  # noqa: N802 - a constant of a module
        """Its API routes and pages."""

    def setup(self, app: web.Application, services: Services) -> None:
        """Add the feature to *app*."""


LONGEST_REQUEST_LINE = 32_768  # bytes: an authorization code of 8,000 characters, three bytes each in a URL

# A feature is a package and its line here. The order determines navigation entries and page sections.
FEATURES: tuple[Feature, ...] = (
    status,
    setup,
    login,
    verify,
    home,
    users,
    sessions,
    roles,
    tokens,
    apps,
    settings,
    activity,
)

OPERATIONS: tuple[Operation, ...] = (
    *openapi_route.OPERATIONS,
    *static_files.OPERATIONS,
    *(operation for feature in FEATURES for operation in feature.OPERATIONS),
)
ROUTES = routes_of(OPERATIONS)


def create_app(settings: Settings) -> web.Application:
    """Return the application, for any runner. Nothing is opened before startup.

    Startup raises :exc:`ConfigurationError`, which names the setting, if a database cannot be used.
    """
    app = web.Application(
        handler_args={"access_log_class": AccessLog, "access_log": LOGGER, "max_line_size": LONGEST_REQUEST_LINE}
    )
    services = create_services(settings)
    add_services(app, services)
    _add_middlewares(app, services)
    for feature in FEATURES:
        feature.setup(app, services)
    app[DESCRIPTION] = Description(OPERATIONS)
    app.add_routes(ROUTES)
    return app


def _add_middlewares(app: web.Application, services: Services) -> None:
    """Add the middlewares, outermost first."""
    instrumentation.setup(app, services.metrics.requests)
    error_pages.setup(app)
    outages: dict[type[ApiError], FailureLog] = {
        DatabaseUnavailable: FailureLog(log, "application database unavailable"),
        ProviderUnavailable: FailureLog(log, "identity provider unavailable"),
        ProviderMisconfigured: FailureLog(log, "identity provider settings wrong"),
    }
    app[OUTAGES] = outages
    app.middlewares.extend([error_middleware, request_filter_middleware(_request_filters(app, services))])
    session.setup(app, services.sessions, client_of=client_of)
    headers.setup(app, is_https=services.settings.public_scheme == "https")
    lifecycle.setup(app)


def _request_filters(app: web.Application, services: Services) -> Sequence[RequestFilter | None]:
    """Return the request filters, which run before everything else."""
    settings = services.settings
    public_url = app[PUBLIC_URL] = PublicUrl(
        settings.public_scheme,
        settings.public_host,
        settings.public_port,
        is_explicit=settings.has_explicit_host,
        is_port_explicit=settings.has_explicit_port,
    )
    app[SSO_HOSTS] = frozenset(settings.sso_hosts)
    any_base = [operation.path for operation in OPERATIONS if operation.allows_any_base]
    cross_site = [operation.path for operation in OPERATIONS if operation.allows_cross_site]
    return [
        forwarded_filter(settings.trusted_proxies),
        canonical_filter(public_url, enabled=settings.canonical_redirect, exempt=any_base),
        host_filter(public_url, own_host=settings.host, allowed_hosts=[*settings.allowed_hosts, *settings.sso_hosts]),
        sso_filter(app[SSO_HOSTS], any_base),
        cross_site_filter(services.sessions.cookie.full_name, exempt=cross_site),
    ]
