"""``/bodhi/v1/settings``: what this server is set to, and the few settings that are changed in service."""

from typing import Any

import msgspec
from aiohttp import web

from bodhi.auth.gate import RECENT_ADMIN, SESSION_ADMIN
from bodhi.web.answers import answer
from bodhi.web.input import body_of, parameter_of
from bodhi.web.operations import Operation
from bodhi.web.services import SETTINGS_BOOK
from bodhi.web.settings_book import SettingEntry

PATH = "/bodhi/v1/settings"


class SettingChange(msgspec.Struct, frozen=True):
    """The value that a setting is to have."""

    value: Any


async def list_all(request: web.Request) -> web.Response:
    """200 with every setting."""
    return answer(request.app[SETTINGS_BOOK].entries())


async def change(request: web.Request) -> web.Response:
    """200 with the setting as it is now: the command line and the environment still come before what was changed."""
    value = body_of(request, SettingChange).value
    return answer(await request.app[SETTINGS_BOOK].change(parameter_of(request, "key"), value))


async def reset(request: web.Request) -> web.Response:
    """200 with the setting as it is without a change."""
    return answer(await request.app[SETTINGS_BOOK].reset(parameter_of(request, "key")))


_NO_CHANGE = ("settings_error-bodhi_home", "settings_error-not_found", "settings_error-unsupported")

OPERATIONS = (
    Operation("GET", PATH, list_all, SESSION_ADMIN, "List all settings.", answers={200: list[SettingEntry]}),
    Operation(
        "PUT",
        f"{PATH}/{{key}}",
        change,
        RECENT_ADMIN,
        "Change a setting in service, on all nodes",
        body=SettingChange,
        answers={200: SettingEntry},
        refusals=(
            *_NO_CHANGE,
            "settings_metadata_error-null_value",
            "settings_metadata_error-invalid_value_type",
            "settings_metadata_error-invalid_value",
        ),
    ),
    Operation(
        "DELETE",
        f"{PATH}/{{key}}",
        reset,
        RECENT_ADMIN,
        "Take the change of a setting back",
        answers={200: SettingEntry},
        refusals=_NO_CHANGE,
    ),
)
