"""All settings, each described once.

The annotations of :class:`Settings` and its groups drive parsing, the documentation page, ``config list`` and the
exports. To add a setting, add its name to ``names.py`` and its description to a group.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_type_hints

from bodhi.settings.auth_settings import AuthSettings
from bodhi.settings.database_settings import DatabaseSettings
from bodhi.settings.names import BODHI_PUBLIC_HOST, BODHI_PUBLIC_PORT
from bodhi.settings.server_settings import ServerSettings
from bodhi.settings.session_settings import SessionSettings
from bodhi.settings.setting import Setting

GROUPS = (ServerSettings, DatabaseSettings, SessionSettings, AuthSettings)


@dataclass(frozen=True, repr=False)
class Settings(AuthSettings, SessionSettings, DatabaseSettings, ServerSettings):
    """All settings of one process, validated; ``repr`` masks secrets."""

    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Source of each setting's value, by the setting's name: ``environment``, ``/srv/.env, line 3``."""

    @property
    def has_explicit_host(self) -> bool:
        """Whether the public host is configured, not a default."""
        return self.sources.get(BODHI_PUBLIC_HOST, "default") != "default"

    @property
    def has_explicit_port(self) -> bool:
        """Whether the public port is configured, not a default."""
        return self.sources.get(BODHI_PUBLIC_PORT, "default") != "default"

    @property
    def public_url(self) -> str:
        """The URL that browsers see, without a trailing slash or the scheme's default port."""
        host = f"[{self.public_host}]" if ":" in self.public_host else self.public_host
        implied = {"http": 80, "https": 443}[self.public_scheme]
        return f"{self.public_scheme}://{host}" + ("" if self.public_port == implied else f":{self.public_port}")

    def __repr__(self) -> str:
        fields = (f"{name}={setting.format(getattr(self, name))!r}" for name, setting in SETTINGS.items())
        return f"Settings({', '.join(fields)})"


def described_in(group: type) -> Mapping[str, Setting]:
    """Return the settings of *group* by attribute, in source order."""
    return {
        attribute: part
        for attribute, hint in get_type_hints(group, include_extras=True).items()
        for part in getattr(hint, "__metadata__", ())
        if isinstance(part, Setting)
    }


SETTINGS: Mapping[str, Setting] = described_in(Settings)
"""Every setting by its attribute in :class:`Settings`; a derived default depends only on settings before its own."""

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS.values()}
