"""``bodhi config`` and the common command-line behaviour."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bodhi
from bodhi.cli import COMMANDS, cli
from bodhi.settings import BY_NAME
from support.command_line import run_command

SECRET = "hunter2-correct-horse"


@pytest.fixture
def environ(tmp_path):
    """The environment of a command, without any setting."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    # Beside the working directory there may be no installed package.
    return {**inherited, "BODHI_HOME": str(tmp_path / "bodhi"), "PYTHONPATH": str(Path(bodhi.__file__).parents[1])}


@pytest.fixture
def run_process(environ, tmp_path):
    """Runs ``python -m bodhi`` in a temporary folder, with only the given settings."""

    def run(*arguments, **settings):
        options = {"cwd": tmp_path, "env": {**environ, **settings}, "timeout": 300}
        command = [sys.executable, "-m", "bodhi", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    return run


@pytest.fixture
def run(environ, tmp_path):
    """The same in this process."""

    def run(*arguments, **settings):
        ended = run_command(*arguments, environ={**environ, **settings}, cwd=tmp_path)
        return subprocess.CompletedProcess(arguments, *ended)

    return run


def entries_of(result):
    """The settings that ``config list --json`` printed, by name."""
    assert result.returncode == 0, result.stderr
    return {entry["name"]: entry for entry in json.loads(result.stdout)}


def test_list_shows_value_default_and_source_of_every_setting(run, tmp_path):
    """Each of the five sources is named, with the line where there is one."""
    (tmp_path / "bodhi").mkdir()
    (tmp_path / "bodhi" / "settings.yaml").write_text("# mine\nBODHI_WORKERS: 2\n")
    (tmp_path / ".env").write_text("BODHI_LOG_LEVEL=debug\n")

    environ = {"BODHI_HOST": "::1", "BODHI_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}
    entries = entries_of(run("--set", "BODHI_PORT=80", "config", "list", "--json", **environ))

    assert list(entries) == list(BY_NAME)
    issuer_rule = BY_NAME["BODHI_AUTH_ISSUER"].default.rule
    told = [
        ("BODHI_PORT", "80", "1135", "command line", "command line"),
        ("BODHI_HOST", "::1", "localhost", "environment", "environment"),
        ("BODHI_LOG_LEVEL", "DEBUG", "INFO", ".env", f"{tmp_path}/.env, line 1"),
        ("BODHI_WORKERS", "2", "1", "settings.yaml", f"{tmp_path}/bodhi/settings.yaml, line 2"),
        ("BODHI_LOG_FORMAT", "text", "text", "default", "default"),
        ("BODHI_PUBLIC_PORT", "80", "80", "default", "default"),
        ("BODHI_SESSION_DB_SCHEMA", None, None, "default", "default"),
        ("BODHI_TRUSTED_PROXIES", "10.0.0.0/8,::1/128", "none", "environment", "environment"),
        ("BODHI_AUTH_ISSUER", None, issuer_rule, "default", "default"),
    ]
    for name, value, default, source, place in told:
        assert entries[name] == {"name": name, "value": value, "source": source, "place": place, "default": default}


def test_list_is_a_table_for_people(run):
    """A line for each setting below the head."""
    result = run("config", "list")

    head, *lines = result.stdout.splitlines()
    assert head.split() == ["NAME", "VALUE", "SOURCE", "DEFAULT"]
    assert [line.split()[0] for line in lines] == list(BY_NAME)
    assert [line.split()[1:] for line in lines if line.startswith("BODHI_PORT ")] == [["1135", "default", "1135"]]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_list_masks_secrets(run, form):
    """Its output can be pasted into a report."""
    result = run(
        "config",
        "list",
        *form,
        BODHI_ENCRYPTION_KEY=SECRET * 2,
        BODHI_SESSION_DB_URL=f"postgres://bodhi:{SECRET}@db/bodhi",
        BODHI_DEPLOYMENT="cluster",
        BODHI_AUTH_ISSUER="https://login.example.org",
        BODHI_CLIENT_ID="bodhi",
        BODHI_CLIENT_SECRET=SECRET,
        BODHI_SETUP_SECRET=SECRET,
    )

    assert result.returncode == 0
    assert SECRET not in result.stdout + result.stderr
    assert result.stdout.count("postgres://bodhi:***@db/bodhi") == 3  # sessions, application, and its default
    assert result.stdout.count("https://login.example.org") == 1


def test_list_creates_no_key_file(run, tmp_path):
    """Looking changes nothing."""
    run("config", "list")

    assert not (tmp_path / "bodhi").exists()


def test_list_names_the_key_file(run, tmp_path):
    """Where the keys come from when there is one, without what is in it; a setting goes before it."""
    (tmp_path / "bodhi").mkdir()
    (tmp_path / "bodhi" / "encryption.key").write_text(SECRET * 2)
    name, place = "BODHI_ENCRYPTION_KEY", f"key file {tmp_path}/bodhi/encryption.key"

    result = run("config", "list", "--json")
    told = entries_of(result)[name]
    assert ("***", "key file", place) == (told["value"], told["source"], told["place"])
    assert SECRET not in result.stdout
    [line] = [line for line in run("config", "list").stdout.splitlines() if line.startswith(f"{name} ")]
    assert f" {place} " in line
    assert "environment" == entries_of(run("config", "list", "--json", BODHI_ENCRYPTION_KEY="k" * 32))[name]["source"]


def test_faults_are_a_line_each_on_stderr_and_status_2(run_process):
    """No traceback, no secret, nothing on stdout."""
    result = run_process(
        "config",
        "list",
        BODHI_PORT="http",
        BODHI_SESSION_DB_URL=f"mysql://bodhi:{SECRET}@db/bodhi",
        BODHI_ENCRYPTION_KEY=SECRET,
    )

    lines = result.stderr.splitlines()
    assert (result.returncode, result.stdout, len(lines)) == (2, "", 3)
    assert [line.split(" (")[0] for line in lines] == [
        "bodhi: error: BODHI_PORT",
        "bodhi: error: BODHI_SESSION_DB_URL",
        "bodhi: error: BODHI_ENCRYPTION_KEY",
    ]
    assert SECRET not in result.stderr


def test_warning_is_a_line_on_stderr(run):
    """The command does what it was asked for."""
    result = run("config", "list", "--json", BODHI_PROT="80")

    assert result.stderr == "bodhi: warning: BODHI_PROT (environment): no such setting; did you mean BODHI_PORT?\n"
    assert result.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "BODHI_PORT", "config", "list"),
        ("--set", "BODHI_PROT=80", "config", "list"),
        ("--set", f"BODHI_ENCRYPTION_KEY={SECRET * 2}", "config", "list"),
        ("config", "lists"),
        ("config", "list", "--yaml"),
        ("config", "export"),
        ("config", "export", "--format", "xml"),
        ("nonsense",),
    ],
)
def test_wrong_use_is_a_line_and_status_2(run, arguments):
    """As for wrong settings."""
    result = run(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("bodhi: error: ")
    assert len(result.stderr.splitlines()) == 1
    assert SECRET not in result.stderr


@pytest.mark.parametrize("form", ["json", "dotenv", "ts", "markdown"])
def test_export_needs_no_settings(run, form):
    """It shows defaults, so that wrong settings do not get in its way; each name is in it."""
    result = run("config", "export", "--format", form, BODHI_PORT="http")

    assert (result.returncode, result.stderr) == (0, "")
    assert all(name in result.stdout for name in BY_NAME)


def test_generated_key_is_accepted(run):
    """Two in a row differ, and both together can be used."""
    keys = [run("config", "generate-key").stdout.strip() for _ in range(2)]

    assert keys[0] != keys[1]
    assert run("config", "list", BODHI_ENCRYPTION_KEY=",".join(keys)).returncode == 0


def test_help_imports_nothing_heavy(run_process):
    """A list of commands should be there at once."""
    heavy = ("aiohttp", "asyncpg", "aiosqlite", "dotenv", "yaml", "bodhi.cli.config")

    result = run_process("--help", PYTHONPROFILEIMPORTTIME="1")

    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert result.returncode == 0
    assert "click" in imported
    assert not imported.intersection(heavy)
    assert all(name in result.stdout for name in COMMANDS)


def test_group_without_a_command_shows_its_help(run_process):
    """Nobody has to know that there is an option for it."""
    result = run_process()

    assert result.returncode == 2
    assert result.stderr.startswith("Usage: bodhi ")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_table_shows_each_commands_own_summary(name):
    """The help line stands in the table, so that it needs no import; it is the command's own first line."""
    command = cli.get_command(None, name)

    assert command.help.splitlines()[0] == COMMANDS[name][1]


def test_a_shell_completes_commands_and_options(run_process):
    """As docs/reference/cli.md sets it up."""
    typed = {"sess": "sessions", "sessions rev": "revoke", "sessions revoke --y": "--yes"}

    completed = {
        words: run_process(
            _BODHI_COMPLETE="bash_complete", COMP_WORDS=f"bodhi {words}", COMP_CWORD=str(len(words.split()))
        ).stdout
        for words in typed
    }

    assert {words: f"plain,{word}\n" for words, word in typed.items()} == completed


def test_closed_output_pipe_is_no_error():
    """``bodhi config list | head -1`` ends quietly."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "bodhi", "config", "export", "--format", "json"],
            cwd=Path(bodhi.__file__).parents[1],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        os.close(write_end)

    assert (result.returncode, result.stderr) == (1, "")
