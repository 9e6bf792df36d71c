"""Sources of settings, and their precedence."""

import errno
import logging
import os
import traceback
from pathlib import Path

import pytest

from bodhi.errors import ConfigurationError
from bodhi.settings import BODHI_HOME, BODHI_PORT, BY_NAME, load_settings
from bodhi.settings.setting import Source


def test_settings_come_from_the_source_with_the_highest_precedence(machine):
    """Command line, environment, .env, settings.yaml, default: in this order."""
    machine.command_line = {BODHI_PORT: "1"}
    machine.environ = {BODHI_PORT: "2"}
    dotenv = machine.write_dotenv("BODHI_PORT=3\n")
    yaml = machine.write_yaml("BODHI_PORT: 4\n")

    seen = []
    for take_away in (
        machine.command_line.clear,
        machine.environ.clear,
        dotenv.unlink,
        yaml.unlink,
        lambda: None,
    ):
        resolution = machine.resolve()
        seen.append(
            (resolution.settings.port, resolution.source_of(BODHI_PORT), resolution.settings.sources[BODHI_PORT])
        )
        take_away()

    assert seen == [
        (1, Source.COMMAND_LINE, "command line"),
        (2, Source.ENVIRONMENT, "environment"),
        (3, Source.DOTENV, f"{dotenv}, line 1"),
        (4, Source.YAML, f"{yaml}, line 1"),
        (1135, Source.DEFAULT, "default"),
    ]


def test_overridden_values_are_not_validated(machine):
    """A value that is not used can do no harm."""
    machine.write_dotenv("BODHI_PORT=oops\n")

    assert machine.load(BODHI_PORT="80").port == 80


def test_process_environment_and_working_directory_are_read_but_not_changed(machine, monkeypatch):
    """Nothing of a .env file leaks into the environment of child processes."""
    machine.write_dotenv("BODHI_WORKERS=3\n")
    monkeypatch.chdir(machine.cwd)
    monkeypatch.setenv("BODHI_HOME", str(machine.home))
    monkeypatch.setenv("BODHI_PORT", "8080")
    before = dict(os.environ)

    settings = load_settings()

    assert (settings.port, settings.workers) == (8080, 3)
    assert dict(os.environ) == before


def test_given_environment_replaces_that_of_the_process(machine, monkeypatch):
    """What a caller passes is all there is."""
    monkeypatch.setenv("BODHI_PORT", "8080")

    assert machine.load().port == 1135


def test_dotenv_is_read_from_the_working_directory_only(machine):
    """A file further up belongs to another project."""
    (machine.cwd.parent / ".env").write_text("BODHI_PORT=3\n")

    assert machine.load().port == 1135


def test_home_decides_which_settings_yaml_is_read(machine, tmp_path):
    """The home may itself come from any source but that file."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "settings.yaml").write_text("BODHI_PORT: 7\n")
    machine.command_line = {BODHI_HOME: str(tmp_path / "other")}

    assert machine.load().port == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [("~", "HOME"), ("~/bodhi", "HOME/bodhi"), ("data", "CWD/data"), ("./a/../b/", "CWD/b"), (" /srv/b ", "/srv/b")],
)
def test_home_is_made_absolute(machine, tmp_path, text, expected):
    """A tilde is the user's home, and a relative path starts at the working directory."""
    expected = expected.replace("HOME", str(tmp_path / "user")).replace("CWD", str(machine.cwd))

    assert machine.resolve(BODHI_HOME=text, HOME=str(tmp_path / "user")).settings.home == Path(expected)


def test_default_home_is_in_the_users_home(machine, tmp_path):
    """Unset, ``~/.bodhi`` holds the databases."""
    environ = {"HOME": str(tmp_path)}

    settings = load_settings({}, environ, machine.cwd)

    assert settings.home == tmp_path / ".bodhi"
    assert settings.session_db_url == f"sqlite:{tmp_path}/.bodhi/session.sqlite"


def test_reading_settings_creates_no_file(machine):
    """Showing the settings leaves the machine as it was."""
    machine.resolve()

    assert not machine.home.exists()


def test_dotenv_syntax(machine):
    """Quotes, export, comments and a byte order mark are understood; a dollar sign stays one."""
    machine.write_dotenv(
        b"\xef\xbb\xbf# comment\nexport BODHI_PORT=80 # web\nBODHI_HOST='example.org'\n\n"
        b'BODHI_SESSION_DB_URL="postgres://u:a${HOME}b@db/x"\nOTHER\nOTHER_TOO=1\nBODHI_WORKERS=1\nBODHI_WORKERS=2\n'
    )

    settings = machine.load()

    assert (settings.port, settings.host, settings.workers) == (80, "example.org", 2)
    assert settings.session_db_url == "postgres://u:a${HOME}b@db/x"


