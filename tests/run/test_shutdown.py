"""Shutdown ends within its timeout, whatever requests run."""

import signal
import socket
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

PROGRAM = (str(Path(__file__).with_name("program.py")),)


@pytest.fixture
def server(serve, request):
    """A server with slow routes."""
    settings = getattr(request, "param", {})
    return serve(program=PROGRAM, **settings)


@pytest.fixture(params=["uvloop", "asyncio"])
def event_loop_kind(request, environ, tmp_path):
    """The event loop of the server: uvloop and Python's own."""
    if request.param == "asyncio":
        environ["BODHI_EVENT_LOOP"] = "asyncio"


def start_request(server, path, *, method="GET", length=0):
    """Open a connection with a started response."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=300)
    client.sendall(f"{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
    received = b""
    while not received.endswith(b"begun\n"):
        chunk = client.recv(4096)
        assert chunk, received
        received += chunk
    return client


def is_refused(port):
    """Return whether connections are refused."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_for(condition, *, deadline_seconds=300):
    """Wait until *condition* holds."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_request_under_way_is_finished(server):
    """Its body still comes in after the signal, and then the process ends with status 0."""
    with start_request(server, "/upload", method="POST", length=4) as client:
        server.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: is_refused(server.port))
        client.sendall(b"1234")

        assert b"4" == client.recv(4096)
    assert 0 == server.popen.wait(300)


@pytest.mark.usefixtures("event_loop_kind")
@pytest.mark.parametrize("path", ["/forever", "/stuck"])
@pytest.mark.parametrize("server", [{"BODHI_SHUTDOWN_TIMEOUT": "1"}], indirect=True)
def test_shutdown_ends_within_its_timeout(server, path):
    """Whether a stream has no end, or a handler blocks the event loop."""
    with start_request(server, path):
        asked_at = time.monotonic()

        assert 0 == server.stop()
        assert time.monotonic() - asked_at < 30  # half of what the handler takes that blocks
    assert "Traceback" not in server.stderr


@pytest.mark.parametrize("server", [{"BODHI_SHUTDOWN_TIMEOUT": "60"}], indirect=True)
def test_second_signal_ends_the_server_at_once(server):
    """For somebody who does not want to wait."""
    with start_request(server, "/forever"):
        server.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: is_refused(server.port))

        assert 128 + signal.SIGINT == server.stop(signal.SIGINT)


@pytest.mark.usefixtures("event_loop_kind")
def test_signal_during_startup_ends_the_server(launch):
    """It waits for a database that does not answer; the log does not tell of a service that never was."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"postgres://bodhi:x@127.0.0.1:{mute.getsockname()[1]}/bodhi"
        server = launch(BODHI_SESSION_DB_URL=url, BODHI_DB_TIMEOUT="60")
        mute.settimeout(30)
        connection, _ = mute.accept()

        assert 0 == server.stop()
        connection.close()
    assert b"" == server.rest_of_stdout()
    assert not [word for word in ("Traceback", "bodhi.run") if word in server.stderr]


def status_of(server, path):
    """The status of an answer on a new connection."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=300)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize(
    "server", [{"BODHI_SHUTDOWN_DELAY": "1h"}, {"BODHI_SHUTDOWN_DELAY": "1h", "BODHI_WORKERS": "2"}], indirect=True
)
def test_health_is_503_before_the_socket_closes(server):
    """Load balancers stop sending requests; all else is served until then. A second signal does not wait for it."""
    assert 200 == status_of(server, "/health")

    server.popen.send_signal(signal.SIGTERM)
    wait_for(lambda: status_of(server, "/health") == 503)

    assert [200, 200] == [status_of(server, path) for path in ("/ping", "/bodhi/v1/user")]
    assert server.popen.poll() is None
    server.popen.send_signal(signal.SIGTERM)
    server.popen.wait(300)


@pytest.mark.parametrize(
    "server", [{"BODHI_SHUTDOWN_DELAY": "1"}, {"BODHI_SHUTDOWN_DELAY": "1", "BODHI_WORKERS": "2"}], indirect=True
)
def test_the_server_ends_after_the_delay(server):
    """As without one: requests under way are finished, with status 0."""
    with start_request(server, "/upload", method="POST", length=4) as client:
        server.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: is_refused(server.port))
        client.sendall(b"1234")

        assert b"4" == client.recv(4096)
    assert 0 == server.popen.wait(300)
