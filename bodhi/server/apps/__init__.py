"""Access for other applications, by token exchange."""

from aiohttp import web

from bodhi.server.access.principal import ExternalApp, SessionUser
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.application_metrics import cache_counts
from bodhi.server.apps import api, pages
from bodhi.server.apps.external_apps import ExternalApps
from bodhi.server.apps.service import APP_ACCESS_REQUESTS, AppAccessRequests
from bodhi.server.services import Services

MOST_REMEMBERED = 10_000  # exchanged tokens, in each process

OPERATIONS = (*api.OPERATIONS, *pages.OPERATIONS)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    memory: TtlCache[ExternalApp] = TtlCache(seconds=services.settings.exchange_memory_seconds, most=MOST_REMEMBERED)
    requests = app[APP_ACCESS_REQUESTS] = AppAccessRequests(
        services.database,
        services.provider,
        services.instances,
        public_url=services.settings.public_url,
        # Not the bound method itself: each of the two needs the other.
        withdrawn=lambda request_id: external_apps.forget_access_request(request_id),  # noqa: PLW0108
    )
    external_apps = ExternalApps(
        services.provider,
        instances=services.instances,
        app_access_requests=requests,
        people=services.profiles,
        memory=memory,
        caps_roles=services.settings.auth_app_roles == "capped",
    )
    if services.configured_provider is not None:
        services.bearer.add(external_apps.authenticate)
    services.profiles.forget_user.append(external_apps.forget_user)
    services.sweeps.append(requests.sweep)
    services.metrics.more_counts.append(lambda: cache_counts("bodhi_exchange_cache_total", memory))
    services.metrics.more_levels.append(lambda: {("bodhi_exchange_cache_entries",): len(memory)})

    async def withdraw(user_id: str, _by: SessionUser) -> None:
        # Who comes back begins with nothing.
        await requests.withdraw_all_of(user_id)

    services.on_removal.append(withdraw)
