"""``bodhi serve --dev`` as a process: the server with a development provider."""

import json
import re
import select
import socket
import urllib.request

import pytest

from bodhi.errors import ConfigurationError
from bodhi.run import application
from bodhi.run.dev import Development
from bodhi.run.sockets import bind

LINE = re.compile(
    r"development provider on (?P<url>http://localhost:\d+): sign in as admin, manager, power, user or nobody\n"
)


def get(url):
    """Return the JSON of a response."""
    with urllib.request.urlopen(url, timeout=300) as response:
        return json.load(response)


@pytest.fixture
def serve_dev(serve):
    """Starts a server with its provider; returns it and the provider's URL."""

    def serve_dev(*arguments, **settings):
        server = serve(*arguments, **{"BODHI_DEV_PORT": "0", **settings})
        while not server.further_output.endswith(b"\n"):
            readable, _, _ = select.select([server.popen.stdout], [], [], 300)
            assert readable, server.stderr
            server.further_output += server.popen.stdout.read(4096)
        return server, LINE.fullmatch(server.further_output.decode())["url"]

    return serve_dev


def test_dev_flag_starts_a_provider(serve_dev):
    """It is named after the ready line, answers under its own issuer, and ends with the server."""
    server, url = serve_dev("--dev")

    issuer = f"{url}/realms/bodhi"
    assert issuer == get(f"{issuer}/.well-known/openid-configuration")["issuer"]
    assert {"message": "pong"} == get(f"{server.url}/ping")
    assert 0 == server.stop()
    assert "Traceback" not in server.stderr
    with pytest.raises(OSError, match="refused"):
        get(issuer)


def test_dev_setting_starts_a_provider(serve_dev):
    """From any source."""
    server, _ = serve_dev(BODHI_DEV="true")

    assert 0 == server.stop()


def test_without_dev_there_is_no_provider(serve):
    """One line, and nothing on a second port."""
    server = serve()

    assert 0 == server.stop()
    assert b"" == server.rest_of_stdout()


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (("--host", "0.0.0.0"), {}, "BODHI_HOST=0.0.0.0 (command line)"),
        ((), {"BODHI_ENV_TYPE": "production"}, "BODHI_ENV_TYPE=production (environment)"),
        (("--workers", "2"), {}, "BODHI_WORKERS=2 (command line)"),
    ],
)
def test_the_development_provider_is_refused_where_others_could_connect(launch, arguments, settings, said):
    """In production, on other hosts than this one, and with several workers: one line and status 2."""
    server = launch("--dev", *arguments, **settings)

    assert 2 == server.popen.wait(300)
    [line] = server.stderr.splitlines()
    assert line.startswith("bodhi: error: BODHI_DEV (command line): ")
    assert said in line
    assert b"" == server.rest_of_stdout()


def test_a_taken_port_is_one_line_and_status_2(launch):
    """It names the setting of the provider's port, not that of the server's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        server = launch("--dev", BODHI_DEV_PORT=port, BODHI_ENCRYPTION_KEY="k" * 32)

        assert 2 == server.popen.wait(300)
    expected = f"bodhi: error: BODHI_DEV_PORT (environment): {port} cannot be bound at localhost"
    assert [f"{expected}: Address already in use"] == server.stderr.splitlines()


@pytest.fixture
def development(make_settings):
    """Creates the provider for a server with these settings, without listening."""
    opened = []

    def development(**environ):
        settings = make_settings(BODHI_DEV="true", BODHI_DEV_PORT="0", BODHI_PORT="0", **environ)
        bound = bind(settings)
        made = Development(settings, bound)
        opened.extend([*bound, *made.sockets])
        return made

    yield development
    for one in opened:
        one.close()


def test_the_server_is_a_client_of_the_provider(development):
    """With a secret of its own, so that nobody else can use its codes, and with all that a Keycloak realm offers."""
    made, other = development(), development()

    settings = made.settings
    assert (f"{made.url}/realms/bodhi", "bodhi", True, "ready") == (
        settings.auth_issuer,
        settings.client_id,
        settings.auth_management,
        settings.client_status,
    )
    assert len(settings.client_secret) >= 32
    assert settings.client_secret != other.settings.client_secret


def test_a_client_that_is_configured_is_the_provider_s_client(development):
    """Its status too: the first administrator can be tried out."""
    settings = development(
        BODHI_AUTH_ISSUER="https://login.example.org",
        BODHI_CLIENT_ID="mine",
        BODHI_CLIENT_SECRET="a-secret-of-mine",
        BODHI_CLIENT_STATUS="resource-admin",
    ).settings

    assert ("mine", "a-secret-of-mine", "resource-admin") == (
        settings.client_id,
        settings.client_secret,
        settings.client_status,
    )


def test_a_configured_provider_is_not_used(development, caplog):
    """And a line of the log says so."""
    made = development(BODHI_AUTH_ISSUER="https://login.example.org")

    assert f"{made.url}/realms/bodhi" == made.settings.auth_issuer
    assert ["BODHI_AUTH_ISSUER (environment) is ignored: BODHI_DEV starts a development provider"] == caplog.messages


async def test_dev_is_refused_under_gunicorn(monkeypatch):
    """Its workers are several processes, and who they listen to is its own affair."""
    monkeypatch.setenv("BODHI_DEV", "true")

    with pytest.raises(ConfigurationError, match=r"BODHI_DEV \(environment\)"):
        await application()
