"""Several worker processes on one port."""

import http.client
import json
import os
import signal
import socket
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from bodhi.run.supervisor import _pause_after

PROGRAM = (str(Path(__file__).with_name("program.py")),)
WORKERS = 2


@pytest.fixture
def server(serve):
    """A server with two workers on SQLite."""
    return serve(program=PROGRAM, BODHI_WORKERS=str(WORKERS))


def wait_for(condition, *, deadline_seconds=300):
    """Wait until *condition* returns a true value, and return it."""
    deadline = time.monotonic() + deadline_seconds
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


def pids_that_answer(server):
    """Return the process ids that answer 40 connections; failed ones are ignored."""
    pids = set()
    for _ in range(40):
        try:
            with urllib.request.urlopen(f"{server.url}/pid", timeout=300) as response:
                pids.add(int(response.read()))
        except (OSError, http.client.HTTPException):
            continue
    return pids


def test_workers_share_the_port(serve, database_url):
    """Any free one; one line says that all are ready, and each of them answers."""
    server = serve(program=PROGRAM, BODHI_WORKERS=str(WORKERS), BODHI_SESSION_DB_URL=database_url)

    pids = {worker.pid for worker in server.workers()}
    assert WORKERS == len(pids)
    assert pids == wait_for(lambda: (found := pids_that_answer(server)) == pids and found)
    assert 0 == server.stop()
    assert b"" == server.rest_of_stdout()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_worker_that_is_killed_is_replaced(server):
    """The others go on meanwhile, and a line in the log says so."""
    before = {worker.pid for worker in server.workers()}
    with pytest.raises((OSError, http.client.HTTPException)):
        urllib.request.urlopen(f"{server.url}/kill", timeout=300).close()

    def all_answer():
        pids = {worker.pid for worker in server.workers()}
        return len(pids) == WORKERS and pids != before and pids == pids_that_answer(server) and pids

    after = wait_for(all_answer)

    assert 1 == len(before & after)
    assert "was ended by SIGKILL, restarting in 0 s" in server.stderr
    assert 0 == server.stop()


def test_crashing_worker_is_restarted_with_growing_delay():
    """Up to half a minute; the first death may have been an accident."""
    assert [0, 0, 0.25, 0.5, 1, 2] == [_pause_after(deaths) for deaths in range(6)]
    assert 30 == _pause_after(2_000) == _pause_after(20)


def test_terminals_ctrl_c_lets_requests_finish(server):
    """It reaches every process of the group, some of them twice: still the end is an orderly one."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=300) as client:
        client.sendall(b"POST /upload HTTP/1.0\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
        received = b""
        while not received.endswith(b"begun\n"):
            received += client.recv(4096)
        for process in [psutil.Process(server.popen.pid), *server.workers()]:
            process.send_signal(signal.SIGINT)
        for worker in server.workers():
            worker.send_signal(signal.SIGTERM)
            worker.send_signal(signal.SIGTERM)
        client.sendall(b"1234")

        assert b"4" == client.recv(4096)
    assert 0 == server.popen.wait(300)


def test_second_signal_kills_the_workers(serve):
    """For somebody who does not want to wait."""
    server = serve(program=PROGRAM, BODHI_WORKERS=str(WORKERS), BODHI_SHUTDOWN_TIMEOUT="60")
    workers = server.workers()
    with socket.create_connection(("127.0.0.1", server.port), timeout=300) as client:
        client.sendall(b"GET /forever HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096)
        server.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: "ending 2 workers" in server.stderr)

        server.stop()

    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]


def test_workers_end_with_a_supervisor_that_is_killed(server):
    """Nobody would speak for them."""
    workers = server.workers()
    os.kill(server.popen.pid, signal.SIGKILL)
    server.popen.wait(300)

    gone, alive = psutil.wait_procs(workers, timeout=300)

    assert (WORKERS, []) == (len(gone), alive)


def test_log_lines_of_workers_name_their_process(serve):
    """In JSON."""
    server = serve(BODHI_WORKERS=str(WORKERS), BODHI_LOG_FORMAT="json")
    pids = {worker.pid for worker in server.workers()}
    urllib.request.urlopen(f"{server.url}/ping", timeout=300).close()
    server.stop()

    entries = [json.loads(line) for line in server.stderr.splitlines()]
    assert [True] == [entry["process"] in pids for entry in entries if entry["logger"] == "bodhi.access"]
