"""Description of a setting: its type, default, help and sources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bodhi.settings.durations import format_duration
from bodhi.settings.kinds import SettingType
from bodhi.urls import MASK, mask_url

FILE_SUFFIX = "_FILE"


class Source(StrEnum):
    """Where a value can come from, in order of precedence."""

    COMMAND_LINE = "command line"
    ENVIRONMENT = "environment"
    DOTENV = ".env"
    YAML = "settings.yaml"
    DEFAULT = "default"


@dataclass(frozen=True)
class Derived:
    """A default that depends on other settings: ``rule`` describes it, ``compute`` returns it.

    ``compute`` receives the values by attribute and raises :exc:`KeyError` if it needs one that was refused.
    """

    rule: str
    compute: Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True)
class Setting:
    """One setting: its type, its default as text (None: not set), and its help."""

    name: str
    kind: SettingType[object]
    default: str | Derived | None
    help: str
    secret: bool = False
    mask: Callable[[str], str] | None = None
    """Takes passwords out of a value that may have some."""
    refused_in: Mapping[Source, str] = field(default_factory=dict)
    """Sources that must not set it, each with the reason."""

    @property
    def file_variant(self) -> str | None:
        """The name that takes the path of a file with the value instead, for secrets and URLs with passwords."""
        return f"{self.name}{FILE_SUFFIX}" if self.secret or self.mask is mask_url else None

    def masked(self, text: str) -> str:
        """Return *text*, a value of this setting, with secrets masked."""
        if self.secret:
            return MASK
        return self.mask(text) if self.mask is not None else text

    def display(self, value: Any) -> str | None:
        """Return *value* as people write it, durations as ``1h30m``; as :meth:`format` otherwise."""
        return format_duration(value) if self.kind.is_duration and value is not None else self.format(value)

    def format(self, value: object) -> str | None:
        """Return *value* as text for programs with secrets masked, or None if it is not set."""
        if value is None or value == ():
            return None
        if isinstance(value, bool):
            return str(value).lower()
        return self.masked(_format(value))


def _format(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join("=".join(part) if isinstance(part, tuple) else str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
