"""``/ui/admin/settings``: all settings with their values and sources; secrets are masked."""

from collections.abc import Mapping

from aiohttp import web

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.access.scopes import Role
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import page
from bodhi.server.settings.service import SETTINGS_SERVICE, SourceName

SOURCE_NAMES: Mapping[SourceName, str] = {
    "system": "Key file",  # the only setting with the source "system"
    "command_line": "Command line",
    "environment": "Environment",
    "database": "Changed in service",
    "settings_file": "settings.yaml",
    "default": "Default",
}
ENTRY = Entry("Settings", f"{ADMIN_PATH}/settings", Role.ADMIN)


async def list_settings(request: web.Request) -> web.Response:
    """List all settings, those with default values last."""
    entries = request.app[SETTINGS_SERVICE].entries()
    return await page(
        request,
        "all_settings.html",
        entries=sorted(entries, key=lambda entry: entry.source == "default"),
        source_names=SOURCE_NAMES,
    )


OPERATIONS = (Operation("GET", ENTRY.path, list_settings, SESSION_ADMIN, "Settings", in_document=False),)
