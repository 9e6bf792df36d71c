"""``/ui/admin/settings``: all settings with their values and sources, and changes of those that can change at run time.

Secrets are masked.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_ADMIN, SESSION_ADMIN
from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.server.http import labels
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import body_of, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.settings.errors import InvalidValue
from bodhi.server.settings.service import SETTINGS_SERVICE
from bodhi.server.settings.views import groups_of, view_of
from bodhi.settings import BY_NAME

ENTRY = Entry("Settings", f"{ADMIN_PATH}/settings", Role.ADMIN)
OUTCOMES = {
    "changed": "Changed. All nodes use the new value within half a minute.",
    "reset": "Reset. All nodes use their own value again within half a minute.",
}


class Filter(msgspec.Struct, frozen=True):
    """Which settings to show; all of them by default."""

    q: Annotated[str, msgspec.Meta(max_length=100)] = ""
    changed: Literal["", "1"] = ""

    def query(self, **more: str) -> str:
        """Return the query string of a page with this filter; empty if there is nothing in it."""
        values = {name: value for name, value in {"q": self.q, "changed": self.changed, **more}.items() if value}
        return labels.query(**values) if values else ""


class ListQuery(Filter, frozen=True):
    """The query of the page; without scripts, *done* is the outcome of the form submitted before."""

    done: Literal["changed", "reset"] | None = None


class NewValue(msgspec.Struct, frozen=True):
    """The new value, in the syntax of environment variables."""

    value: Annotated[str, msgspec.Meta(max_length=1000)]


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that was refused: it is shown again, with the reason."""

    key: str
    text: str
    reason: str


async def list_settings(request: web.Request) -> web.Response:
    """List the settings that the filter selects, by group."""
    await request.app[SETTINGS_SERVICE].refresh()  # another process may have stored the change that led here
    selected = query_of(request, ListQuery)
    if is_partial(request):
        return fragment("_settings.html", is_answer=True, **await _list_context(request, selected))
    return await _page(request, selected, notice=OUTCOMES[selected.done] if selected.done else None)


async def change(request: web.Request) -> web.Response:
    """Change the setting; a refused value is shown again, with the reason next to it."""
    key, text = parameter_of(request, "key"), body_of(request, NewValue).value
    try:
        await request.app[SETTINGS_SERVICE].change_text(key, text, by=session_user_of(request).user_id)
    except InvalidValue as error:
        refused = Refused(key, text, error.message)
        if is_partial(request):
            return await _fragment(request, key, status=400, refused=refused)
        return await _page(request, query_of(request, Filter), status=400, refused=refused)
    return await _done(request, key, "changed")


async def reset(request: web.Request) -> web.Response:
    """Remove the change of the setting."""
    key = parameter_of(request, "key")
    await request.app[SETTINGS_SERVICE].reset(key, by=session_user_of(request).user_id)
    return await _done(request, key, "reset")


async def _done(request: web.Request, key: str, outcome: str) -> web.Response:
    if is_partial(request):
        return await _fragment(request, key, outcome=OUTCOMES[outcome])
    return see_other(request, f"{ENTRY.path}{query_of(request, Filter).query(done=outcome)}#{key}")


async def _page(
    request: web.Request,
    selected: Filter,
    *,
    status: int = 200,
    notice: str | None = None,
    refused: Refused | None = None,
) -> web.Response:
    context = await _list_context(request, selected, refused)
    return await page(request, "all_settings.html", status=status, notice=notice, is_answer=False, **context)


async def _fragment(
    request: web.Request, key: str, *, status: int = 200, outcome: str | None = None, refused: Refused | None = None
) -> web.Response:
    """Return one setting, with the outcome of its form."""
    view = view_of(request.app[SETTINGS_SERVICE], BY_NAME[key])
    context = {"view": view, "outcome": outcome, **await _context(request, query_of(request, Filter), refused)}
    return fragment("_setting.html", status=status, **context)


async def _list_context(request: web.Request, selected: Filter, refused: Refused | None = None) -> dict[str, Any]:
    groups = list(groups_of(request.app[SETTINGS_SERVICE], text=selected.q, only_changed=bool(selected.changed)))
    return {"groups": groups, "total": len(BY_NAME), "outcome": None, **await _context(request, selected, refused)}


async def _context(request: web.Request, selected: Filter, refused: Refused | None) -> dict[str, Any]:
    stored = request.app[SETTINGS_SERVICE].stored
    names = await request.app[PROFILES].display_names(override.by for override in stored.values())
    return {"selected": selected, "refused": refused, "names": names}


OPERATIONS = (
    Operation("GET", ENTRY.path, list_settings, SESSION_ADMIN, "Settings", query=ListQuery, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{key}}",
        change,
        RECENT_ADMIN,
        "Change a setting at run time",
        query=Filter,
        form=NewValue,
        in_document=False,
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{key}}/reset",
        reset,
        RECENT_ADMIN,
        "Remove the override of a setting",
        query=Filter,
        in_document=False,
    ),
)
