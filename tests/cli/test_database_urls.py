"""Commands with an unreadable database URL neither show a part of its password nor look it up in DNS."""

import logging
import socket

import pytest

from bodhi.cli import main

KEY = "a-key-for-tests-of-at-least-thirty-two-characters"
URLS = [
    "postgres://u:a@1:SECRET@h/db",
    "postgres://u:1?SECRET@h/db",
    "postgres://u:1/SECRET@h/db",
    "postgres://u:SECRET[TAIL@h/db",
    "postgres://u:SECRET%@h/db",
    "postgres://u:SECRET#TAIL@h/db",
    "postgres://h/db?SECRET",
    "sqlite:u:SECRET@h/db",
    "sqlite:/x.sqlite?SECRET",
]
COMMANDS = [
    ("serve",),
    ("db", "migrate"),
    ("db", "status"),
    ("doctor",),
    ("config", "list"),
    ("sessions", "list"),
    ("sessions", "count"),
]


@pytest.fixture
def run(monkeypatch, tmp_path, capfd, caplog):
    """Runs a command in this process; returns its exit status, output and log."""
    caplog.set_level(logging.DEBUG)

    def getaddrinfo(*arguments, **_):
        pytest.fail(f"a name server is asked for {arguments[0]}")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("BODHI_HOME", str(tmp_path / "bodhi"))
    monkeypatch.setenv("BODHI_ENCRYPTION_KEY", KEY)

    def run(*arguments, **environ):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        status = main(arguments)
        captured = capfd.readouterr()
        return status, captured.out + captured.err + caplog.text

    return run


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_unreadable_url_in_a_setting_is_refused_without_its_password(command, url, run):
    """It is named, and says what to write."""
    for name in ("BODHI_SESSION_DB_URL", "BODHI_DATABASE_URL"):
        status, shown = run(*command, **{"BODHI_SESSION_DB_URL": "sqlite:session.sqlite", name: url})

        assert status != 0
        assert name in shown
        assert "percent-encoded" in shown or "sqlite:/absolute/path" in shown
        assert "SECRET" not in shown
        assert "TAIL" not in shown


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "arguments",
    [
        ("copy", "--from", "sqlite:x", "--to"),
        ("copy", "--to", "sqlite:x", "--from"),
        ("import", "tower-sessions", "--from"),
    ],
    ids=["copy to", "copy from", "import"],
)
def test_unreadable_url_in_an_option_is_refused_without_its_password(arguments, url, run):
    """The same for the other database of a copy or an import."""
    status, shown = run("sessions", *arguments, url)

    assert status != 0
    assert "percent-encoded" in shown or "sqlite:/absolute/path" in shown
    assert "SECRET" not in shown
    assert "TAIL" not in shown
