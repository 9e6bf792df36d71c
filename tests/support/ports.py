"""Reserve free ports for tests."""

import atexit
import random
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle

# Below the ranges from which Linux (32768 up) and macOS (49152 up) take the ports of outgoing connections: a server
# that is stopped for a while must not lose its port to a client socket.
_FIRST, _LAST = 20_000, 32_000
# Each process of the tests has a block to itself, which it holds by its first port: between the choice of a port and
# the moment when a server listens there, no other worker or run takes the same one.
_BLOCK = 100


def free_port() -> int:
    """Return a free TCP port on 127.0.0.1 that no other test process gets."""
    for _ in range(_BLOCK - 1):
        port = next(_own_ports())
        with socket.socket() as candidate:
            if _takes(candidate, port):
                return port
    raise RuntimeError(f"no free port found between {_FIRST} and {_LAST} on 127.0.0.1")


@cache
def _own_ports() -> Iterator[int]:
    """Cycle through the ports of this process, so that a released port is reused late."""
    for first in random.sample(range(_FIRST, _LAST, _BLOCK), (_LAST - _FIRST) // _BLOCK):
        holder = socket.socket()
        if _takes(holder, first):
            atexit.register(holder.close)
            return cycle(range(first + 1, first + _BLOCK))
        holder.close()
    raise RuntimeError(f"all blocks of ports between {_FIRST} and {_LAST} on 127.0.0.1 are taken")


def _takes(candidate: socket.socket, port: int) -> bool:
    try:
        candidate.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
