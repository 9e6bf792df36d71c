"""List all settings, and change the editable ones at run time.

Changes are stored in the database. They take precedence over ``settings.yaml`` and the defaults; the command line, the
environment and ``.env`` of a process take precedence over them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from bodhi.database import Database
from bodhi.server.settings.entries import (
    SOURCES,
    SettingEntry,
    SourceName,
    checked_text,
    metadata_of,
    plain,
    stored_text,
)
from bodhi.server.settings.errors import HomeNotEditable, SettingNotEditable, SettingNotFound
from bodhi.server.settings.overrides import Override, SettingsOverrides
from bodhi.settings import BODHI_HOME, SETTINGS, Settings
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.settings.sources import source_at

ATTRIBUTES: Mapping[str, str] = {setting.name: attribute for attribute, setting in SETTINGS.items()}

OVERRIDING_SOURCES = {"command_line", "environment"}  # take precedence over the database

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
        return [self.entry(name) for name in ATTRIBUTES]

    @property
    def stored(self) -> Mapping[str, Override]:
        """The stored changes by name, also those that are not in effect here."""
        return self._overrides.stored

    async def refresh(self) -> None:
        """Apply what other processes stored since the last look."""
        await self._overrides.refresh()

    async def change(self, key: str, value: Any, *, by: str) -> SettingEntry:
        """Change a setting for all processes and return it; *by* is the id of the user."""
        kind = self.editable_setting(key).kind
        return await self._store(key, stored_text(value, kind), by)

    async def change_text(self, key: str, text: str, *, by: str) -> SettingEntry:
        """Change a setting to a value in the syntax of environment variables; as :meth:`change` otherwise."""
        kind = self.editable_setting(key).kind
        return await self._store(key, checked_text(text.strip(), kind), by)

    async def _store(self, key: str, text: str, by: str) -> SettingEntry:
        setting = SETTINGS[ATTRIBUTES[key]]
        await self._overrides.put(key, text, setting.kind.type, by=by)
        log.info("setting changed key=%s value=%s by=%s", key, setting.masked(text), by, extra={"fields": {"by": by}})
        return self.entry(key)

    async def reset(self, key: str, *, by: str) -> SettingEntry:
        """Remove the change of a setting for all processes and return it; *by* is the id of the user."""
        self.editable_setting(key)
        await self._overrides.remove(key)
        log.info("setting reset key=%s by=%s", key, by, extra={"fields": {"by": by}})
        return self.entry(key)

    def is_editable(self, key: str) -> bool:
        """Whether the setting can be changed at run time."""
        return key in self._editable

    def editable_setting(self, key: str) -> Setting:
        """Return the setting; raise if it does not exist or cannot be changed at run time."""
        if key == BODHI_HOME:
            raise HomeNotEditable
        if key not in ATTRIBUTES:
            raise SettingNotFound
        if key not in self._editable:
            raise SettingNotEditable
        return SETTINGS[ATTRIBUTES[key]]

    def entry(self, name: str) -> SettingEntry:
        """Return a setting."""
        setting = SETTINGS[ATTRIBUTES[name]]
        return SettingEntry(
            key=name,
            current_value=plain(setting, self.value(name)),
            default_value=plain(setting, self.default(name)),
            source="database" if self.is_overridden(name) else self._source(name),
            metadata=metadata_of(setting.kind),
        )

    def value(self, name: str) -> Any:
        """Return the value that is in effect; it may be secret."""
        return self._changed[name] if name in self._changed else self.initial(name)

    def initial(self, name: str) -> Any:
        """Return the value that the process started with, which a reset brings back; it may be secret."""
        return getattr(self._settings, ATTRIBUTES[name])

    def default(self, name: str) -> Any:
        """Return the default, which may be secret; a text as it is written, so that ``~`` stays."""
        setting = SETTINGS[ATTRIBUTES[name]]
        if isinstance(setting.default, Derived):
            return setting.default.compute({attribute: getattr(self._settings, attribute) for attribute in SETTINGS})
        if setting.default is None or setting.kind.type == "string":
            return setting.default
        return setting.kind.parse(setting.default)

    def is_overridden(self, name: str) -> bool:
        """Whether a stored change is in effect."""
        return name in self._changed

    def place(self, name: str) -> str:
        """Return where the initial value comes from, such as ``/srv/.env, line 3``."""
        return self._settings.sources.get(name, Source.DEFAULT)

    def _source(self, name: str) -> SourceName:
        return SOURCES[source_at(self.place(name))]

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
            value = self._changed[name] if name in self._changed else self.initial(name)
            if value != self._applied.get(name, self.initial(name)):
                self._applied[name] = value
                apply(value)


def _parse_stored(setting: Setting, text: str) -> Sequence[Any]:
    """Return a list with the value in *text*; empty if invalid, e.g. stored by another version of the program."""
    try:
        return [setting.kind.parse(text)]
    except ValueError as error:
        log.warning("stored setting ignored key=%s: the value %s", setting.name, error)
        return []


SETTINGS_SERVICE = web.AppKey("SETTINGS_SERVICE", SettingsService)
