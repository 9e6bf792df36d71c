"""Secrets in files: the name of the setting with ``_FILE`` takes the path."""

import pytest

from bodhi.settings import BY_NAME
from bodhi.settings.setting import Source
from bodhi.settings.sources import source_at

KEY = "a-key-for-tests-of-at-least-thirty-two-characters"
VALUES = {
    "BODHI_ENCRYPTION_KEY": ("encryption_keys", KEY, (KEY,)),
    "BODHI_CLIENT_SECRET": ("client_secret", "se cret", "se cret"),
    "BODHI_CLIENT_KEY": ("client_key", None, None),
    "BODHI_SETUP_SECRET": ("setup_secret", "sixteen-letters-", "sixteen-letters-"),
    "BODHI_SESSION_DB_URL": ("session_db_url", "postgres://ann:pw@db/x", "postgres://ann:pw@db/x"),
    "BODHI_DATABASE_URL": ("database_url", "postgres://ann:pw@db/y", "postgres://ann:pw@db/y"),
}


def test_every_secret_may_be_in_a_file():
    """Also the URLs that hold passwords; no other setting."""
    assert set(VALUES) == {name for name, setting in BY_NAME.items() if setting.file_variant}
    assert {name for name, setting in BY_NAME.items() if setting.secret} < set(VALUES)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("source", ["command line", "environment", "dotenv", "yaml"])
def test_secret_is_read_from_its_file(machine, tmp_path, private_key_pem, name, source):
    """From every source, also the command line: a path is no secret. The line break at its end is not part of it."""
    attribute, text, expected = VALUES[name]
    file = tmp_path / "a secret"
    file.write_text(f"{text or private_key_pem}\n")
    environ = (
        {"BODHI_CLIENT_ID": "bodhi", "BODHI_AUTH_ISSUER": "https://x.example"} if name == "BODHI_CLIENT_KEY" else {}
    )
    if source == "command line":
        machine.command_line = {f"{name}_FILE": str(file)}
    elif source == "environment":
        environ[f"{name}_FILE"] = str(file)
    elif source == "dotenv":
        machine.write_dotenv(f"{name}_FILE='{file}'\n")
    else:
        machine.write_yaml(f"{name}_FILE: {file}\n")

    resolution = machine.resolve(**environ)

    assert (expected or private_key_pem.strip()) == getattr(resolution.settings, attribute)
    assert resolution.settings.sources[name].endswith(f", file {file}")
    expected_source = {"dotenv": Source.DOTENV, "yaml": Source.YAML}.get(source) or Source(source)
    assert expected_source is resolution.source_of(name) is source_at(resolution.settings.sources[name])


def test_relative_path_starts_from_the_working_directory(machine):
    """As that of ``.env``."""
    (machine.cwd / "secret").write_text("from the file")

    assert "from the file" == machine.load(BODHI_CLIENT_SECRET_FILE="secret").client_secret


def test_source_of_higher_precedence_wins(machine, tmp_path):
    """Whether it has the secret or its file."""
    (tmp_path / "secret").write_text("from the file")
    machine.write_dotenv(f"BODHI_CLIENT_SECRET_FILE={tmp_path}/secret\nBODHI_SETUP_SECRET=sixteen-letters-\n")
    (tmp_path / "setup").write_text("other-sixteen-letters")

    settings = machine.load(BODHI_CLIENT_SECRET="direct", BODHI_SETUP_SECRET_FILE=str(tmp_path / "setup"))

    assert ("direct", "other-sixteen-letters") == (settings.client_secret, settings.setup_secret)


def test_secret_and_its_file_in_one_source_are_a_fault(machine, tmp_path):
    """Nobody knows which is meant; none of them is shown."""
    (tmp_path / "secret").write_text("from the file")

    (fault,) = machine.faults(BODHI_CLIENT_SECRET="direct", BODHI_CLIENT_SECRET_FILE=str(tmp_path / "secret"))

    assert fault.startswith("BODHI_CLIENT_SECRET (environment")
    assert "set both BODHI_CLIENT_SECRET and BODHI_CLIENT_SECRET_FILE" in fault
    assert "direct" not in fault
    assert "from the file" not in fault


@pytest.mark.parametrize("kind", ["missing", "folder", "binary", "nul"])
def test_unreadable_file_is_a_fault(machine, tmp_path, kind):
    """With the setting, the source, the path and the reason."""
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe")
    text = "a\0b" if kind == "nul" else str(path)
    machine.command_line = {"BODHI_CLIENT_SECRET_FILE": text}

    (fault,) = machine.faults()

    assert fault.startswith("BODHI_CLIENT_SECRET_FILE (command line): /")
    reason = {"missing": "No such file", "folder": "Is a directory", "binary": "not UTF-8"}.get(kind, "cannot be read")
    assert reason in fault


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "\u00fc"])
def test_content_is_checked_as_the_setting_is(machine, tmp_path, content):
    """The file is named, its content is not shown."""
    (tmp_path / "secret").write_text(content)

    (fault,) = machine.faults(BODHI_CLIENT_SECRET_FILE=str(tmp_path / "secret"))

    assert fault.startswith(f"BODHI_CLIENT_SECRET (environment, file {tmp_path}/secret): ")
    assert "lines" not in fault
    assert "\u00fc" not in fault


def test_other_settings_have_no_file(machine):
    """A misspelt name is one."""
    resolution = machine.resolve(BODHI_PORT_FILE="/run/port")

    assert any("BODHI_PORT_FILE (environment): no such setting" in warning for warning in resolution.warnings)
