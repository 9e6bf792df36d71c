"""Exports of the settings: documentation page, JSON, dotenv and TypeScript."""

import json
import re
from pathlib import Path

import pytest

from bodhi.settings import BY_NAME, export
from bodhi.settings.description import GROUPS, described_in
from bodhi.settings.kinds import switch
from bodhi.settings.setting import Setting

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
MADE_WITH = "python -m bodhi config export --format markdown > docs/reference/settings.md"


def test_settings_page_matches_the_descriptions():
    """The page is made from the description, so it never lies."""
    assert export.as_markdown() + "\n" == PAGE.read_text(), f"make it again: {MADE_WITH}"


def test_settings_page_without_a_new_setting_is_detected(monkeypatch):
    """A setting that the page lacks fails the test above."""
    new = Setting("BODHI_NEW", switch(), "true", "New.")
    monkeypatch.setattr(export, "described_in", lambda group: {"new": new})

    assert "### `BODHI_NEW`" in export.as_markdown()
    assert export.as_markdown() + "\n" != PAGE.read_text()


def test_page_has_a_chapter_for_each_group():
    """Named by what the group is about."""
    chapters = re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE)

    assert chapters == [group.__doc__.partition(":")[0] for group in GROUPS]
    assert chapters[-1] == "Logins"


def test_page_has_every_setting():
    """No group is left out."""
    assert re.findall(r"^### `(\w+)`$", PAGE.read_text(), re.MULTILINE) == [
        setting.name for group in GROUPS for setting in described_in(group).values()
    ]
    assert set(BY_NAME) <= set(re.findall(r"^### `(\w+)`$", PAGE.read_text(), re.MULTILINE))


def test_json_has_names_and_defaults():
    """A default that depends on others is null and has its rule beside it."""
    facts = json.loads(export.as_json())

    assert list(facts) == list(BY_NAME)
    assert facts["BODHI_PORT"]["default"] == "1135"
    assert facts["BODHI_SESSION_DB_URL"]["default"] is None
    assert facts["BODHI_SESSION_DB_URL"]["default_rule"] == "sqlite:$BODHI_HOME/session.sqlite"
    assert facts["BODHI_AUTH_ISSUER"]["default"] is None
    assert "BODHI_AUTH_URL/realms/BODHI_AUTH_REALM" in facts["BODHI_AUTH_ISSUER"]["default_rule"]
    assert [name for name, fact in facts.items() if fact["secret"]] == [
        "BODHI_ENCRYPTION_KEY",
        "BODHI_CLIENT_SECRET",
        "BODHI_CLIENT_KEY",
        "BODHI_SETUP_SECRET",
    ]


def test_exported_dotenv_sets_nothing(machine):
    """Written to .env as it is, it changes nothing, and hides nothing that a weaker source sets."""
    before = machine.load()
    machine.write_dotenv(export.as_dotenv())

    resolution = machine.resolve()

    assert resolution.warnings == ()
    assert {".env"}.isdisjoint(resolution.source_of(name) for name in BY_NAME)
    assert machine.load() == before


def test_exported_dotenv_lines_are_valid_when_uncommented(machine):
    """They set exactly the defaults."""
    before = machine.load()
    machine.write_dotenv(re.sub(r"^# (BODHI_\w+=.)", r"\1", export.as_dotenv(), flags=re.MULTILINE))

    resolution = machine.resolve()

    assert resolution.warnings == ()
    assert ".env" == resolution.source_of("BODHI_PORT")
    assert machine.load() == before


@pytest.mark.parametrize("name", BY_NAME)
def test_dotenv_names_every_setting(name):
    """With its default, where that is fixed."""
    default = BY_NAME[name].default
    told = re.escape(default) if isinstance(default, str) else ""

    assert re.search(rf"^# {name}={told}$", export.as_dotenv(), re.MULTILINE)


def test_typescript_has_a_constant_for_each_name():
    """Names and defaults are literals, so that a compiler can check their use."""
    text = export.as_typescript()

    for name in BY_NAME:
        assert f'export const {name} = "{name}" as const;' in text
    assert '\n  BODHI_PORT: "1135",\n' in text
    assert "\n  BODHI_SESSION_DB_URL: null,\n" in text
    assert text.count("/**") == text.count("*/")


def test_typescript_survives_a_comment_in_the_help(monkeypatch):
    """Text that would end the comment early does not end it."""
    monkeypatch.setattr(export, "BY_NAME", {"BODHI_NEW": Setting("BODHI_NEW", switch(), "true", "a */ b")})

    assert "a */ b" not in export.as_typescript()
