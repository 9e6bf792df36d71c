"""List all settings, and change the editable ones at run time.

Changes are stored in the database. They take precedence over ``settings.yaml`` and the defaults; the command line, the
environment and ``.env`` of a process take precedence over them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import msgspec
from aiohttp import web

from bodhi.database import Database
from bodhi.server.settings.errors import (
    HomeNotEditable,
    InvalidValue,
    MissingValue,
    SettingNotEditable,
    SettingNotFound,
    WrongValueType,
)
from bodhi.server.settings.overrides import SettingsOverrides
from bodhi.settings import BODHI_HOME, SETTINGS, Settings
from bodhi.settings.kinds import SettingType
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.settings.sources import source_at

Plain = str | int | float | bool | None
SourceName = Literal["system", "command_line", "environment", "database", "settings_file", "default"]


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """The type and allowed values of a setting."""

    type: Literal["string", "number", "boolean", "option"]
    min: float | int | None = None
    max: float | int | None = None
    options: Sequence[str] | None = None


class SettingEntry(msgspec.Struct, frozen=True):
    """A setting; secret values are masked."""

    key: str
    current_value: Plain
    default_value: Plain
    source: SourceName
    metadata: Metadata


ATTRIBUTES: Mapping[str, str] = {setting.name: attribute for attribute, setting in SETTINGS.items()}

SOURCES: Mapping[Source | None, SourceName] = {
    Source.COMMAND_LINE: "command_line",
    Source.ENVIRONMENT: "environment",
    Source.DOTENV: "environment",
    Source.YAML: "settings_file",
    Source.DEFAULT: "default",
    None: "system",
}
OVERRIDING_SOURCES = {"command_line", "environment"}  # take precedence over the database
TYPES: Mapping[str, tuple[type, ...]] = {"number": (int, float), "boolean": (bool,), "option": (str,), "string": (str,)}

log = logging.getLogger(__name__)


class SettingsService:
    """All settings of a process. Entering applies the stored changes and follows the changes of other processes.

    *settings* are those that the process started with. *editable* has, by name, a function that applies a new value.

    Raises, checked in this order, ``settings_error-bodhi_home``, ``-not_found``, ``-unsupported``, and
    ``settings_metadata_error-null_value``, ``-invalid_value_type``, ``-invalid_value``.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        editable: Mapping[str, Callable[[Any], None]],
        every_seconds: float = 15,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._editable = editable
        self._overrides = SettingsOverrides(database, apply=self._apply, every_seconds=every_seconds, clock=clock)
        self._stored: Mapping[str, str] = {}
        self._changed: dict[str, Any] = {}  # parsed values from the database that are in effect
        self._applied: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self._overrides.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._overrides.__aexit__(*error)

    def entries(self) -> Sequence[SettingEntry]:
        """Return all settings, in the order of their declaration."""
        return [self._entry(name) for name in ATTRIBUTES]

    async def change(self, key: str, value: Any) -> SettingEntry:
        """Change a setting for all processes and return it."""
        kind = self._editable_setting(key).kind
        await self._overrides.put(key, _text_of(value, kind), kind.type)
        log.info("setting changed key=%s", key)
        return self._entry(key)

    async def reset(self, key: str) -> SettingEntry:
        """Remove the change of a setting for all processes and return it."""
        self._editable_setting(key)
        await self._overrides.remove(key)
        log.info("setting reset key=%s", key)
        return self._entry(key)

    def _editable_setting(self, key: str) -> Setting:
        if key == BODHI_HOME:
            raise HomeNotEditable
        if key not in ATTRIBUTES:
            raise SettingNotFound
        if key not in self._editable:
            raise SettingNotEditable
        return SETTINGS[ATTRIBUTES[key]]

    def _entry(self, name: str) -> SettingEntry:
        setting = SETTINGS[ATTRIBUTES[name]]
        is_changed = name in self._changed
        return SettingEntry(
            key=name,
            current_value=_plain(setting, self._changed[name] if is_changed else self._initial(name)),
            default_value=self._default(setting),
            source="database" if is_changed else self._source(name),
            metadata=_metadata(setting.kind),
        )

    def _initial(self, name: str) -> Any:
        return getattr(self._settings, ATTRIBUTES[name])

    def _source(self, name: str) -> SourceName:
        return SOURCES[source_at(self._settings.sources.get(name, Source.DEFAULT))]

    def _default(self, setting: Setting) -> Plain:
        if isinstance(setting.default, Derived):
            values = {attribute: getattr(self._settings, attribute) for attribute in SETTINGS}
            return _plain(setting, setting.default.compute(values))
        if setting.default is None or setting.kind.type == "string":
            return setting.default
        return _plain(setting, setting.kind.parse(setting.default))

    def _apply(self, stored: Mapping[str, str]) -> None:
        if stored == self._stored:
            return
        self._stored = stored
        self._changed = {
            name: value
            for name in self._editable
            if name in stored and self._source(name) not in OVERRIDING_SOURCES
            for value in _parse_stored(SETTINGS[ATTRIBUTES[name]], stored[name])
        }
        for name, apply in self._editable.items():
            value = self._changed[name] if name in self._changed else self._initial(name)
            if value != self._applied.get(name, self._initial(name)):
                self._applied[name] = value
                apply(value)


def _parse_stored(setting: Setting, text: str) -> Sequence[Any]:
    """Return a list with the value in *text*; empty if invalid, e.g. stored by another version of the program."""
    try:
        return [setting.kind.parse(text)]
    except ValueError as error:
        log.warning("stored setting ignored key=%s: the value %s", setting.name, error)
        return []


def _text_of(value: Any, kind: SettingType[object]) -> str:
    """Return *value* as it is stored, durations as their seconds; raise if it is not a value of *kind*."""
    if value is None:
        raise MissingValue
    types = (*TYPES[kind.type], str) if kind.is_duration else TYPES[kind.type]
    if not isinstance(value, types) or (isinstance(value, bool) and kind.type != "boolean"):
        raise WrongValueType
    text = _format(value)
    try:
        parsed = kind.parse(text)
    except ValueError:
        raise InvalidValue from None
    if not text.isprintable():
        raise InvalidValue
    return _format(parsed) if kind.is_duration else text


def _format(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _plain(setting: Setting, value: object) -> Plain:
    """Return *value* for JSON, masked if the setting is secret."""
    if isinstance(value, bool | int | float) and not setting.secret:
        return value
    return setting.format(value)


def _metadata(kind: SettingType[object]) -> Metadata:
    return Metadata(type=kind.type, min=kind.least, max=kind.most, options=kind.options or None)


SETTINGS_SERVICE = web.AppKey("SETTINGS_SERVICE", SettingsService)
