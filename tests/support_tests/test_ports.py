"""Reserved ports for test servers."""

import socket
import subprocess
import sys
from pathlib import Path

from support import ports

_PRINT_PORTS = "from support.ports import free_port; print(*[free_port() for _ in range(300)], flush=True); input()"


def test_no_two_processes_are_given_the_same_port():
    """As long as they live, however many each takes."""
    command = [sys.executable, "-c", _PRINT_PORTS]
    folder = Path(__file__).parents[1]
    processes = [
        subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        given = [{int(port) for port in process.stdout.readline().split()} for process in processes]
        given.append({ports.free_port() for _ in range(300)})
    finally:
        for process in processes:
            process.communicate("\n")

    assert all(given)
    assert sum(map(len, given)) == len(set().union(*given))


def test_occupied_port_is_not_returned():
    """It is passed over for as long as they have it."""
    taken = [socket.create_server(("127.0.0.1", ports.free_port())) for _ in range(3)]
    try:
        numbers = {listener.getsockname()[1] for listener in taken}
        assert not numbers & {ports.free_port() for _ in range(200)}
    finally:
        for listener in taken:
            listener.close()
