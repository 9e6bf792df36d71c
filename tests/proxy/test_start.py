"""A proxy is ready when it listens itself; another process on its port is detected."""

import socket

import pytest

from support import proxies
from support.ports import free_port

pytestmark = pytest.mark.proxies


@pytest.mark.parametrize("name", list(proxies.PROXIES))
def test_occupied_port_is_reported(name, monkeypatch):
    """Also where they answer there: tests would go on until they are gone."""
    with socket.create_server(("127.0.0.1", free_port())) as other:
        monkeypatch.setattr(proxies, "free_port", lambda: other.getsockname()[1])
        start = proxies.PROXIES[name](bodhi=free_port(), application=free_port())
        with pytest.raises(RuntimeError, match=r"did not start(.|\n)*in use"), start:
            pass
