"""Settings as the API and the pages represent them."""

from collections.abc import Sequence
from typing import Literal

import msgspec

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
