"""Resolve settings: parse the text of each, fill in defaults, and report every fault at once."""

import json
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bodhi.errors import ConfigurationError
from bodhi.settings.description import BY_NAME, SETTINGS, Settings
from bodhi.settings.key_file import FILE_NAME, read_or_create_keys
from bodhi.settings.names import BODHI_ENCRYPTION_KEY, BODHI_HOME
from bodhi.settings.rules import FAULTS, WARNINGS, Rule
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.settings.sources import Found, files_in, gather

logger = logging.getLogger(__name__)
NOT_FOUND = Found("", Source.DEFAULT, Source.DEFAULT)
KEY_FILE = "key file"
MAX_QUOTED = 120  # characters of a value in a fault


@dataclass(frozen=True)
class Resolution:
    """Settings, the source of each, and warnings about the sources."""

    settings: Settings
    found: Mapping[str, Found]
    defaults: Mapping[str, str | None]
    """Default of each setting by name, whether or not a source sets it."""
    warnings: tuple[str, ...]

    def source_of(self, name: str) -> Source:
        """Return the kind of source that the setting *name* came from."""
        return self.found.get(name, NOT_FOUND).source

    @property
    def files(self) -> Collection[Path]:
        """Return the files whose settings are in use, and those that they name by ``…_FILE``."""
        return {path: None for found in self.found.values() for path in files_in(found.place)}.keys()


def load_settings(
    command_line: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """Return the settings of a server with its encryption keys; warnings are logged.

    *command_line* maps names to text. *environ* and *cwd* default to the process's own; neither is changed. In
    standalone without ``BODHI_ENCRYPTION_KEY``, the key file is read, and created if missing.
    Raises :exc:`ConfigurationError` with one line per fault.
    """
    resolution = resolve_settings(command_line, environ, cwd)
    for warning in resolution.warnings:
        logger.warning("%s", warning)
    return with_encryption_keys(resolution.settings)


def with_encryption_keys(settings: Settings) -> Settings:
    """Return *settings* with the keys of the key file if none are configured."""
    if settings.encryption_keys:
        return settings
    sources = {**settings.sources, BODHI_ENCRYPTION_KEY: f"{KEY_FILE} {settings.home / FILE_NAME}"}
    keys = read_or_create_keys(settings.home, settings.sources[BODHI_HOME])
    return replace(settings, encryption_keys=keys, sources=sources)


def resolve_settings(
    command_line: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Resolution:
    """Resolve settings as :func:`load_settings` does, with their sources and without the key file."""
    findings = gather(command_line or {}, os.environ if environ is None else environ, cwd or Path.cwd())
    found = findings.found
    values, refused = _parse(found)
    defaults = _fill_in(values, refused)
    faults = findings.faults + list(refused.values()) + _check_rules(FAULTS, values, found)
    warnings = findings.warnings + _check_rules(WARNINGS, values, found)
    if faults:
        raise ConfigurationError("\n".join(faults), warnings)
    sources = {name: found.get(name, NOT_FOUND).place for name in BY_NAME}
    return Resolution(Settings(**values, sources=sources), found, defaults, tuple(warnings))


def _parse(found: Mapping[str, Found]) -> tuple[dict[str, Any], dict[str, str]]:
    """Parse what was found and the plain defaults; return values by attribute and faults by name."""
    # Here, because it takes 0.1 s to import, and names and descriptions are wanted without it.
    from environs import Env, EnvValidationError, ValidationError

    class FoundEnv(Env):
        """Reads what the sources hold; environs has no public way to read anything but os.environ."""

        def _get_value(self, env_key: str, default: Any) -> Any:
            return found[env_key].text.strip() if env_key in found else default

    def parse(text: str, *, setting: Setting) -> object:
        try:
            return _parse_one(text, setting)
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
        faults = {name: _fault(BY_NAME[name], found[name], why[0]) for name, why in reasons.items()}
        return {key: value for key, value in values.items() if SETTINGS[key].name not in faults}, faults
    return values, {}


def _parse_one(text: str, setting: Setting) -> object:
    if not text:
        raise ValueError("is empty")
    if not (text.replace("\n", "") if setting.kind.is_multiline else text).isprintable():
        raise ValueError("holds a control character or is not UTF-8")
    return setting.kind.parse(text)


def _fault(setting: Setting, found: Found, reason: str) -> str:
    text = found.text.strip()
    quoted = json.dumps(setting.masked(text)[:MAX_QUOTED], ensure_ascii=not text.isprintable()) + " " if text else ""
    return f"{setting.name} ({found.place}): {quoted}{reason}; allowed: {setting.kind.allowed}"


def _fill_in(values: dict[str, Any], refused: Collection[str]) -> dict[str, str | None]:
    """Return the default of each setting by name, and add those of settings that were not found to *values*."""
    defaults: dict[str, str | None] = {}
    for attribute, setting in SETTINGS.items():
        if isinstance(setting.default, Derived):
            try:
                value = setting.default.compute(values)
            except KeyError:
                continue  # it depends on a refused setting, which has been reported
            defaults[setting.name] = setting.format(value) or setting.default.rule
        else:
            value = None
            defaults[setting.name] = setting.default
        if setting.name not in refused:
            values.setdefault(attribute, value)
    return defaults


def _check_rules(rules: Iterable[Rule], values: Mapping[str, Any], found: Mapping[str, Found]) -> list[str]:
    return [_format_violation(rule, values, found) for rule in rules if rule.is_broken(values)]


def _format_violation(rule: Rule, values: Mapping[str, Any], found: Mapping[str, Found]) -> str:
    settings = [(SETTINGS[attribute], values[attribute]) for attribute in rule.attributes]
    (first, value), *others = settings
    parts = [first.display(value) or "no value"]
    parts += [f"{it.name}{_format_value(it, of)} ({found.get(it.name, NOT_FOUND).place})" for it, of in others]
    return f"{first.name} ({found.get(first.name, NOT_FOUND).place}): {rule.message.format(*parts)}"


def _format_value(setting: Setting, value: object) -> str:
    text = setting.display(value)
    return " is not set" if text is None else f"={text}"
