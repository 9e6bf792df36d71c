"""``/ui/admin/settings``: what this server is set to, and where that comes from; secrets are masked."""

from aiohttp import web

from bodhi.auth.gate import SESSION_ADMIN
from bodhi.web.login import DESK
from bodhi.web.operations import Operation
from bodhi.web.pages.navigation import SETTINGS as ENTRY
from bodhi.web.pages.origins import provider_origins
from bodhi.web.pages.rendering import page
from bodhi.web.services import SETTINGS_BOOK


async def list_settings(request: web.Request) -> web.Response:
    """Every setting; what was set comes before what is as it always is."""
    entries = request.app[SETTINGS_BOOK].entries()
    return page(
        request,
        "all_settings.html",
        form_targets=await provider_origins(request.app[DESK].provider),
        entries=sorted(entries, key=lambda entry: entry.source == "default"),
    )


OPERATIONS = (Operation("GET", ENTRY.path, list_settings, SESSION_ADMIN, "The settings", in_document=False),)
