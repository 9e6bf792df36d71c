"""Whether the server can serve requests, as a container's health check asks."""

import socket
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from bodhi.cli import health
from support.ports import free_port


@pytest.fixture
def answering():
    """Starts a server that answers with this status; returns its port and the list of requests."""
    with ExitStack() as ends:

        def start(status):
            requests = []

            class Handler(BaseHTTPRequestHandler):
                def do_GET(self):
                    requests.append((self.path, self.headers["Host"]))
                    self.send_response(status)
                    self.end_headers()

                def log_message(self, *_):
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            ends.callback(server.server_close)
            thread = Thread(target=server.serve_forever)
            thread.start()
            ends.callback(thread.join)
            ends.callback(server.shutdown)
            return str(server.server_port), requests

        yield start


def test_a_healthy_server(bodhi_command, answering):
    """Only its answer 200 is status 0; 503 is that of one that cannot reach its database, or ends."""
    port, requests = answering(200)

    assert (0, "the server can serve requests\n", "") == bodhi_command("health", BODHI_PORT=port)
    assert [("/health", f"localhost:{port}")] == requests


@pytest.mark.parametrize("status", [503, 404, 301])
def test_any_other_answer_is_a_failure(bodhi_command, answering, status):
    """Also that of another server on the port."""
    port, _ = answering(status)

    error = f"bodhi: error: localhost:{port}/health answers {status}\n"
    assert (1, "", error) == bodhi_command("health", BODHI_PORT=port)


@pytest.mark.parametrize(
    ("host", "at"),
    {"0.0.0.0": "127.0.0.1", "127.0.0.2": "127.0.0.2", "::1": "::1", "[::]": "::1", "bodhi.test": "bodhi.test"}.items(),
)
def test_the_server_is_asked_where_it_listens(bodhi_command, monkeypatch, host, at):
    """In a container, that is every address."""
    asked = []

    class Connection:
        def __init__(self, *address, timeout):
            asked.append((*address, timeout))

        def request(self, *_):
            raise ConnectionRefusedError

        def close(self):
            asked.append("closed")

    monkeypatch.setattr(health, "HTTPConnection", Connection)

    assert 1 == bodhi_command("health", BODHI_PORT="1234", BODHI_HOST=host)[0]
    assert [(at, 1234, 2), "closed"] == asked


def test_settings_come_from_the_same_sources(bodhi_command, answering, tmp_path):
    """A file as well as an option."""
    port, requests = answering(200)
    (tmp_path / ".env").write_text(f"BODHI_PORT={port}\n")

    assert 0 == bodhi_command("health")[0]
    assert 0 == bodhi_command("health", "--port", port, BODHI_PORT="1")[0]
    assert 0 == bodhi_command("--set", f"BODHI_PORT={port}", "health", "--host", "localhost", BODHI_HOST="::1")[0]
    assert 3 == len(requests)


def test_no_proxy_is_asked(bodhi_command, answering):
    """The environment of a container may name one, for the identity provider."""
    port, _ = answering(503)
    proxy, requests = answering(200)

    proxies = {"http_proxy": f"http://127.0.0.1:{proxy}", "ALL_PROXY": f"http://127.0.0.1:{proxy}"}
    assert 1 == bodhi_command("health", BODHI_PORT=port, **proxies)[0]
    assert [] == requests


def test_public_url_does_not_matter(bodhi_command, answering):
    """The server listens without TLS, whatever browsers see."""
    port, requests = answering(200)
    public = {"BODHI_PUBLIC_SCHEME": "https", "BODHI_PUBLIC_HOST": "login.example", "BODHI_PUBLIC_PORT": "443"}

    assert 0 == bodhi_command("health", BODHI_PORT=port, **public)[0]
    assert 1 == len(requests)


def test_no_server(bodhi_command):
    """The message names where it was looked for."""
    port = str(free_port())

    status, out, err = bodhi_command("health", BODHI_PORT=port, BODHI_HOST="127.0.0.1")

    assert (1, "") == (status, out)
    assert err.startswith(f"bodhi: error: 127.0.0.1:{port} does not answer: ")
    assert "refused" in err


@pytest.mark.parametrize("text", [b"", b"no HTTP\r\n\r\n"])
def test_no_answer(bodhi_command, monkeypatch, text):
    """A port that is open and silent, or speaks something else."""
    monkeypatch.setattr(health, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as ends:

        def answer():
            connection = ends.enter_context(server.accept()[0])
            connection.sendall(text)

        thread = Thread(target=answer)
        thread.start()
        port = str(server.getsockname()[1])

        status, out, err = bodhi_command("health", BODHI_PORT=port, BODHI_HOST="127.0.0.1")
        thread.join()

    assert (1, "") == (status, out)
    assert err.startswith(f"bodhi: error: 127.0.0.1:{port} does not answer: ")


def test_port_that_only_the_server_knows(bodhi_command):
    """It chose it."""
    assert (2, "", "bodhi: error: BODHI_PORT: 0 is any free port, which only the server knows\n") == bodhi_command(
        "health", BODHI_PORT="0"
    )
