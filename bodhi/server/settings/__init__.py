"""Settings that can be changed at run time."""

from collections.abc import AsyncIterator

from aiohttp import web

from bodhi import logs
from bodhi.server.services import Services
from bodhi.server.settings import api, pages
from bodhi.server.settings.service import SETTINGS_SERVICE, SettingsService
from bodhi.settings import BODHI_LOG_LEVEL

OPERATIONS = (*api.OPERATIONS, *pages.OPERATIONS)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    services.editable_settings[BODHI_LOG_LEVEL] = logs.set_level
    service = app[SETTINGS_SERVICE] = SettingsService(
        services.settings, services.database, editable=services.editable_settings
    )
    services.navigation.administration.append(pages.ENTRY)

    async def follow_changes(_: web.Application) -> AsyncIterator[None]:
        async with service:
            yield  # requests are served here

    app.cleanup_ctx.append(follow_changes)
