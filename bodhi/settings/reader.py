"""From the sources to checked settings: parses what was found, fills in defaults, reports every fault at once."""

import json
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bodhi.errors import ConfigurationError
from bodhi.settings.description import BY_NAME, SETTINGS, Settings
from bodhi.settings.key_file import FILE_NAME, keys_of
from bodhi.settings.names import BODHI_ENCRYPTION_KEY, BODHI_HOME
from bodhi.settings.rules import FAULTS, WARNINGS, Rule
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.settings.sources import Found, gather

logger = logging.getLogger(__name__)
NOT_FOUND = Found("", Source.DEFAULT, Source.DEFAULT)
KEY_FILE = "key file"
LONGEST_SHOWN = 120


@dataclass(frozen=True)
class Resolution:
    """Settings, the place each was found in, and what is odd about the sources but no fault."""

    settings: Settings
    found: Mapping[str, Found]
    defaults: Mapping[str, str | None]
    """By name, the value that each setting has, or would have, when no source sets it."""
    warnings: tuple[str, ...]

    def source_of(self, name: str) -> Source:
        """The kind of source that the setting *name* came from."""
        return self.found.get(name, NOT_FOUND).source


def load_settings(
    command_line: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """The settings that a server needs, its encryption keys among them; warnings go to the log.

    *command_line* maps names to text. Without *environ* and *cwd* the process's own are read; nothing is changed in
    either. In standalone without ``BODHI_ENCRYPTION_KEY`` the key file is read, and made when missing.
    Raises :exc:`ConfigurationError` with one line per fault.
    """
    resolution = resolve_settings(command_line, environ, cwd)
    for warning in resolution.warnings:
        logger.warning("%s", warning)
    return with_encryption_keys(resolution.settings)


def with_encryption_keys(settings: Settings) -> Settings:
    """*settings* with the keys of the key file, if it has none of its own."""
    if settings.encryption_keys:
        return settings
    sources = {**settings.sources, BODHI_ENCRYPTION_KEY: f"{KEY_FILE} {settings.home / FILE_NAME}"}
    keys = keys_of(settings.home, settings.sources[BODHI_HOME])
    return replace(settings, encryption_keys=keys, sources=sources)


def resolve_settings(
    command_line: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Resolution:
    """As :func:`load_settings`, but with the sources told and without touching the key file."""
    findings = gather(command_line or {}, os.environ if environ is None else environ, cwd or Path.cwd())
    found = findings.found
    values, refused = _parse(found)
    defaults = _fill_in(values, refused)
    faults = findings.faults + list(refused.values()) + _broken(FAULTS, values, found)
    warnings = findings.warnings + _broken(WARNINGS, values, found)
    if faults:
        raise ConfigurationError("\n".join(faults), warnings)
    sources = {name: found.get(name, NOT_FOUND).place for name in BY_NAME}
    return Resolution(Settings(**values, sources=sources), found, defaults, tuple(warnings))


def _parse(found: Mapping[str, Found]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by attribute, and faults by name, of the settings that were found or have a plain default."""
    # Here, for it takes 0.1 s to import, and names and descriptions are wanted without it.
    from environs import Env, EnvValidationError, ValidationError

    class FoundEnv(Env):
        """Reads what the sources said; environs itself lets os.environ come before everything."""

        def _get_value(self, env_key: str, default: Any) -> Any:
            return found[env_key].text.strip() if env_key in found else default

    def parse(text: str, *, setting: Setting) -> object:
        try:
            return _checked(text, setting)
        except ValueError as error:
            raise ValidationError(str(error)) from None

    env = FoundEnv(eager=False)
    env.add_parser("setting", parse)
    values = {
        attribute: env.setting(setting.name, setting.default, setting=setting)
        for attribute, setting in SETTINGS.items()
        if setting.name in found or isinstance(setting.default, str)
    }
    try:
        env.seal()
    except EnvValidationError as error:
        reasons = cast(Mapping[str, list[str]], error.error_messages)
        refused = {name: _fault(BY_NAME[name], found[name], why[0]) for name, why in reasons.items()}
        return {key: value for key, value in values.items() if SETTINGS[key].name not in refused}, refused
    return values, {}


def _checked(text: str, setting: Setting) -> object:
    if not text:
        raise ValueError("is empty")
    if not text.isprintable():
        raise ValueError("holds a control character or is not UTF-8")
    return setting.kind.parse(text)


def _fault(setting: Setting, found: Found, reason: str) -> str:
    text = found.text.strip()
    shown = json.dumps(setting.masked(text)[:LONGEST_SHOWN], ensure_ascii=not text.isprintable()) + " " if text else ""
    return f"{setting.name} ({found.place}): {shown}{reason}; allowed: {setting.kind.allowed}"


def _fill_in(values: dict[str, Any], refused: Collection[str]) -> dict[str, str | None]:
    """The default of each setting by name; *values* gets those of the settings that were not found."""
    defaults: dict[str, str | None] = {}
    for attribute, setting in SETTINGS.items():
        if isinstance(setting.default, Derived):
            try:
                value = setting.default.compute(values)
            except KeyError:
                continue  # it depends on a setting that was refused, which is a fault already
            defaults[setting.name] = setting.shown(value) or setting.default.rule
        else:
            value = None
            defaults[setting.name] = setting.default
        if setting.name not in refused:
            values.setdefault(attribute, value)
    return defaults


def _broken(rules: Iterable[Rule], values: Mapping[str, Any], found: Mapping[str, Found]) -> list[str]:
    return [_tell(rule, values, found) for rule in rules if rule.is_broken(values)]


def _tell(rule: Rule, values: Mapping[str, Any], found: Mapping[str, Found]) -> str:
    settings = [(SETTINGS[attribute], values[attribute]) for attribute in rule.attributes]
    (first, value), *others = settings
    shown = [first.shown(value) or "no value"]
    shown += [f"{it.name}{_value_of(it, of)} ({found.get(it.name, NOT_FOUND).place})" for it, of in others]
    return f"{first.name} ({found.get(first.name, NOT_FOUND).place}): {rule.message.format(*shown)}"


def _value_of(setting: Setting, value: object) -> str:
    shown = setting.shown(value)
    return " is not set" if shown is None else f"={shown}"
