"""Settings as command options, and common behaviour of commands."""

import os

import click
import pytest
from click.testing import CliRunner

import bodhi
from bodhi.cli import main
from bodhi.cli.command_line import CommandLine, setting_option
from bodhi.errors import BodhiError, ConfigurationError
from bodhi.settings import BODHI_HOST, BODHI_PORT, BY_NAME
from support.commands import all_commands


@click.command()
@setting_option("--port", BODHI_PORT)
@setting_option("--host", BODHI_HOST)
@click.pass_obj
def command(command_line):
    """Print the settings of a server."""
    settings = command_line.settings()
    click.echo(f"{settings.host} {settings.port} {settings.sources[BODHI_PORT]} {len(settings.encryption_keys)}")


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Runs the command with these arguments, after ``--set`` options from *given*."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BODHI_HOME", str(tmp_path / "bodhi"))
    monkeypatch.setenv("BODHI_PORT", "2")
    return lambda *arguments, **given: CliRunner().invoke(command, arguments, obj=CommandLine(given))


def test_option_sets_its_setting(invoke):
    """It goes before the environment and before --set; what it does not set comes from where it always does."""
    result = invoke("--port", "4", BODHI_PORT="3")

    assert result.output == "localhost 4 command line 1\n"


def test_option_that_is_not_given_leaves_other_sources_alone(invoke):
    """No default of the option hides the environment."""
    assert invoke().output == "localhost 2 environment 1\n"


def test_faults_of_options_are_reported_with_all_others(invoke, monkeypatch):
    """The option's text is checked where all are."""
    monkeypatch.setenv("BODHI_WORKERS", "none")

    error = invoke("--port", "http", "--host", "a b").exception

    assert isinstance(error, ConfigurationError)
    assert [line.split(":")[0] for line in str(error).splitlines()] == [
        "BODHI_HOST (command line)",
        "BODHI_PORT (command line)",
        "BODHI_WORKERS (environment)",
    ]


def test_option_has_the_help_of_its_setting(invoke):
    """Described once."""
    shown = " ".join(invoke("--help").output.split())

    assert f"--port BODHI_PORT {BY_NAME[BODHI_PORT].help}" in shown


class Failed(BodhiError):
    """It did not work."""


@pytest.mark.parametrize(
    ("raised", "status", "lines"),
    [
        (Failed, 1, ["bodhi: error: It did not work."]),
        (ConfigurationError("A: one\nB: two"), 2, ["bodhi: error: A: one", "bodhi: error: B: two"]),
        (click.ClickException("one\n two"), 1, ["bodhi: error: one two"]),
        (click.Abort, 130, []),
        (KeyboardInterrupt, 130, [""]),
    ],
)
def test_error_becomes_lines_and_a_status(monkeypatch, capsys, raised, status, lines):
    """Whatever a command raises on purpose, nobody sees a traceback."""

    def fail(_):
        raise raised

    monkeypatch.setattr(CommandLine, "resolve", fail)

    assert main(["config", "list"]) == status
    assert capsys.readouterr().err.splitlines() == lines


def test_programming_error_is_not_hidden(monkeypatch):
    """What was not raised on purpose keeps its traceback."""

    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(CommandLine, "resolve", fail)

    with pytest.raises(ZeroDivisionError):
        main(["config", "list"])


def test_version_is_that_of_the_installed_package(tmp_path, monkeypatch, capsys):
    """It is written in one place, the package's metadata."""
    info = tmp_path / "bodhi_sessions-9.8.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bodhi-sessions\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    monkeypatch.setitem(vars(bodhi), "__version__", "read before")
    del bodhi.__version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "bodhi 9.8.7\n"


def test_interrupt_during_startup_prints_no_traceback(bodhi_process, tmp_path):
    """Loading takes long enough to press Ctrl-C."""
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")

    assert (130, "", "") == bodhi_process("--version")


def test_option_after_a_command_is_an_error_that_names_its_position(capsys):
    """Wherever somebody put it."""
    for arguments in (["serve", "--set", "BODHI_PORT=1"], ["sessions", "list", "--json", "--set", "BODHI_PORT=1"]):
        assert 2 == main(arguments)
        told = capsys.readouterr().err
        assert "bodhi: error: --set stands before the command: bodhi --set NAME=VALUE serve\n" == told


@pytest.mark.parametrize(("given", "meant"), [(["doctr"], "doctor"), (["sessions", "lst"], "list")])
def test_mistyped_command_gets_a_suggestion(capsys, given, meant):
    """The commands of the table are known before they are imported."""
    assert 2 == main(given)
    assert f"bodhi: error: No such command '{given[-1]}'. Did you mean '{meant}'?\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--sett", "A=1", "serve"], "--set"),
        (["sessions", "list", "--jsn"], "--json"),
        (["serve", "--prt", "1"], "--port"),
        (["sessions", "import", "tower-sessions", "--frm", "x"], "--from"),
    ],
)
def test_mistyped_option_gets_a_suggestion(capsys, given, meant):
    """At every level."""
    [mistyped] = [word for word in given if word.startswith("--")]

    assert 2 == main(given)
    assert f"bodhi: error: No such option '{mistyped}'. Did you mean '{meant}'?\n" == capsys.readouterr().err


@pytest.mark.parametrize("group", sorted({path[:-1] for path in all_commands() if path[1:]}))
def test_group_help_does_not_truncate_sentences(group, monkeypatch, capsys):
    """Each of its commands has a line that fits."""
    monkeypatch.setenv("COLUMNS", "80")

    assert 0 == main([*group, "--help"])
    _, _, commands = capsys.readouterr().out.partition("Commands:")
    assert commands
    assert "..." not in commands