def test_yaml_values_are_taken_as_they_are_written(machine):
    """YAML would read 0o20, on and 12:30 as other things than they look like."""
    machine.write_yaml(
        "BODHI_DB_AUTO_MIGRATE: off\nBODHI_COMMIT_SHA: 12e3\nBODHI_PORT: '80'\nBODHI_SESSION_IDLE_TIMEOUT: 15m\n"
    )

    settings = machine.load()

    assert (settings.db_auto_migrate, settings.commit_sha, settings.port) == (False, "12e3", 80)
    assert settings.idle_seconds == 900


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_empty_files_set_nothing(machine, text):
    """A file that is there for later is no fault."""
    machine.write_dotenv(text.replace("-", ""))
    machine.write_yaml(text)

    assert machine.load().port == 1135


def test_folder_named_dotenv_is_ignored(machine):
    """Some people keep their virtual environment there."""
    (machine.cwd / ".env").mkdir()

    assert machine.load().port == 1135


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"\n\nBODHI_PORT='80\n", 3),
        (b"A=1\n=80\n", 2),
        (b"A=1\nBODHI_HOST=\xff\n", 2),
    ],
)
def test_broken_dotenv_is_a_fault_that_names_file_and_line(machine, text, line):
    """A line that is passed over silently would be a setting that silently does not hold."""
    path = machine.write_dotenv(text)

    (fault,) = machine.faults()

    assert fault.startswith(f"{path}, line {line}: ")


def test_dotenv_line_without_value_is_a_fault(machine):
    """A name alone sets nothing."""
    path = machine.write_dotenv("BODHI_PORT\n")

    (fault,) = machine.faults()

    assert fault.startswith(f"BODHI_PORT ({path}, line 1): is empty")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"BODHI_PORT: 80\nBODHI_HOST: [a\n", 3),
        (b"BODHI_PORT: 80\nBODHI_HOST: &a\tb: c\n  d: e\n", 2),
        (b"- BODHI_PORT\n", 1),
        (b"BODHI_PORT=80\n", 1),
        (b"\nBODHI_PORT: {number: 80}\n", 2),
        (b"BODHI_PORT: 80\nBODHI_PORT: 81\n", 2),
        (b"[a, b]: 80\n", 1),
        (b"BODHI_PORT: 80\n---\nBODHI_PORT: 81\n", 2),
        (b"BODHI_HOST: *BODHI_NAME\n", 1),
        (b"BODHI_PORT: 80\nBODHI_HOST: \xff\n", 2),
        (b"BODHI_HOST: \x07\n", 1),
    ],
)
def test_broken_yaml_is_a_fault_that_names_file_and_line(machine, text, line):
    """What cannot be understood stops the start."""
    path = machine.write_yaml(text)

    (fault,) = machine.faults()

    assert fault.startswith(f"{path}, line {line}: ")


def test_yaml_tags_create_no_objects(machine):
    """A tag that would call a function is only text with a tag."""
    machine.write_yaml("BODHI_HOST: !!python/object/apply:os.getcwd []\n")

    (fault,) = machine.faults()

    assert "one value" in fault


@pytest.mark.parametrize("value", ["", "~", "null"])
def test_null_in_yaml_is_an_empty_value(machine, value):
    """A name without a value is a fault everywhere."""
    machine.write_yaml(f"BODHI_PORT: {value}\n")

    (fault,) = machine.faults()

    assert "is empty" in fault


def test_unreadable_file_is_a_fault(machine, monkeypatch):
    """Settings that are there but cannot be read are not taken for absent ones."""
    path = machine.write_yaml("BODHI_PORT: 80\n")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # root, whom tests may run as, can read everything

    assert machine.faults() == [f"{path}, line 1: Permission denied"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("BODHI_PROT", "BODHI_PORT"),
        ("BODHI_SESSION_DATABASE_URL", "BODHI_SESSION_DB_URL"),
        ("BODHI_LOGLEVEL", "BODHI_LOG_LEVEL"),
        ("BODHI_SESSION_IDLE_TIMEOUT_SECONDS", "BODHI_SESSION_IDLE_TIMEOUT"),
    ],
)
def test_unknown_name_is_a_warning_with_the_nearest_one(machine, name, nearest):
    """A typo is told, but does not stop a server: other programs may have names like these."""
    (warning,) = machine.resolve(**{name: "secret"}).warnings

    assert warning == f"{name} (environment): no such setting; did you mean {nearest}?"


def test_unknown_names_in_files_are_warnings_that_name_the_line(machine):
    """In settings.yaml every name is meant for us; in .env only those that start with BODHI_."""
    dotenv = machine.write_dotenv("DEBUG=1\nBODHI_PROT=1\n")
    yaml = machine.write_yaml("port: 80\n")

    assert machine.resolve().warnings == (
        f"BODHI_PROT ({dotenv}, line 2): no such setting; did you mean BODHI_PORT?",
        f"port ({yaml}, line 1): no such setting; did you mean BODHI_PORT?",
    )


def test_unknown_name_on_the_command_line_is_a_fault(machine):
    """Nobody but bodhi can have been meant."""
    machine.command_line = {"BODHI_PROT": "80"}

    assert machine.faults() == ["BODHI_PROT (command line): no such setting; did you mean BODHI_PORT?"]


