"""``/bodhi/v1/settings``: what this server is set to, and the few settings that are changed in service."""

from typing import Any

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_ADMIN, SESSION_ADMIN
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
    """The value that a setting is to have."""

    value: Any


async def list_all(request: web.Request) -> web.Response:
    """200 with every setting."""
    return json_response(request.app[SETTINGS_SERVICE].entries())


async def change(request: web.Request) -> web.Response:
    """200 with the setting as it is now: the command line and the environment still come before what was changed."""
    value = body_of(request, SettingChange).value
    return json_response(await request.app[SETTINGS_SERVICE].change(parameter_of(request, "key"), value))


async def reset(request: web.Request) -> web.Response:
    """200 with the setting as it is without a change."""
    return json_response(await request.app[SETTINGS_SERVICE].reset(parameter_of(request, "key")))


_NO_CHANGE = (HomeNotEditable, SettingNotFound, SettingNotEditable)

OPERATIONS = (
    Operation("GET", PATH, list_all, SESSION_ADMIN, "List all settings.", responses={200: list[SettingEntry]}),
    Operation(
        "PUT",
        f"{PATH}/{{key}}",
        change,
        RECENT_ADMIN,
        "Change a setting in service, on all nodes",
        body=SettingChange,
        responses={200: SettingEntry},
        errors=(
            *_NO_CHANGE,
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
        "Take the change of a setting back",
        responses={200: SettingEntry},
        errors=_NO_CHANGE,
    ),
)
