"""``/ui/admin/settings``: what this server is set to, and where that comes from; secrets are masked."""

from aiohttp import web

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.http.navigation import SETTINGS as ENTRY
from bodhi.server.http.operations import Operation
from bodhi.server.http.rendering import page
from bodhi.server.login.api import LOGIN
from bodhi.server.login.form_targets import provider_origins
from bodhi.server.services import SETTINGS_SERVICE


async def list_settings(request: web.Request) -> web.Response:
    """Every setting; what was set comes before what is as it always is."""
    entries = request.app[SETTINGS_SERVICE].entries()
    return page(
        request,
        "all_settings.html",
        form_targets=await provider_origins(request.app[LOGIN].provider),
        entries=sorted(entries, key=lambda entry: entry.source == "default"),
    )


OPERATIONS = (Operation("GET", ENTRY.path, list_settings, SESSION_ADMIN, "The settings", in_document=False),)
