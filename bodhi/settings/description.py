"""Every setting, described once.

The reader, the documentation page, the lists and the exports of the command line all come from the annotations of
:class:`Settings` and its groups. A setting is added in two places: its name in ``names.py``, its line in its group.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_type_hints

from bodhi.settings.auth_settings import AuthSettings
from bodhi.settings.database_settings import DatabaseSettings
from bodhi.settings.names import BODHI_PUBLIC_HOST
from bodhi.settings.server_settings import ServerSettings
from bodhi.settings.session_settings import SessionSettings
from bodhi.settings.setting import Setting

GROUPS = (ServerSettings, DatabaseSettings, SessionSettings, AuthSettings)


@dataclass(frozen=True, repr=False)
class Settings(AuthSettings, SessionSettings, DatabaseSettings, ServerSettings):
    """All settings of one process, checked; the ``repr`` shows no secret."""

    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each setting's value came from, by the setting's name: ``environment``, ``/srv/.env, line 3``."""

    @property
    def has_explicit_host(self) -> bool:
        """Whether somebody said which host browsers see."""
        return self.sources.get(BODHI_PUBLIC_HOST, "default") != "default"

    @property
    def public_url(self) -> str:
        """The URL that browsers see, without a slash at its end; a port that the scheme implies is left out."""
        host = f"[{self.public_host}]" if ":" in self.public_host else self.public_host
        implied = {"http": 80, "https": 443}[self.public_scheme]
        return f"{self.public_scheme}://{host}" + ("" if self.public_port == implied else f":{self.public_port}")

    def __repr__(self) -> str:
        shown = (f"{name}={setting.shown(getattr(self, name))!r}" for name, setting in SETTINGS.items())
        return f"Settings({', '.join(shown)})"


def described_in(group: type) -> Mapping[str, Setting]:
    """The settings of *group* by the attribute that holds them, in the order they are written in."""
    return {
        attribute: part
        for attribute, hint in get_type_hints(group, include_extras=True).items()
        for part in getattr(hint, "__metadata__", ())
        if isinstance(part, Setting)
    }


SETTINGS: Mapping[str, Setting] = described_in(Settings)
"""Every setting by the attribute of :class:`Settings` that holds it; a default depends only on those before its own."""

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS.values()}
