"""``/ui/admin/settings``: what this server is set to, and where that comes from; secrets are masked."""

from aiohttp import web

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.http.navigation import SETTINGS as ENTRY
from bodhi.server.http.operations import Operation
from bodhi.server.http.rendering import page
from bodhi.server.login.api import DESK
from bodhi.server.login.form_targets import provider_origins
from bodhi.server.services import SETTINGS_BOOK


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