def test_variables_of_the_test_suite_are_no_unknown_names(machine):
    """What tells the tests their database is no setting."""
    assert machine.resolve(BODHI_TEST_SESSION_PG_URL="postgres://x").warnings == ()


def test_warnings_go_to_the_log(machine, caplog):
    """A server started from Python says them too."""
    with caplog.at_level(logging.WARNING, "bodhi"):
        machine.load(BODHI_PROT="1")

    assert [record.getMessage() for record in caplog.records] == [
        "BODHI_PROT (environment): no such setting; did you mean BODHI_PORT?"
    ]


def test_warnings_are_reported_with_the_faults(machine):
    """A name that is misspelt may be why something else is missing; tracebacks show it too."""
    dotenv = machine.write_dotenv("BODHI_ENCRYPTION_KEYS=1\n")
    yaml = machine.write_yaml("port: 80\n")
    with pytest.raises(ConfigurationError) as caught:
        machine.load(BODHI_DEPLOYMENT="cluster", BODHI_SESION_DB_URL="postgres://db/bodhi")

    warnings = (
        "BODHI_SESION_DB_URL (environment): no such setting; did you mean BODHI_SESSION_DB_URL?",
        f"BODHI_ENCRYPTION_KEYS ({dotenv}, line 1): no such setting; did you mean BODHI_ENCRYPTION_KEY?",
        f"port ({yaml}, line 1): no such setting; did you mean BODHI_PORT?",
    )
    assert warnings == caught.value.warnings[:3]
    assert "no such setting" not in str(caught.value)
    assert "\n".join(warnings) in "".join(traceback.format_exception(caught.value))


def test_home_cannot_be_set_in_settings_yaml(machine):
    """Two homes would be a riddle."""
    path = machine.write_yaml("BODHI_HOME: /elsewhere\n")

    assert machine.faults() == [f"BODHI_HOME ({path}, line 1): must not be set here: it locates that file"]


@pytest.mark.parametrize("name", [name for name, setting in BY_NAME.items() if setting.secret])
def test_secret_is_refused_on_the_command_line(machine, name):
    """The process list is no place for one."""
    machine.command_line = {name: "k" * 32}

    (fault,) = machine.faults()

    assert fault.startswith(f"{name} (command line): must not be set here")
    assert "kkk" not in fault


@pytest.mark.parametrize(
    "text",
    [
        "BODHI_AUTH_ROLES:\n  CN=staff,OU=groups: resource_user\n  boss: resource_admin\n",
        'BODHI_AUTH_ROLES: {"CN=staff,OU=groups": resource_user, boss: resource_admin}\n',
        'BODHI_AUTH_ROLES: \'{"CN=staff,OU=groups": "resource_user", "boss": "resource_admin"}\'\n',
    ],
)
def test_names_with_commas_are_keys_of_a_mapping(machine, text):
    """In settings.yaml as its own mapping, elsewhere as JSON."""
    machine.write_yaml(text)
    expected = (("CN=staff,OU=groups", "resource_user"), ("boss", "resource_admin"))

    assert expected == machine.load().auth_roles
    as_json = '{"CN=staff,OU=groups": "resource_user", "boss": "resource_admin"}'
    assert expected == machine.load(BODHI_AUTH_ROLES=as_json).auth_roles
    machine.write_dotenv(f"BODHI_AUTH_ROLES='{as_json}'\n")
    assert expected == machine.load().auth_roles


def test_names_with_commas_are_items_of_a_list(machine):
    """Or are written as JSON."""
    machine.write_yaml("BODHI_AUTH_ALLOW:\n  - group:CN=staff,OU=groups\n  - '@example.org'\n")
    expected = ("group:CN=staff,OU=groups", "@example.org")

    assert expected == machine.load().auth_allow
    assert expected == machine.load(BODHI_AUTH_ALLOW='["group:CN=staff,OU=groups", "@example.org"]').auth_allow
    assert ("ann@example.org", "@b.org", "group:a b") == machine.load(
        BODHI_AUTH_ALLOW="ann@example.org, @b.org,group: a b"
    ).auth_allow


@pytest.mark.parametrize(
    "text",
    [
        "BODHI_AUTH_ROLES:\n  a: resource_user\n  a: resource_admin\n",
        "BODHI_AUTH_ROLES:\n  a: [resource_user]\n",
        "BODHI_AUTH_ROLES: [a]\n",
        "BODHI_AUTH_ROLES: {}\n",
        "BODHI_AUTH_ROLES:\n  a:\n",
        "BODHI_AUTH_ALLOW: {'@example.org': a}\n",
        "BODHI_AUTH_ALLOW: [[a]]\n",
        "BODHI_AUTH_ALLOW: []\n",
    ],
)
def test_wrong_lists_and_mappings_are_faults(machine, text):
    """Nothing of them is guessed."""
    machine.write_yaml(text)

    (fault,) = machine.faults()
    assert text.split(":")[0] in fault
    assert "line 1" in fault
