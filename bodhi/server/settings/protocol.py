"""What handlers know of settings; whoever makes the application fills it."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

Plain = str | int | float | bool | None
SourceName = Literal["system", "command_line", "environment", "database", "settings_file", "default"]


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """What values a setting takes."""

    type: Literal["string", "number", "boolean", "option"]
    min: float | int | None = None
    max: float | int | None = None
    options: Sequence[str] | None = None


class SettingEntry(msgspec.Struct, frozen=True):
    """One setting; secrets in its values are masked."""

    key: str
    current_value: Plain
    default_value: Plain
    source: SourceName
    metadata: Metadata


class SettingsEditor(Protocol):
    """All settings, as far as they may be seen and changed.

    Refused are, in this order, ``settings_error-bodhi_home``, ``-not_found``, ``-unsupported``, and
    ``settings_metadata_error-null_value``, ``-invalid_value_type``, ``-invalid_value``.
    """

    def entries(self) -> Sequence[SettingEntry]:
        """Every setting."""

    async def change(self, key: str, value: Any) -> SettingEntry:
        """The setting after it was given another value."""

    async def reset(self, key: str) -> SettingEntry:
        """The setting after its change in service was taken back."""
