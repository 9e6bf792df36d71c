"""Settings and their values in the API."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from bodhi.server.settings.errors import InvalidValue, MissingValue, WrongValueType
from bodhi.settings.kinds import SettingType
from bodhi.settings.setting import Setting, Source

Plain = str | int | float | bool | None
SourceName = Literal["system", "command_line", "environment", "database", "settings_file", "default"]

SOURCES: Mapping[Source | None, SourceName] = {
    Source.COMMAND_LINE: "command_line",
    Source.ENVIRONMENT: "environment",
    Source.DOTENV: "environment",
    Source.YAML: "settings_file",
    Source.DEFAULT: "default",
    None: "system",
}
TYPES: Mapping[str, tuple[type, ...]] = {"number": (int, float), "boolean": (bool,), "option": (str,), "string": (str,)}


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


def plain(setting: Setting, value: object) -> Plain:
    """Return *value* for JSON, masked if the setting is secret; durations as their seconds."""
    if isinstance(value, bool | int | float) and not setting.secret:
        return value
    return setting.format(value)


def metadata_of(kind: SettingType[object]) -> Metadata:
    """Return the type and allowed values of *kind*."""
    return Metadata(type=kind.type, min=kind.least, max=kind.most, options=kind.options or None)


def stored_text(value: Any, kind: SettingType[object]) -> str:
    """Return *value* from JSON as it is stored; raise if it is not a value of *kind*."""
    if value is None:
        raise MissingValue
    types = (*TYPES[kind.type], str) if kind.is_duration else TYPES[kind.type]
    if not isinstance(value, types) or (isinstance(value, bool) and kind.type != "boolean"):
        raise WrongValueType
    return checked_text(_format(value), kind)


def checked_text(text: str, kind: SettingType[object]) -> str:
    """Return *text* as it is stored, durations as their seconds; raise if it is not a value of *kind*."""
    try:
        parsed = kind.parse(text)
    except ValueError as error:
        raise InvalidValue(f"The value {error}; allowed: {kind.allowed}.") from None
    if not text.isprintable():
        raise InvalidValue
    return _format(parsed) if kind.is_duration else text


def _format(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
