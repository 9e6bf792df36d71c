"""Listening sockets: all addresses of one host, on one port."""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from bodhi.errors import ConfigurationError
from bodhi.settings import BODHI_HOST, BODHI_PORT, Settings

ANY_PORT_ATTEMPTS = 10

_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def bind(settings: Settings) -> list[socket.socket]:
    """Bind one port on every address of the host, without listening; port 0 becomes a free one.

    With several workers the port can be shared with :func:`share`.
    Raises :exc:`ConfigurationError` if the host has no address here or the port is not available.
    """
    return bind_to(settings, settings.host, settings.port, BODHI_PORT, shared=settings.workers > 1)


def bind_to(
    settings: Settings,
    host: str,
    port: int,
    port_setting: str,
    *,
    host_setting: str = BODHI_HOST,
    shared: bool = False,
) -> list[socket.socket]:
    """Bind any *host* and *port*; *port_setting* and *host_setting* are the settings named in errors."""
    addresses = _addresses(settings, host, port, host_setting)
    for _ in range(ANY_PORT_ATTEMPTS - 1 if port == 0 else 0):
        # The system picks a port for the first address; it may be taken on the second.
        with suppress(OSError):
            return _bind_all(addresses, shared=shared)
    try:
        return _bind_all(addresses, shared=shared)
    except OSError as error:
        at_fault, value = (host_setting, host) if error.errno in _ABSENT else (port_setting, port)
        raise ConfigurationError(
            f"{at_fault} ({settings.sources.get(at_fault, 'default')}): {value} cannot be bound"
            f" at {host}: {os.strerror(error.errno or 0)}"
        ) from error


def share(bound: Sequence[socket.socket]) -> list[socket.socket]:
    """Bind further sockets to the addresses of *bound*; the kernel spreads connections over all listeners."""
    return _bind_all([(one.family, one.getsockname()) for one in bound], shared=True, claimed=True)


def url_of(settings: Settings, bound: Sequence[socket.socket]) -> str:
    """Return the URL of *bound*."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{bound[0].getsockname()[1]}"


_Address = tuple[int, tuple[Any, ...]]


def _addresses(settings: Settings, host: str, port: int, host_setting: str) -> list[_Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        place = settings.sources.get(host_setting, "default")
        raise ConfigurationError(f"{host_setting} ({place}): {host} has no address: {error.strerror}") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind_all(addresses: Sequence[_Address], *, shared: bool, claimed: bool = False) -> list[socket.socket]:
    bound: list[socket.socket] = []
    absent: OSError | None = None
    with ExitStack() as stack:
        for family, (host, port, *rest) in addresses:
            chosen = port or (bound[0].getsockname()[1] if bound else 0)
            address = (host, chosen, *rest)
            try:
                if shared and not claimed:
                    # Sharing must be among one server's workers: fails where another server is on the port.
                    _bind(family, address, shared=False).close()
                one = stack.enter_context(_bind(family, address, shared=shared))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error  # such as ::1 where there is no IPv6
            else:
                bound.append(one)
        if not bound:
            raise absent or OSError(errno.EADDRNOTAVAIL, "no address")
        stack.pop_all()
    return bound


def _bind(family: int, address: tuple[Any, ...], *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of a server that has just ended do not hold the port.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # IPv4 has sockets of its own.
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setblocking(False)
        one.bind(address)
    except BaseException:
        one.close()
        raise
    return one
