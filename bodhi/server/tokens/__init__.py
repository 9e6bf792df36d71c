"""API tokens."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from bodhi.server.access.principal import SessionUser
from bodhi.server.application_metrics import cache_counts
from bodhi.server.services import Services
from bodhi.server.tokens import admin_pages, api, pages
from bodhi.server.tokens.listing import ALL_TOKENS_LIST, AllTokensList
from bodhi.server.tokens.service import API_TOKENS, PREFIX, ApiTokens
from bodhi.settings import BODHI_API_TOKEN_LIFETIME, BODHI_TOKEN_MEMORY

OPERATIONS = (*api.OPERATIONS, *pages.OPERATIONS, *admin_pages.OPERATIONS)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    settings = services.settings
    tokens = app[API_TOKENS] = ApiTokens(
        services.database,
        memory_seconds=settings.token_memory_seconds,
        default_lifetime_seconds=settings.api_token_lifetime_seconds,
        role_max_age_seconds=settings.auth_role_max_age_seconds,
    )
    app[ALL_TOKENS_LIST] = AllTokensList(tokens, services.profiles)
    services.bearer.add(tokens.authenticate, prefix=PREFIX)
    services.navigation.bar.append(pages.ENTRY)
    services.navigation.administration.append(admin_pages.ENTRY)
    services.user_sections.append(admin_pages.USER_SECTION)
    services.directory.has_user_data.append(lambda user_id: tokens.list_of_all(user_id=user_id, size=1))
    services.profiles.forget_user.append(tokens.forget_owner)
    services.metrics.more_counts.append(lambda: cache_counts("bodhi_api_token_checks_total", tokens.memory))
    services.editable_settings.update(editable_settings(tokens))

    async def disable(user_id: str, _by: SessionUser) -> None:
        await tokens.disable_tokens_of(user_id)

    services.on_removal.append(disable)


def editable_settings(tokens: ApiTokens) -> Mapping[str, Callable[[Any], None]]:
    """Return the settings of *tokens* that take effect without a restart, each with a function that applies it."""
    return {
        BODHI_API_TOKEN_LIFETIME: lambda seconds: setattr(tokens, "default_lifetime_seconds", seconds),
        BODHI_TOKEN_MEMORY: lambda seconds: setattr(tokens, "memory_seconds", seconds),
    }
