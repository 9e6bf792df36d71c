"""What describes a setting."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bodhi.settings.kinds import SettingType
from bodhi.urls import MASK


class Source(StrEnum):
    """Where a value can come from, strongest first."""

    COMMAND_LINE = "command line"
    ENVIRONMENT = "environment"
    DOTENV = ".env"
    YAML = "settings.yaml"
    DEFAULT = "default"


@dataclass(frozen=True)
class Derived:
    """A default that depends on other settings: the rule in words, and the rule itself.

    ``compute`` is given the values by attribute and raises :exc:`KeyError` when it needs one that was refused.
    """

    rule: str
    compute: Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True)
class Setting:
    """One setting: its kind, its default as one would write it (None: not set), and its help."""

    name: str
    kind: SettingType[object]
    default: str | Derived | None
    help: str
    secret: bool = False
    mask: Callable[[str], str] | None = None
    """Takes passwords out of a value that may have some."""
    refused_in: Mapping[Source, str] = field(default_factory=dict)
    """Sources that may not set it, each with the reason."""

    def masked(self, text: str) -> str:
        """*text*, a value of this setting, with nothing in it that is secret."""
        if self.secret:
            return MASK
        return self.mask(text) if self.mask is not None else text

    def shown(self, value: object) -> str | None:
        """*value* as one would write it, with nothing in it that is secret; None when it is not set."""
        if value is None or value == ():
            return None
        if isinstance(value, bool):
            return str(value).lower()
        return self.masked(_written(value))


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join("=".join(part) if isinstance(part, tuple) else str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
