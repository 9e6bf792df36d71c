"""Ports that stay free for as long as a test needs them."""

import random
import socket

# Below the ranges from which Linux (32768 up) and macOS (49152 up) take the ports of outgoing connections: a server
# that is stopped for a while must not lose its port to somebody's client socket.
_FIRST, _LAST = 20_000, 32_000


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on."""
    for port in random.sample(range(_FIRST, _LAST), 100):
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port found between {_FIRST} and {_LAST} on 127.0.0.1")
