"""``/metrics`` of server processes."""

import http.client
import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request

import psutil
import pytest

from support.ports import free_port
from support.server_process import environ as environ  # noqa: PLC0414 - fixtures, which one has by importing them
from support.server_process import launch as launch  # noqa: PLC0414
from support.server_process import serve as serve  # noqa: PLC0414

PINGS = ("bodhi_http_request_duration_seconds_count", 'method="GET",route="/ping",status="2xx"')


@pytest.fixture
def scrape(read_samples):
    """Return the samples of a server."""

    def scrape(server):
        port = re.search(r"metrics are on http://127\.0\.0\.1:(\d+)/metrics", server.stderr)[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=300) as response:
            assert "text/plain; version=0.0.4; charset=utf-8" == response.headers["Content-Type"]
            return read_samples(response.read().decode())

    return scrape


def start(serve, *arguments, **settings):
    """Starts a server with a metrics port."""
    return serve(*arguments, BODHI_METRICS_HOST="127.0.0.1", BODHI_METRICS_PORT="0", **settings)


def wait_for(condition):
    """Wait until *condition* returns a true value, and return it."""
    until = time.monotonic() + 300
    while not (result := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return result


def ping(server, times):
    """Send *count* requests on separate connections, which any worker may answer."""

    def answered_all():
        try:
            urllib.request.urlopen(f"{server.url}/ping", timeout=300).close()
        except urllib.error.URLError:  # refused: nobody listens yet
            return False
        return True

    for _ in range(times):
        wait_for(answered_all)


def test_server_exposes_its_metrics(serve, scrape, database_url):
    """Which program it is, what it did, and how many sessions are live in its database."""
    server = start(serve, BODHI_SESSION_DB_URL=database_url, BODHI_COMMIT_SHA="abc123")
    ping(server, 3)

    samples = scrape(server)

    assert 3 == samples[PINGS]
    assert 0 == samples["bodhi_sessions_live", ""]
    assert 1 == samples["bodhi_processes", ""]
    assert ['commit="abc123"'] == [
        re.search(r'commit="[^"]*"', labels)[0] for name, labels in samples if name == "bodhi_build_info"
    ]
    assert 0 == server.stop()


def test_public_port_serves_no_metrics(serve, scrape):
    """Nor is there a port for it unless it is asked for."""
    server = start(serve)
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(f"{server.url}/metrics", timeout=300)
    refused.value.close()
    assert scrape(server)

    assert "metrics are on" not in serve().stderr


def answer_for(server, host, path="/metrics"):
    """Return status, headers and body of a request with *host*; None means HTTP/1.0 without Host."""
    port = int(re.search(r"metrics are on http://127\.0\.0\.1:(\d+)/metrics", server.stderr)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.putrequest("GET", path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return answer


KNOWN = [
    "127.0.0.1:9464",
    "localhost",
    "LocalHost.:1",
    "bodhi.localhost",
    "[::1]:9464",
    "10.1.2.3:9464",  # as Prometheus finds pods
    "[fd00::17]:9464",
    "metrics.internal:9464",
    "METRICS.internal.",
    "bodhi.example.org",
]
UNKNOWN = [
    "evil.example",
    "evil.example:9464",
    "127.0.0.1.nip.io",
    "localhost.evil.example",
    "metrics.internal.evil.example",
    "2130706433",
    "0x7f.0.0.1",
]


def test_metrics_are_for_known_names_and_addresses(serve):
    """A name that is none of this server's comes with DNS rebinding: a page of another site would read the answer."""
    server = start(serve, BODHI_ALLOWED_HOSTS="metrics.internal", BODHI_PUBLIC_HOST="bodhi.example.org")

    assert dict.fromkeys(KNOWN, 200) == {host: answer_for(server, host)[0] for host in KNOWN}
    for host in UNKNOWN:
        status, _, body = answer_for(server, host)
        assert (host, 421, "route_error-misdirected_request") == (host, status, json.loads(body)["error"]["code"])
    assert [400, 400] == [answer_for(server, host)[0] for host in ("evil.example/", "a@127.0.0.1")]
    _check_security_headers(server)


def _check_security_headers(server):
    """Every answer of the port has them, errors too."""
    expected = {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Server": "bodhi",
    }
    for status, host, path in ((200, "localhost", "/metrics"), (404, "localhost", "/"), (421, "evil.example", "/")):
        answer = answer_for(server, host, path)
        assert (status, expected) == (answer[0], {name: answer[1].get(name) for name in expected})


def test_metrics_of_a_worker_are_the_sum_of_all_workers(serve, scrape):
    """Whichever of them is asked; within a second or two."""
    server = start(serve, BODHI_WORKERS="2")
    ping(server, 40)

    assert wait_for(lambda: 40 == scrape(server)[PINGS])
    assert [40.0] * 10 == [scrape(server)[PINGS] for _ in range(10)]
    assert 2 == scrape(server)["bodhi_processes", ""]


def test_counts_of_a_crashed_worker_remain(serve, scrape):
    """And none comes twice when another one takes its place, each time."""
    server = start(serve, BODHI_WORKERS="2")
    ping(server, 40)
    assert wait_for(lambda: 40 == scrape(server)[PINGS])

    before = {worker.pid for worker in server.workers()}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: 2 == len({worker.pid for worker in server.workers()} - before))

    def samples_of_all():
        try:
            return scrape(server)
        except (OSError, http.client.HTTPException):
            return None

    assert 40 == wait_for(samples_of_all)[PINGS]
    ping(server, 5)
    assert wait_for(lambda: 45 == scrape(server)[PINGS])
    assert not [worker for worker in server.workers() if worker.status() == psutil.STATUS_ZOMBIE]
    assert 0 == server.stop()


def test_a_port_that_is_taken_is_one_line(launch):
    """It names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]

        server = launch(BODHI_METRICS_HOST="127.0.0.1", BODHI_METRICS_PORT=str(taken))

        assert 2 == server.popen.wait(300)
    assert f"BODHI_METRICS_PORT (environment): {taken} cannot be bound at 127.0.0.1" in server.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_metrics_port_equal_to_the_public_port_is_refused(launch, workers):
    """Workers share their ports: who asks for a page would be told the numbers now and then."""
    port = str(free_port())

    server = launch(BODHI_WORKERS=workers, BODHI_PORT=port, BODHI_METRICS_PORT=port)

    assert 2 == server.popen.wait(300)
    assert f"BODHI_METRICS_PORT (environment): {port} is the public port, BODHI_PORT" in server.stderr


def test_metrics_address_of_another_machine_is_a_one_line_error(launch):
    """It names the setting, too."""
    server = launch(BODHI_METRICS_HOST="192.0.2.1", BODHI_METRICS_PORT="0")

    assert 2 == server.popen.wait(300)
    assert "BODHI_METRICS_HOST (environment): 192.0.2.1 cannot be bound" in server.stderr


def test_every_record_of_a_request_has_its_id(serve):
    """Of the one worker that handles it; records of no request have none."""
    server = start(serve, BODHI_WORKERS="2", BODHI_LOG_FORMAT="json")
    ids = [f"request-{number:04}" for number in range(10)]
    for one in ids:
        request = urllib.request.Request(f"{server.url}/bodhi/v1/user", headers={"X-Request-ID": one})
        urllib.request.urlopen(request, timeout=300).close()
    server.stop()

    entries = [json.loads(line) for line in server.stderr.splitlines()]
    assert ids == sorted(entry["request_id"] for entry in entries if entry["logger"] == "bodhi.access")
    assert {None, *ids} == {entry["request_id"] for entry in entries}
