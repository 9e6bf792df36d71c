"""``/bodhi/v1/settings``: list all settings, and change some of them at run time."""

from typing import Any

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_ADMIN, SESSION_ADMIN
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import body_of, parameter_of
from bodhi.server.http.operations import Operation
from bodhi.server.http.responses import json_response
from bodhi.server.settings.entries import SettingEntry
from bodhi.server.settings.errors import (
    HomeNotEditable,
    InvalidValue,
    MissingValue,
    SettingNotEditable,
    SettingNotFound,
    WrongValueType,
)
from bodhi.server.settings.service import SETTINGS_SERVICE

PATH = "/bodhi/v1/settings"


class SettingChange(msgspec.Struct, frozen=True):
    """The new value of a setting; of a duration, its seconds or a text such as `1h30m`."""

    value: Any


async def list_all(request: web.Request) -> web.Response:
    """Answer 200 with all settings."""
    return json_response(request.app[SETTINGS_SERVICE].entries())


async def change(request: web.Request) -> web.Response:
    """Change the setting; answer 200 with its current value, which command line and environment may override."""
    key, value = parameter_of(request, "key"), body_of(request, SettingChange).value
    by = session_user_of(request).user_id
    return json_response(await request.app[SETTINGS_SERVICE].change(key, value, by=by))


async def reset(request: web.Request) -> web.Response:
    """Remove the override; answer 200 with the setting."""
    key, by = parameter_of(request, "key"), session_user_of(request).user_id
    return json_response(await request.app[SETTINGS_SERVICE].reset(key, by=by))


_EDIT_ERRORS = (HomeNotEditable, SettingNotFound, SettingNotEditable)

OPERATIONS = (
    Operation("GET", PATH, list_all, SESSION_ADMIN, "List all settings", responses={200: list[SettingEntry]}),
    Operation(
        "PUT",
        f"{PATH}/{{key}}",
        change,
        RECENT_ADMIN,
        "Change a setting at run time, on all nodes",
        body=SettingChange,
        responses={200: SettingEntry},
        errors=(
            *_EDIT_ERRORS,
            MissingValue,
            WrongValueType,
            InvalidValue,
        ),
    ),
    Operation(
        "DELETE",
        f"{PATH}/{{key}}",
        reset,
        RECENT_ADMIN,
        "Remove the override of a setting",
        responses={200: SettingEntry},
        errors=_EDIT_ERRORS,
    ),
)
