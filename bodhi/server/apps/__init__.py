"""Access for other applications, by token exchange."""

from aiohttp import web

from bodhi.server.access.principal import ExternalApp, SessionUser
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.application_metrics import cache_counts
from bodhi.server.apps import api, pages
from bodhi.server.apps.external_apps import ExternalApps
from bodhi.server.apps.service import APP_ACCESS_REQUESTS, AppAccessRequests
from bodhi.server.services import Services

MAX_CACHED_TOKENS = 10_000  # per process

OPERATIONS = (*api.OPERATIONS, *pages.OPERATIONS)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    cache: TtlCache[ExternalApp] = TtlCache(
        seconds=services.settings.exchange_memory_seconds, max_entries=MAX_CACHED_TOKENS
    )
    requests = app[APP_ACCESS_REQUESTS] = AppAccessRequests(
        services.database,
        services.provider.management,
        services.instances,
        public_url=services.settings.public_url,
        # A lambda, because each of the two services needs the other.
        on_withdrawal=lambda request_id: external_apps.forget_access_request(request_id),  # noqa: PLW0108
    )
    external_apps = ExternalApps(
        services.provider,
        instances=services.instances,
        app_access_requests=requests,
        profiles=services.profiles,
        cache=cache,
        caps_roles=services.settings.auth_app_roles == "capped",
        name_of=services.mapping.name_of,
    )
    if services.configured_provider is not None:
        services.bearer.add(external_apps.authenticate)
    services.profiles.forget_user.append(external_apps.forget_user)
    services.sweeps.append(requests.sweep)
    services.metrics.more_counts.append(lambda: cache_counts("bodhi_exchange_cache_total", cache))
    services.metrics.more_levels.append(lambda: {("bodhi_exchange_cache_entries",): len(cache)})

    async def withdraw(user_id: str, _by: SessionUser) -> None:
        # A user who is added again starts without approvals.
        await requests.withdraw_all_of(user_id)

    services.on_removal.append(withdraw)
