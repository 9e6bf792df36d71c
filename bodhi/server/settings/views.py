"""Settings as the page shows them: by group, described, and found by any of their words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bodhi.server.settings.entries import SourceName
from bodhi.server.settings.overrides import Override
from bodhi.server.settings.service import OVERRIDING_SOURCES, SettingsService
from bodhi.settings.description import GROUPS, described_in
from bodhi.settings.reader import KEY_FILE
from bodhi.settings.setting import Derived, Setting, Source

SOURCE_NAMES: Mapping[SourceName, str] = {
    "system": "Key file",  # the only setting with the source "system"
    "command_line": "Command line",
    "environment": "Environment",
    "database": "Database",
    "settings_file": "settings.yaml",
    "default": "Default",
}


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting with texts for people: secrets are masked, durations written as ``1h30m``."""

    setting: Setting
    value: str | None
    default: str | None
    rule: str | None  # of a default that depends on other things, where it has no value here
    initial: str | None  # what a reset brings back
    source: SourceName
    detail: str | None  # file and line of the source
    is_changed: bool  # from the default
    is_editable: bool
    is_overridden: bool  # the stored change is in effect
    override: Override | None

    @property
    def name(self) -> str:
        """The setting's name."""
        return self.setting.name

    @property
    def source_name(self) -> str:
        """Where the value comes from."""
        return SOURCE_NAMES[self.source]

    @property
    def is_fixed_here(self) -> bool:
        """Whether the source of this process takes precedence over stored changes."""
        return self.source in OVERRIDING_SOURCES

    @property
    def stored_value(self) -> str | None:
        """The stored change, as people write it."""
        if self.override is None:
            return None
        try:
            return self.setting.display(self.setting.kind.parse(self.override.value))
        except ValueError:  # of another version
            return self.setting.masked(self.override.value)

    def matches(self, words: Sequence[str]) -> bool:
        """Whether each of *words*, in small letters, is in the name, description, value or source."""
        texts = (self.name, self.name.replace("_", " "), self.setting.help, self.value, self.source_name, self.detail)
        text = "\n".join(filter(None, texts)).lower()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Group:
    """Settings on one subject."""

    title: str
    summary: str
    settings: Sequence[SettingView]


def view_of(service: SettingsService, setting: Setting) -> SettingView:
    """Return *setting* as it is in this process."""
    name = setting.name
    entry, value, default = service.entry(name), service.value(name), service.default(name)
    return SettingView(
        setting,
        value=setting.display(value),
        default=setting.display(default),
        rule=setting.default.rule if default in {None, ()} and isinstance(setting.default, Derived) else None,
        initial=setting.display(service.initial(name)),
        source=entry.source,
        detail=None if service.is_overridden(name) else _detail(service.place(name)),
        is_changed=entry.source not in {"default", "system"} and value != default,
        is_editable=service.is_editable(name),
        is_overridden=service.is_overridden(name),
        override=service.stored.get(name),
    )


def _detail(place: str) -> str | None:
    """Return what *place* says beyond the name of the source: a file, perhaps with a line."""
    source = next((source for source in (*Source, KEY_FILE) if place.startswith(source)), "")
    return place.removeprefix(source).lstrip(", ") or None


def groups_of(service: SettingsService, *, text: str = "", only_changed: bool = False) -> Iterator[Group]:
    """Yield the groups with the settings that have all words of *text*, without empty groups."""
    words = text.lower().split()
    for group in GROUPS:
        views = [view_of(service, setting) for setting in described_in(group).values()]
        title, _, summary = (group.__doc__ or "").partition(": ")
        found = [view for view in views if view.matches(words) and (view.is_changed or not only_changed)]
        if found:
            yield Group(title, summary[:1].upper() + summary[1:], found)
