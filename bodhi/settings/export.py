"""Descriptions of all settings as JSON, dotenv, TypeScript, or the documentation page."""

import json
from collections.abc import Callable, Iterator, Mapping

from bodhi.settings.description import BY_NAME, GROUPS, described_in
from bodhi.settings.setting import Derived, Setting, Source

ORIGIN = "Made by `python -m bodhi config export --format {0}`; do not edit."
INTRODUCTION = f"""\
# Settings

<!-- {ORIGIN.format("markdown")} -->

bodhi reads a setting from these sources; the first one that has it wins.

1. The command line: the options of a command, and `python -m bodhi --set NAME=VALUE …` for any setting.
2. The environment.
3. The file `.env` in the working directory. Other names are ignored, and variables in values are not expanded.
4. The file `settings.yaml` in `$BODHI_HOME`, with lines such as `BODHI_PORT: 1135`.
5. The default.

**Secrets in files.** Secrets and database URLs may be in files, such as those of Docker or Kubernetes.
`BODHI_CLIENT_SECRET_FILE` and so on take the path of a file whose content is the value, without white space at both
ends. It is an error to set a secret and its file in the same source. The file is read at startup.

**Changes at run time.** Administrators can change some settings while the server runs, on the page
`/ui/admin/settings` or under `/bodhi/v1/settings`: `BODHI_LOG_LEVEL`, `BODHI_API_TOKEN_LIFETIME` and
`BODHI_TOKEN_MEMORY`. Changes are stored in the database of `BODHI_DATABASE_URL` and reach all nodes within half a
minute. They come between 3 and 4: they have no effect if the command line, the environment or `.env` sets the same
setting. The page shows who changed a setting and when, and resets it; the
log has `setting changed key=… value=… by=…`.

**Durations.** A duration is a number with a unit, `d`, `h`, `m` or `s` (days, hours, minutes, seconds), or several of
them, largest first and each at most once: `14d`, `36h`, `1h30m`. A number alone is seconds. The last number may have
a fraction of up to six digits: `1.5h`, `0.5s`. Signs, spaces, capital letters, weeks and months are rejected.
Durations are shown in the same form; `config list --json`, the API and the database have the number of seconds.

**Errors.** bodhi reports all errors at once, one line each, with the setting, its source and what is allowed; the
exit status is 2. An empty value is an error. An unknown name is an error on the command line and a warning elsewhere;
names that start with `BODHI_TEST_` are ignored. Words such as `cluster` and `true` are case-insensitive.

`python -m bodhi config list` shows each value and its source. Secrets, and passwords in URLs, are shown as `***`.

**Outgoing proxies.** Calls to the identity provider, including those of `doctor`, go through the proxy that
`HTTP_PROXY` or `HTTPS_PROXY` names for the scheme of the address, as `http://[user:password@]host:port`. `NO_PROXY`
lists hosts, with or without port, and suffixes to call directly, separated by commas; `*` is all of them. Lower-case
names take precedence. Calls to the development provider are direct.

Certificates are verified against the system's authorities, or those in the PEM file that `SSL_CERT_FILE` names. If
you add an authority of your own there, also include the other authorities that you need.

**In Python.** `bodhi.settings.load_settings()` returns all settings, validated. `bodhi.settings.BODHI_PORT` and so on
are the names.
"""
TYPESCRIPT_END = """\
/** The names of all settings. */
export const SETTING_NAMES = [
NAMES_HERE
] as const;

export type SettingName = (typeof SETTING_NAMES)[number];

/** Defaults as text for the environment; null: depends on other settings, or not set. */
export const DEFAULTS = {
DEFAULTS_HERE
} as const;

/** Settings to start a server with, as a part of its environment. */
export type SettingsEnvironment = { [name in SettingName | `${SettingName}_FILE`]?: string };"""


def as_json() -> str:
    """Return an object by name: default (null: depends on others, or not set), rule, allowed, secret and help."""
    return json.dumps({name: _facts(setting) for name, setting in BY_NAME.items()}, indent=2)


def as_dotenv() -> str:
    """Return a ``.env`` file with a commented line for each setting and its fixed default.

    A line that sets a default would override ``settings.yaml`` and changes by administrators.
    """
    blocks = [f"# {ORIGIN.format('dotenv')}"]
    for setting in BY_NAME.values():
        line = f"# {setting.name}={_fixed_default(setting) or ''}"
        blocks.append(f"# {setting.help}\n# Allowed: {setting.kind.allowed}.{_default_comment(setting)}\n{line}")
    return "\n\n".join(blocks)


def as_typescript() -> str:
    """Return a TypeScript module: a constant for each name, and the defaults."""
    blocks = [f"// {ORIGIN.format('ts')}"]
    for name, setting in BY_NAME.items():
        comment = f"{setting.help} Allowed: {setting.kind.allowed}.{_default_comment(setting, ' ')}"
        blocks.append(f"/** {comment.replace('*/', '* /')} */\nexport const {name} = {json.dumps(name)} as const;")
    names = "\n".join(f"  {name}," for name in BY_NAME)
    defaults = "\n".join(f"  {name}: {json.dumps(_fixed_default(setting))}," for name, setting in BY_NAME.items())
    return "\n\n".join([*blocks, TYPESCRIPT_END.replace("NAMES_HERE", names).replace("DEFAULTS_HERE", defaults)])


def as_markdown() -> str:
    """Return the documentation page."""
    blocks = [INTRODUCTION.rstrip()]
    for group in GROUPS:
        title, _, rest = (group.__doc__ or "").partition(": ")
        blocks.append(f"## {title}\n\n{rest[:1].upper()}{rest[1:]}")
        blocks += [_section(setting) for setting in described_in(group).values()]
    return "\n\n".join(blocks)


FORMATS: Mapping[str, Callable[[], str]] = {
    "json": as_json,
    "dotenv": as_dotenv,
    "ts": as_typescript,
    "markdown": as_markdown,
}


def _section(setting: Setting) -> str:
    return "\n".join([f"### `{setting.name}`", "", setting.help, "", *_facts_in_words(setting)])


def _facts_in_words(setting: Setting) -> Iterator[str]:
    if isinstance(setting.default, Derived):
        yield f"- Default: {setting.default.rule}."
    else:
        yield f"- Default: `{setting.default}`." if setting.default is not None else "- Default: not set."
    yield f"- Allowed: {setting.kind.allowed}."
    if setting.file_variant is not None:
        yield f"- From a file: `{setting.file_variant}` takes its path."
    for source, reason in setting.refused_in.items():
        where = "on the command line" if source is Source.COMMAND_LINE else f"in {source}"
        yield f"- Not {where}: {reason}."


def _facts(setting: Setting) -> dict[str, str | bool | None]:
    return {
        "default": _fixed_default(setting),
        "default_rule": setting.default.rule if isinstance(setting.default, Derived) else None,
        "allowed": setting.kind.allowed,
        "secret": setting.secret,
        "help": setting.help,
    }


def _fixed_default(setting: Setting) -> str | None:
    return None if isinstance(setting.default, Derived) else setting.default


def _default_comment(setting: Setting, before: str = "\n# ") -> str:
    return f"{before}Default: {setting.default.rule}." if isinstance(setting.default, Derived) else ""
